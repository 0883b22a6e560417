//! The balances of each wallet over time, and which of them a client may have seen.

use std::{collections::BTreeMap, time::Duration};

use common::{
    ids::{MovementId, WalletId},
    time::Timestamp,
};

use super::journal::{StoredAccount, StoredJournal};

/// The time of an entry may be later than the response to its request by at most this duration: the entries of one
/// wallet in a batch get increasing times, and some of these times are ahead of the clock.
pub const CREATED_AT_TOLERANCE: Duration = Duration::from_millis(10);

/// The time of an entry may be earlier than its request by at most this duration: db-proxy computes the time from its
/// last comparison with the clock of the database, and may be behind this clock by the duration of the comparison.
pub const CREATED_AT_LAG: Duration = Duration::from_secs(1);

/// Whether the times of entries can be compared with the clock of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryTimes {
    Comparable,
    /// Faults change the clock that sets the times of the entries.
    Wrong,
}

/// When the acknowledgement of a movement arrived.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledgement {
    pub movement: MovementId,
    pub at: Timestamp,
}

/// The balances of a wallet over time: zero, and then the balance after each entry.
#[derive(Debug, Clone, Default)]
struct Timeline {
    /// In the order of the numbers of the entries.
    changes: Vec<Change>,
    /// The number of changes that were acknowledged, at the time of each acknowledgement. In the order of time.
    acknowledged: Vec<Acknowledged>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    number: i64,
    at: Timestamp,
    /// The balance after the change.
    balance: i64,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    at: Timestamp,
    changes: usize,
}

/// The balances of all wallets over time.
#[derive(Debug, Clone)]
pub struct Timelines {
    wallets: BTreeMap<WalletId, Timeline>,
    times: EntryTimes,
}

impl Timelines {
    pub fn new(
        stored: &StoredJournal,
        times: EntryTimes,
        acknowledgements: impl IntoIterator<Item = Acknowledgement>,
    ) -> Self {
        let mut timelines: BTreeMap<WalletId, Timeline> = BTreeMap::new();
        for movement in stored.movements.values() {
            for entry in &movement.entries {
                let StoredAccount::Wallet { id, number, balance } = entry.account else { continue };
                timelines.entry(id).or_default().changes.push(Change { number, at: movement.created_at, balance });
            }
        }
        for timeline in timelines.values_mut() {
            timeline.changes.sort_by_key(|change| change.number);
        }
        let mut acknowledgements: Vec<_> = acknowledgements.into_iter().collect();
        acknowledgements.sort_by_key(|acknowledgement| acknowledgement.at);
        for Acknowledgement { movement, at } in acknowledgements {
            let Some(movement) = stored.movements.get(&movement) else { continue };
            for entry in &movement.entries {
                let StoredAccount::Wallet { id, number, .. } = entry.account else { continue };
                let Some(timeline) = timelines.get_mut(&id) else { continue };
                let before = timeline.acknowledged.last().map_or(0, |last| last.changes);
                let changes = usize::try_from(number).unwrap_or_default().max(before);
                timeline.acknowledged.push(Acknowledged { at, changes });
            }
        }
        Self { wallets: timelines, times }
    }

    /// Whether a request between `start` and `end` may have seen this balance of the wallet.
    ///
    /// The first possible balance is the balance after the last change that was acknowledged before `start`. The last
    /// possible balance is the balance after the last change whose time is at most [`CREATED_AT_TOLERANCE`] after
    /// `end`. If the times are wrong, the last possible balance is the newest balance of the wallet.
    pub fn may_have_had(&self, wallet: WalletId, balance: i64, start: Timestamp, end: Timestamp) -> bool {
        let empty = Timeline::default();
        let Timeline { changes, acknowledged } = self.wallets.get(&wallet).unwrap_or(&empty);
        let acknowledged = &acknowledged[..acknowledged.partition_point(|acknowledged| acknowledged.at < start)];
        let first = acknowledged.last().map_or(0, |acknowledged| acknowledged.changes).min(changes.len());
        let end = end.plus(CREATED_AT_TOLERANCE);
        let last = match self.times {
            EntryTimes::Comparable => changes.partition_point(|change| change.at <= end).max(first),
            EntryTimes::Wrong => changes.len(),
        };
        let balance_after = |count: usize| count.checked_sub(1).map_or(0, |index| changes[index].balance);
        (first..=last).any(|count| balance_after(count) == balance)
    }
}
