//! The unit of work of wallets. Each engine implements the statements, and this module defines their order.

use super::journal::{self, JournalTransaction, RefusableRequest};
use crate::{
    clock_check::ClockCheck,
    database::DatabaseError,
    group_commit::{Decided, UnitOfWork},
    wallets::{
        command::{Decision, MoveMoneyCommand},
        policy,
        records::{ChangeSet, Snapshot},
    },
};

/// An open transaction of an engine.
pub(super) trait WalletTransaction: Send + Sized {
    fn journal(&mut self) -> impl JournalTransaction;

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
        let mut journal = self.transaction.journal();
        let ids = commands.iter().flat_map(|command| command.terms.wallets()).collect();
        let mut locked = journal::lock_wallets(&mut journal, ids).await?;
        let now = locked.decided_at(self.clock_check.write_time()?);
        let keys = commands.iter().map(|command| &command.key).collect();
        let movements = journal.movements_by_key(&keys).await?;
        let requests = commands.iter().map(|MoveMoneyCommand { key, terms, requested_at, .. }| RefusableRequest {
            key,
            wallet: terms.primary_wallet(),
            requested_at: *requested_at,
        });
        journal::load_refusals(&mut journal, &mut locked, requests).await?;
        Ok(Snapshot { locked, movements, now })
    }

    fn decide(&self, snapshot: Snapshot, commands: &mut [MoveMoneyCommand]) -> Decided<Decision, ChangeSet> {
        policy::decide_batch(snapshot, commands)
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        self.transaction.journal().write_changes(changes).await
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        self.transaction.commit().await
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        self.transaction.roll_back().await
    }
}
