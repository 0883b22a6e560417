//! The running balances of a batch, without I/O. The policy of wallets books its movements here, and the policy of orders books the
//! payments of orders.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use common::{
    api::orders::OwnerFilter,
    config::Caller,
    ids::{MovementId, WalletId},
    money::{Money, MoneyError},
    time::{MAX_CLOCK_SKEW, Timestamp},
};

use super::records::{
    Account, BalanceReason, ChangeSet, Entry, LockedWallets, Movement, MovementKind, NewMovement, RecordedRefusal,
    RefusalKey, StoredWallet,
};
use crate::{client_key::ClientKey, uuid_v7::new_uuid_at};

/// Minimum difference between the times of two entries of a wallet: the precision of stored times.
const TIME_STEP: Duration = Duration::from_micros(1);

/// The wallets and the movements of a batch. The balances include the movements that are booked so far.
#[derive(Default)]
pub struct RunningBalances {
    wallets: HashMap<WalletId, StoredWallet>,
    /// The stored refusals, and the new refusals of the batch.
    refusals: HashMap<RefusalKey, RecordedRefusal>,
    movements: Vec<NewMovement>,
    changed_wallets: BTreeSet<WalletId>,
    new_refusals: HashMap<RefusalKey, RecordedRefusal>,
}

/// The amount that a movement adds to a wallet, in the smallest unit of the wallet's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub wallet: WalletId,
    pub amount: i64,
}

/// A movement whose changes the balances permit.
pub struct PermittedMovement {
    changes: Vec<Change>,
    /// The changed wallets, in the order of the changes.
    wallets: Vec<StoredWallet>,
}

/// The data of a movement besides its changes.
#[derive(Clone, Copy)]
pub struct Posting<'a> {
    pub kind: MovementKind,
    /// The id of the movement. If it is `None`, the movement gets a new id.
    pub id: Option<MovementId>,
    /// The movement is not earlier than this time.
    pub not_before: Timestamp,
    pub key: &'a ClientKey,
    pub written_by: Caller,
}

impl RunningBalances {
    pub fn new(LockedWallets { wallets, refusals, .. }: LockedWallets) -> Self {
        Self { wallets, refusals, ..Self::default() }
    }

    /// A wallet of the owner. Returns `None` for a wallet of another owner, as for a wallet that does not exist.
    pub fn wallet(&self, id: WalletId, owner: OwnerFilter) -> Option<&StoredWallet> {
        self.wallets.get(&id).filter(|wallet| owner.selects(wallet.user_id))
    }

    /// The recorded refusal that applies to a request that was made at `requested_at`.
    pub fn applicable_refusal(
        &self,
        key: impl FnOnce() -> RefusalKey,
        requested_at: Timestamp,
        now: Timestamp,
    ) -> Option<&RecordedRefusal> {
        // Usually no refusal is recorded, so the text of the key need not be built.
        if self.refusals.is_empty() {
            return None;
        }
        self.refusals.get(&key()).filter(|refusal| refusal.applies_to(requested_at, now))
    }

    /// Checks the balances after the changes. Each wallet must be known and occur once. Fails with the first change that a balance
    /// does not permit.
    pub fn permit(&self, changes: Vec<Change>, now: Timestamp) -> Result<PermittedMovement, RecordedRefusal> {
        let change = |change: &Change| {
            let wallet = self.wallets.get(&change.wallet).expect("a movement changes only known wallets");
            // The balance and the amount are below 10^18, so their sum fits into an i64.
            let balance = Money::new(wallet.currency, wallet.balance.units() + change.amount);
            balance.map(|balance| StoredWallet { balance, entries: wallet.entries + 1, ..*wallet }).map_err(|error| {
                let reason = match error {
                    MoneyError::Negative => BalanceReason::InsufficientFunds,
                    MoneyError::TooLarge | MoneyError::Syntax => BalanceReason::BalanceOutOfRange,
                };
                let &StoredWallet { id, currency, balance, .. } = wallet;
                RecordedRefusal { reason, wallet: id, currency, balance, refused_at: now }
            })
        };
        let wallets = changes.iter().map(change).collect::<Result<_, _>>()?;
        Ok(PermittedMovement { changes, wallets })
    }

    /// Adds a movement to the batch. No other movement may be added between [`Self::permit`] and this call.
    pub fn book(&mut self, posting: Posting<'_>, permitted: PermittedMovement) -> &Movement {
        let Posting { kind, id, not_before, key, written_by } = posting;
        let PermittedMovement { changes, wallets } = permitted;
        // The time is later than the previous entry of each wallet even if the clock went back. The order of entries by
        // time is therefore the order by number.
        let previous = wallets.iter().map(|wallet| wallet.last_entry_at.plus(TIME_STEP)).max();
        let created_at = previous.map_or(not_before, |previous| previous.max(not_before));
        let mut entries: Vec<Entry> = Vec::with_capacity(2 * wallets.len());
        for (Change { amount, .. }, wallet) in changes.into_iter().zip(wallets) {
            let account = Account::Wallet { id: wallet.id, number: wallet.entries, balance: wallet.balance };
            entries.push(Entry { account, currency: wallet.currency, amount });
            self.changed_wallets.insert(wallet.id);
            self.wallets.insert(wallet.id, StoredWallet { last_entry_at: created_at, ..wallet });
        }
        balance_with_outside(&mut entries);
        let id = id.unwrap_or_else(|| MovementId(new_uuid_at(created_at)));
        let movement = Movement { id, kind, created_at, entries };
        self.movements.push(NewMovement { movement, key: key.clone(), written_by });
        &self.movements.last().expect("a movement was added").movement
    }

    /// Records a refusal. A copy of the request that was made before the refusal receives the same refusal. Later
    /// batches skip the read of the recorded refusals for requests after `last_refused_at` of `wallet`.
    pub fn record_refusal(&mut self, key: RefusalKey, wallet: WalletId, refusal: RecordedRefusal) {
        // If the stored `last_refused_at` is later than `latest`, it was stored while the clock was ahead. The refusal
        // of that time does not apply now, so its time need not be kept.
        let latest = refusal.refused_at.plus(MAX_CLOCK_SKEW);
        if let Some(stored) = self.wallets.get_mut(&wallet) {
            stored.last_refused_at = stored.last_refused_at.max(refusal.refused_at).min(latest);
            self.changed_wallets.insert(wallet);
        }
        self.refusals.insert(key.clone(), refusal);
        self.new_refusals.insert(key, refusal);
    }

    /// The rows that change. `None` if no row changes.
    pub fn into_changes(self) -> Option<ChangeSet> {
        let Self { wallets, movements, changed_wallets, new_refusals, .. } = self;
        // Each movement and each recorded refusal changes a wallet.
        if changed_wallets.is_empty() {
            return None;
        }
        let wallets = changed_wallets.iter().filter_map(|id| wallets.get(id)).copied().collect();
        Some(ChangeSet { movements, wallets, refusals: new_refusals.into_iter().collect() })
    }
}

/// Adds entries on the account for money outside Buydesk, so that the entries add up to zero in each currency.
fn balance_with_outside(entries: &mut Vec<Entry>) {
    for index in 0..entries.len() {
        let currency = entries[index].currency;
        let rest: i64 = entries.iter().filter(|entry| entry.currency == currency).map(|entry| entry.amount).sum();
        if rest != 0 {
            entries.push(Entry { account: Account::Outside, currency, amount: -rest });
        }
    }
}
