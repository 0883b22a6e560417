//! What the outcome of each round means for the record: a state machine, with no clock and no network in it.
//!
//! ```text
//! Empty ──good──▶ Fresh ──more than 3 failed in a row──▶ Prolonged ──prices too old──▶ Expired
//!                   ▲                                        │                            │
//!                   └────────────────good────────────────────┴──────────good──────────────┘
//! ```
//!
//! Every round writes what is true at its end, also where nothing changed: a cache that lost the record has it back a round
//! later. A record does not get younger by that, for its `as_of` and its end are those of its observation.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, PriceRecord, PriceState},
    time::Timestamp,
};

/// Failed rounds in a row that change nothing: the record is within its time to live.
pub(crate) const TOLERATED_FAILURES: u32 = 3;

/// How long records last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordLifetimes {
    /// From one round to the next.
    pub(crate) refresh: Duration,
    /// Time to live of a record.
    pub(crate) ttl: Duration,
    /// Longest time after it was observed that a record is used while rounds fail.
    pub(crate) prolong: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There was no good round yet.
    Empty,
    Fresh,
    Prolonged,
    Expired,
}

/// A record to be written; it lasts `ttl` from its own `as_of`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordWrite {
    pub(crate) record: NewPriceRecord,
    pub(crate) ttl: Duration,
}

/// What an operator is told, once when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AvailabilityChange {
    /// RecordLifecycle fail and there never was a price.
    NeverGood,
    Prolonged,
    /// The last good prices are too old: there is no price now.
    Expired,
    Recovered,
}

/// What is to be done after a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LifecycleStep {
    pub(crate) write: Option<RecordWrite>,
    pub(crate) change: Option<AvailabilityChange>,
}

/// Where the rounds stand.
///
/// A round is good when at least one currency has a price that was agreed in it. A currency that fails alone is left out
/// of the record, and the others stay fresh: a record has one `as_of` for all its prices, so a price of an earlier round
/// in it would be stamped as younger than it is. Orders in that currency are refused until it has a price again, which is
/// rare (every source fails in one currency and not in the others: it is no longer traded) and never wrong.
#[derive(Debug)]
pub(crate) struct RecordLifecycle {
    lifetimes: RecordLifetimes,
    state: State,
    failures: u32,
    last_good: Option<NewPriceRecord>,
}

impl RecordLifecycle {
    pub(crate) fn new(lifetimes: RecordLifetimes) -> Self {
        Self { lifetimes, state: State::Empty, failures: 0, last_good: None }
    }

    /// Goes on where an earlier run of the service, or another instance, left off: with the record that is in the cache,
    /// unless there is a newer one here. RecordLifecycle that were due since it was observed and brought nothing newer have failed,
    /// whether somebody was there to do them or not.
    pub(crate) fn resume(&mut self, kept: Option<PriceRecord>, now: Timestamp) {
        let own = self.last_good.as_ref().map(|record| record.as_of);
        if let Some(kept) = kept.filter(|kept| own.is_none_or(|own| own < kept.as_of)) {
            let PriceRecord { state, as_of, simulated, prices, .. } = kept;
            self.state = if state == PriceState::Fresh { State::Fresh } else { State::Prolonged };
            self.last_good = Some(NewPriceRecord { state: PriceState::Fresh, as_of, simulated, prices });
        }
        if let Some(record) = &self.last_good {
            // The one that is due right now is about to be done.
            let before = now.since(record.as_of).as_micros().saturating_sub(1);
            let due = before / self.lifetimes.refresh.as_micros().max(1);
            // One that was prolonged once is prolonged by the next failed round, not by the fourth.
            let least = if self.state == State::Prolonged { TOLERATED_FAILURES } else { 0 };
            self.failures = u32::try_from(due).unwrap_or(u32::MAX).max(least);
        }
    }

    /// RecordLifecycle in a row that have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The last prices that were agreed, however old they are.
    pub(crate) fn last_good(&self) -> Option<&NewPriceRecord> {
        self.last_good.as_ref()
    }

    /// Ends a round that agreed on a record.
    pub(crate) fn succeed(&mut self, record: NewPriceRecord) -> LifecycleStep {
        let told = match self.state {
            State::Prolonged | State::Expired => true,
            State::Empty => self.failures > TOLERATED_FAILURES,
            State::Fresh => false,
        };
        (self.state, self.failures) = (State::Fresh, 0);
        self.last_good = Some(record.clone());
        LifecycleStep {
            write: Some(RecordWrite { record, ttl: self.lifetimes.ttl }),
            change: told.then_some(AvailabilityChange::Recovered),
        }
    }

    /// Ends a round that agreed on nothing.
    pub(crate) fn fail(&mut self, now: Timestamp) -> LifecycleStep {
        self.failures = self.failures.saturating_add(1);
        let Some(record) = self.last_good.clone() else {
            return LifecycleStep {
                change: (self.failures == TOLERATED_FAILURES + 1).then_some(AvailabilityChange::NeverGood),
                write: None,
            };
        };
        let RecordLifetimes { ttl, prolong, .. } = self.lifetimes;
        let age = now.since(record.as_of);
        let (state, write) = if age >= prolong {
            (State::Expired, None)
        } else if self.failures > TOLERATED_FAILURES {
            // Round by round, not an hour at once: when this service dies too, nobody vouches for the price any more.
            let ttl = (Duration::from_secs(age.as_secs() + 1) + ttl).min(prolong);
            (
                State::Prolonged,
                Some(RecordWrite { record: NewPriceRecord { state: PriceState::Prolonged, ..record }, ttl }),
            )
        } else {
            (State::Fresh, (age < ttl).then_some(RecordWrite { record, ttl }))
        };
        let change = match (std::mem::replace(&mut self.state, state), state) {
            (before, after) if before == after => None,
            (_, State::Prolonged) => Some(AvailabilityChange::Prolonged),
            (_, State::Expired) => Some(AvailabilityChange::Expired),
            (_, State::Empty | State::Fresh) => None,
        };
        LifecycleStep { write, change }
    }
}

#[cfg(test)]
mod tests;
