//! Retention: old rows are deleted, and old courses are aggregated into candles, in small steps in the background.

mod retention_clock;

use std::time::Duration;

use common::time::{Clock, Timestamp};

use self::retention_clock::RetentionClock;
use crate::database::DatabaseError;

/// Pause between two runs.
const RUN_INTERVAL: Duration = Duration::from_secs(60);
/// Pause between two steps, in which the statements of requests can run.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// Maximum number of rows that one step deletes. Such a step takes a few milliseconds, so orders do not wait long for it.
pub const MAX_STEP_ROWS: i64 = 1000;

/// The deletion or aggregation of the old rows of one domain aggregate, such as orders or courses.
pub trait Retention: Send + Sync + 'static {
    /// The name of the domain aggregate in logs.
    const AGGREGATE: &'static str;
    /// One kind of work. It is repeated until it processes nothing.
    type Step: Copy + Send + Sync;

    /// The longest time for which a row is kept.
    fn longest_retention(&self) -> Duration;

    /// The time of the database. `None` if it has no clock.
    fn database_time(&self) -> impl Future<Output = Result<Option<Timestamp>, DatabaseError>> + Send;

    /// The steps of a run, in sequence. The ages of rows are computed relative to `now`.
    fn steps(&self, now: Timestamp) -> impl Future<Output = Result<Vec<Self::Step>, DatabaseError>> + Send;

    /// Runs a step once, in one short transaction. Returns the number of rows or series that it processed. Zero means that none
    /// is left, or that another process runs the step.
    fn run_step(&self, step: Self::Step) -> impl Future<Output = Result<u64, DatabaseError>> + Send;
}

/// Runs the retention every [`RUN_INTERVAL`], unless a clock is possibly wrong. A failed run is logged, and the next
/// run retries. Never returns.
pub async fn run_periodically<R: Retention>(retention: R, clock: Clock) {
    let mut retention_clock = RetentionClock::new(clock.read(), retention.longest_retention());
    loop {
        tokio::time::sleep(RUN_INTERVAL).await;
        if let Err(error) = run_once_if_safe(&retention, &mut retention_clock, clock).await {
            tracing::warn!(aggregate = R::AGGREGATE, error = %error.chain(), "a retention run failed; the next run retries");
        }
    }
}

async fn run_once_if_safe<R: Retention>(
    retention: &R,
    retention_clock: &mut RetentionClock,
    clock: Clock,
) -> Result<(), DatabaseError> {
    retention_clock.set_longest_retention(retention.longest_retention());
    let database_time = retention.database_time().await?;
    let Some(now) = retention_clock.time_of_run(clock.read(), database_time) else {
        tracing::debug!(
            aggregate = R::AGGREGATE,
            "no row is deleted: the service has just started, or a clock may be wrong"
        );
        return Ok(());
    };
    run_once(retention, now).await
}

/// One run: repeats each step until it processes nothing.
pub async fn run_once<R: Retention>(retention: &R, now: Timestamp) -> Result<(), DatabaseError> {
    for step in retention.steps(now).await? {
        while retention.run_step(step).await? > 0 {
            tokio::time::sleep(STEP_PAUSE).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
