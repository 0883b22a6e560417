//! The part of a transaction that reads and writes wallets and their journal. Each engine implements the statements.
//! Deposits, withdrawals, transfers and paid orders use them.

use std::collections::{BTreeSet, HashMap};

use common::{ids::WalletId, time::Timestamp};
use uuid::Uuid;

use crate::{
    client_key::ClientKey,
    database::DatabaseError,
    wallets::records::{ChangeSet, LockedWallets, Movement, RecordedRefusal, RefusalKey, StoredWallet},
};

/// The rows of wallets that a transaction has locked.
pub(crate) struct LockedRows {
    pub wallets: Vec<StoredWallet>,
    /// The time of the database after the last lock. `None` if no wallet was locked or the database has no clock.
    pub locked_at: Option<Timestamp>,
}

/// An open transaction of an engine.
pub(crate) trait JournalTransaction: Send {
    /// Locks the wallets with these ids in the order of the ids, and reads them. Until the transaction ends, no other transaction can
    /// lock or change them. `ids` are sorted.
    fn lock_wallets(&mut self, ids: Vec<Uuid>) -> impl Future<Output = Result<LockedRows, DatabaseError>> + Send;

    /// The movements that have these keys.
    fn movements_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> impl Future<Output = Result<HashMap<ClientKey, Movement>, DatabaseError>> + Send;

    /// The refusals that are recorded for these keys.
    fn refusals_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> impl Future<Output = Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError>> + Send;

    /// Writes the changes. Fails with [`DatabaseError::KeyConflict`] if another transaction used one of the keys after
    /// this transaction had read them.
    fn write_changes(&mut self, changes: &ChangeSet) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// A request to which a recorded refusal possibly applies.
pub(crate) struct RefusableRequest<'a> {
    pub key: &'a ClientKey,
    /// The wallet whose `last_refused_at` changes if a refusal of the request is recorded.
    pub wallet: WalletId,
    pub requested_at: Timestamp,
}

/// Locks the wallets of a batch in one statement. All transactions lock wallets in the order of the ids, so these locks
/// cause no deadlock.
pub(crate) async fn lock_wallets(
    journal: &mut impl JournalTransaction,
    ids: BTreeSet<WalletId>,
) -> Result<LockedWallets, DatabaseError> {
    let LockedRows { wallets, locked_at } = journal.lock_wallets(ids.into_iter().map(|id| id.0).collect()).await?;
    let wallets = wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect();
    Ok(LockedWallets { wallets, refusals: HashMap::new(), locked_at })
}

/// Reads the refusals that possibly apply to the requests.
pub(crate) async fn load_refusals<'a>(
    journal: &mut impl JournalTransaction,
    locked: &mut LockedWallets,
    requests: impl Iterator<Item = RefusableRequest<'a>>,
) -> Result<(), DatabaseError> {
    // No refusal applies to a request that is newer than the newest refusal of its wallet.
    let may_be_refused = |request: &RefusableRequest<'_>| {
        let wallet = locked.wallets.get(&request.wallet);
        wallet.is_some_and(|wallet| request.requested_at <= wallet.last_refused_at)
    };
    let keys: BTreeSet<_> = requests.filter(may_be_refused).map(|request| request.key).collect();
    if !keys.is_empty() {
        locked.refusals = journal.refusals_by_key(&keys).await?;
    }
    Ok(())
}
