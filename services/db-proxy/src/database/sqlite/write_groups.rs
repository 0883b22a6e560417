//! Commits small writes in groups. The writes of a group share one transaction and one sync of the disk.

use std::{sync::Arc, time::Duration};

use common::concurrency::batching::{BatchError, BatchLimits, Batcher};
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::{sync::oneshot, time::timeout};
use tracing::Instrument;

use crate::database::{DatabaseError, TransactionConnection};

/// One group is committed at a time. Meanwhile, writes wait for the next group, so groups grow with the load. The size
/// of a group is limited, because a batch of orders may have to wait until a group is committed.
const GROUP_LIMITS: BatchLimits = BatchLimits { max_queued: 4096, max_batch_size: 128, max_in_flight: 1 };
/// How long a group may wait for the connection, which other writers use too.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The statements of one write. They send their output to the caller, who reads it only after the commit.
type Statements = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), DatabaseError>> + Send>;

/// Commits small writes in groups. Clones share the groups.
#[derive(Clone)]
pub struct WriteGroups(Batcher<Statements, Result<(), DatabaseError>>);

impl WriteGroups {
    /// `pool` has the only connection for writes. The task that commits the groups ends when all clones are dropped.
    ///
    /// # Panics
    /// Outside a runtime of tokio.
    pub fn new(pool: SqlitePool) -> Self {
        let (batcher, task) = Batcher::new(GROUP_LIMITS, move |writes| commit_group(pool.clone(), writes));
        tokio::spawn(task.in_current_span());
        Self(batcher)
    }

    /// Runs the statements of a write in the transaction of a group, and returns their output after the commit.
    ///
    /// If a statement violates a unique, foreign-key or check constraint or returns an invalid row, only this write
    /// fails. The changes of its earlier statements remain. Any other error of a statement or of the commit fails every
    /// write of the group. If it is unknown whether the group was committed, the cause is
    /// [`DatabaseError::Unanswered`].
    ///
    /// If the caller stops waiting after its group has begun, the write is not cancelled.
    pub async fn run<T, W>(&self, write: W) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, DatabaseError>> + Send + 'static,
    {
        let (sender, output) = oneshot::channel();
        let statements: Statements = Box::new(move |connection| {
            Box::pin(async move {
                // Sending fails if the caller no longer waits.
                let _ = sender.send(write(connection).await?);
                Ok(())
            })
        });
        let committed = self.0.submit(statements).await;
        committed.map_err(|error| match error {
            BatchError::Full => DatabaseError::TimedOut,
            BatchError::Stopped => DatabaseError::Unavailable(sqlx::Error::PoolClosed),
            BatchError::NoResponse => DatabaseError::of_write(sqlx::Error::WorkerCrashed),
        })??;
        output.await.map_err(|_| DatabaseError::of_write(sqlx::Error::WorkerCrashed))
    }
}

/// Returns one result for each write, in the same sequence.
async fn commit_group(pool: SqlitePool, writes: Vec<Statements>) -> Vec<Result<(), DatabaseError>> {
    let size = writes.len();
    match run_transaction(&pool, writes).await {
        Ok(results) => results,
        Err(error) => {
            let error = Arc::new(error);
            std::iter::repeat_with(|| Err(DatabaseError::GroupFailed(Arc::clone(&error)))).take(size).collect()
        }
    }
}

/// Runs the writes in one transaction. After an error before the commit, nothing is written.
async fn run_transaction(
    pool: &SqlitePool,
    writes: Vec<Statements>,
) -> Result<Vec<Result<(), DatabaseError>>, DatabaseError> {
    let acquired = timeout(MAX_WAIT, TransactionConnection::acquire(pool)).await;
    let mut connection = acquired.map_err(|_| DatabaseError::TimedOut)??;
    let mut transaction = connection.begin_with("begin immediate").await?;
    let mut results = Vec::with_capacity(writes.len());
    for write in writes {
        match write(&mut transaction).await {
            Err(error) if !leaves_transaction_intact(&error) => return Err(error),
            result => results.push(result),
        }
    }
    transaction.commit().await.map_err(DatabaseError::of_write)?;
    connection.release();
    Ok(results)
}

/// Whether the transaction can continue after this error. SQLite undoes only the statement that violates a constraint.
/// After other errors, such as a full disk, it may have rolled back the whole transaction.
fn leaves_transaction_intact(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Rejected(sqlx::Error::Database(error)) => {
            error.is_unique_violation() || error.is_foreign_key_violation() || error.is_check_violation()
        }
        // The statement succeeded.
        DatabaseError::InvalidRow(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
