//! The unit of work of wallets. Each engine implements the statements, and this module defines their order.

use std::collections::{BTreeSet, HashMap};

use common::ids::WalletId;
use uuid::Uuid;

use crate::{
    client_key::ClientKey,
    clock_check::ClockCheck,
    database::DatabaseError,
    group_commit::{Decided, UnitOfWork},
    wallets::{
        command::{Decision, MoveMoneyCommand},
        policy,
        records::{ChangeSet, Movement, RecordedRefusal, RefusalKey, Snapshot, StoredWallet},
    },
};

/// An open transaction of an engine.
pub(super) trait WalletTransaction: Send + Sized {
    /// Locks the wallets with these ids in the order of the ids, and reads them. Until the transaction ends, no other transaction can
    /// lock or change them. `ids` are sorted.
    fn lock_wallets(&mut self, ids: Vec<Uuid>)
    -> impl Future<Output = Result<Vec<StoredWallet>, DatabaseError>> + Send;

    /// The movements that have these keys. Each key occurs once.
    fn movements_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> impl Future<Output = Result<HashMap<ClientKey, Movement>, DatabaseError>> + Send;

    /// The refusals that are recorded for these keys. Each key occurs once.
    fn refusals_by_key(
        &mut self,
        keys: &BTreeSet<&ClientKey>,
    ) -> impl Future<Output = Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError>> + Send;

    /// Fails with [`DatabaseError::KeyConflict`] if another transaction used one of the keys since they were read.
    fn write_changes(&mut self, changes: &ChangeSet) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    fn roll_back(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// A transaction, and the clock for the decisions about its batch.
pub(super) struct WalletUnit<'a, T> {
    pub transaction: T,
    pub clock_check: &'a ClockCheck,
}

impl<T: WalletTransaction> UnitOfWork for WalletUnit<'_, T> {
    type Command = MoveMoneyCommand;
    type Snapshot = Snapshot;
    type Decision = Decision;
    type Changes = ChangeSet;

    async fn load_snapshot(&mut self, commands: &[MoveMoneyCommand]) -> Result<Snapshot, DatabaseError> {
        // One order of locks for all transactions, so that none waits for another in a circle.
        let ids: BTreeSet<WalletId> = commands.iter().flat_map(|command| command.terms.wallets()).collect();
        let wallets = self.transaction.lock_wallets(ids.into_iter().map(|id| id.0).collect()).await?;
        let wallets: HashMap<_, _> = wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect();
        let now = self.clock_check.write_time()?;
        let keys = commands.iter().map(|command| &command.key).collect();
        let movements = self.transaction.movements_by_key(&keys).await?;
        // Usually every request is newer than the newest refusal of its wallet, and then no refusal applies.
        let may_be_refused = |command: &&MoveMoneyCommand| {
            let wallet = wallets.get(&command.terms.primary_wallet());
            wallet.is_some_and(|wallet| command.requested_at <= wallet.last_refused_at)
        };
        let keys: BTreeSet<_> = commands.iter().filter(may_be_refused).map(|command| &command.key).collect();
        let refusals = if keys.is_empty() { HashMap::new() } else { self.transaction.refusals_by_key(&keys).await? };
        Ok(Snapshot { wallets, movements, refusals, now })
    }

    fn decide(&self, snapshot: Snapshot, commands: &mut [MoveMoneyCommand]) -> Decided<Decision, ChangeSet> {
        policy::decide_batch(snapshot, commands)
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        self.transaction.write_changes(changes).await
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        self.transaction.commit().await
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        self.transaction.roll_back().await
    }
}
