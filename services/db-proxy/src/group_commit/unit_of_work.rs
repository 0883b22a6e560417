//! The steps of one attempt to commit a batch. An aggregate implements the steps, and this module defines their order.

use crate::database::DatabaseError;

/// Progress of one attempt, readable even if the attempt is aborted.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Whether the commit has possibly reached the database. If it has, the outcome of a failed attempt is unknown.
    pub commit_sent: bool,
}

/// The decisions of a policy about a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided<D, C> {
    /// One decision for each command, in the same order.
    pub decisions: Vec<D>,
    /// The rows to write. `None` if no row changes.
    pub changes: Option<C>,
}

/// One transaction of an aggregate. If it is dropped before [`commit`](Self::commit), it is rolled back.
pub trait UnitOfWork: Send + Sized {
    type Command: Send + Sync;
    /// The data that the policy needs from the database.
    type Snapshot: Send;
    type Decision: Send;
    type Changes: Send + Sync;

    /// Takes the locks of the batch, and then reads. After a statement has waited for a lock, it can return outdated
    /// values of rows that it does not lock. A later statement must therefore read these rows.
    fn load_snapshot(
        &mut self,
        commands: &[Self::Command],
    ) -> impl Future<Output = Result<Self::Snapshot, DatabaseError>> + Send;

    /// Applies the policy of the aggregate. May record in a command the id that it assigned, so that the next attempt
    /// recognizes the row.
    fn decide(
        &self,
        snapshot: Self::Snapshot,
        commands: &mut [Self::Command],
    ) -> Decided<Self::Decision, Self::Changes>;

    fn write_changes(&mut self, changes: &Self::Changes) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    fn roll_back(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// Decides a batch and commits its changes. Rolls back if no row changes.
pub async fn commit_batch<U: UnitOfWork>(
    mut unit: U,
    commands: &mut [U::Command],
    attempt: &mut Attempt,
) -> Result<Vec<U::Decision>, DatabaseError> {
    let snapshot = unit.load_snapshot(commands).await?;
    let Decided { decisions, changes } = unit.decide(snapshot, commands);
    let Some(changes) = changes else {
        unit.roll_back().await?;
        return Ok(decisions);
    };
    unit.write_changes(&changes).await?;
    attempt.commit_sent = true;
    unit.commit().await?;
    Ok(decisions)
}
