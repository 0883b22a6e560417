//! Retention: old rows are deleted or folded into candles in small steps, in the background.

use std::time::Duration;

use common::time::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::database::DatabaseError;

/// Pause between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_secs(60);
/// Pause between two steps, in which the statements of requests can run.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// Maximum number of rows that one step deletes. Such a step takes a few milliseconds, so orders do not wait long for it.
pub const MAX_STEP_ROWS: i64 = 1000;

/// The work of an aggregate on its old rows.
pub trait Retention: Send + Sync + 'static {
    /// The name of the aggregate in logs.
    const AGGREGATE: &'static str;
    /// One kind of work. It is repeated until it finds nothing to do.
    type Step: Copy + Send + Sync;

    /// The steps of a round that starts at `now`, in the order in which they run.
    fn steps(&self, now: Timestamp) -> Vec<Self::Step>;

    /// Runs a step once, in one short transaction. Returns the number of rows or series that it
    /// processed, which is zero if none is left.
    fn run_step(&self, step: Self::Step) -> impl Future<Output = Result<u64, DatabaseError>> + Send;
}

/// Runs a round every minute until `stop` is cancelled. A failed round is logged, and the next round does its work.
pub async fn run_rounds<R: Retention>(retention: R, clock: Clock, stop: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(ROUND_INTERVAL).await;
            if let Err(error) = run_round(&retention, clock.now()).await {
                tracing::warn!(aggregate = R::AGGREGATE, error = %error.chain(), "a retention round failed; the next one retries");
            }
        }
    };
    tokio::select! { () = stop.cancelled() => {}, () = rounds => {} }
}

/// Repeats each step until it finds nothing to do.
pub async fn run_round<R: Retention>(retention: &R, now: Timestamp) -> Result<(), DatabaseError> {
    for step in retention.steps(now) {
        while retention.run_step(step).await? > 0 {
            tokio::time::sleep(STEP_PAUSE).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
