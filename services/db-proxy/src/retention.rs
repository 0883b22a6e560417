//! Retention: old rows are removed or condensed in small steps, in the background.

use std::time::Duration;

use common::time::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::database::DatabaseError;

/// How often old rows are looked for.
const INTERVAL: Duration = Duration::from_secs(60);
/// Pause between two steps. Foreground statements run in it.
const PAUSE: Duration = Duration::from_millis(50);
/// Most rows that one step removes. It takes a few milliseconds, so that no order waits long for it.
pub const MAX_STEP_ROWS: i64 = 1000;

/// What an aggregate does with its old rows.
pub trait Retention: Send + Sync + 'static {
    /// The aggregate, as the log names it.
    const AGGREGATE: &'static str;
    /// A kind of work that is repeated until there is no more of it.
    type Step: Copy + Send + Sync;

    /// The steps of a round that starts at `now`, in their order.
    fn steps(&self, now: Timestamp) -> Vec<Self::Step>;

    /// Runs a step once, in one short transaction. Returns how many rows it processed; zero if there are no more.
    fn run_step(&self, step: Self::Step) -> impl Future<Output = Result<u64, DatabaseError>> + Send;
}

/// Runs a round every minute until `stop`. A round that fails is logged; the next one does its work.
pub async fn run<R: Retention>(retention: R, clock: Clock, stop: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = run_round(&retention, clock.now()).await {
                tracing::warn!(aggregate = R::AGGREGATE, error = %error.chain(), "old rows could not be removed");
            }
        }
    };
    tokio::select! { () = stop.cancelled() => {}, () = rounds => {} }
}

/// Repeats each step until there is no more of its work.
pub async fn run_round<R: Retention>(retention: &R, now: Timestamp) -> Result<(), DatabaseError> {
    for step in retention.steps(now) {
        while retention.run_step(step).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
