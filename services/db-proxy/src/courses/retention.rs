//! Courses grow smaller as they age: they are folded into candles of a minute, an hour and a day, and what is folded is
//! removed when it is old enough. A few at a time, beside the work.
//!
//! A step is one transaction, so a crash leaves either all of it or nothing. What is folded is marked in the same transaction
//! as the candles are written, and only what is marked is ever removed; so a step that is done twice, or by two processes,
//! does nothing the second time.

use std::time::Duration;

use common::{
    api::courses::Resolution,
    config::Env,
    time::{Clock, Timestamp},
};
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

/// How often courses are folded, and old ones looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Rows removed by one step: a few milliseconds, so that no order waits for it.
const STEP: i64 = 1000;
/// Between two steps, where there is more to do.
const PAUSE: Duration = Duration::from_millis(50);

const DAY: Duration = Duration::from_hours(24);
/// Longest time that can be asked for, in days: ten years.
const MAX_DAYS: u64 = 3660;
/// The widths of candles, each made of the one before, and the first of courses themselves.
const CANDLES: [Resolution; 3] = [Resolution::Minute, Resolution::Hour, Resolution::Day];

/// How long what is kept after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub raw: Duration,
    pub minutes: Duration,
    pub hours: Duration,
    /// Nothing: for ever.
    pub days: Option<Duration>,
}

impl Default for Retention {
    /// Two days of courses, a month of minutes, a bit more than a year of hours, and all days.
    fn default() -> Self {
        Self { raw: DAY * 2, minutes: DAY * 30, hours: DAY * 400, days: None }
    }
}

impl Retention {
    pub fn read(env: &mut Env) -> Self {
        let days = |days: u64| DAY * u32::try_from(days).unwrap_or(u32::MAX);
        let raw = env.whole_number("COURSE_RAW_DAYS", 2, 1..=MAX_DAYS);
        let minutes = env.whole_number("COURSE_MINUTE_DAYS", 30, 1..=MAX_DAYS);
        let hours = env.whole_number("COURSE_HOUR_DAYS", 400, 1..=MAX_DAYS);
        let whole = env.whole_number("COURSE_DAY_DAYS", 0, 0..=MAX_DAYS);
        // What is coarser and goes first would leave a hole between what is fine and what is new.
        for (name, value, finer, at_least) in [
            ("COURSE_MINUTE_DAYS", minutes, "COURSE_RAW_DAYS", raw),
            ("COURSE_HOUR_DAYS", hours, "COURSE_MINUTE_DAYS", minutes),
            ("COURSE_DAY_DAYS", if whole == 0 { u64::MAX } else { whole }, "COURSE_HOUR_DAYS", hours),
        ] {
            if value < at_least {
                env.add_error(name, Some(value.to_string()), &format!("at least {finer}, which is {at_least}"));
            }
        }
        let days_kept = (whole > 0).then(|| days(whole));
        Self { raw: days(raw), minutes: days(minutes), hours: days(hours), days: days_kept }
    }
}

/// Runs until `stop`. What fails is tried again the next time.
pub async fn run(store: Store, clock: Clock, retention: Retention, stop: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = round(&store, clock.now(), retention).await {
                tracing::warn!(error = %error.chain(), "old courses could not be made smaller");
            }
        }
    };
    tokio::select! { () = stop.cancelled() => {}, () = rounds => {} }
}

/// Folds all that is over, and then removes all that is too old at `now`.
pub async fn round(store: &Store, now: Timestamp, retention: Retention) -> Result<(), StoreError> {
    for candles in CANDLES {
        while store.fold_courses(candles).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let Retention { raw, minutes, hours, days } = retention;
    let keep = [(Resolution::Raw, Some(raw)), (Resolution::Minute, Some(minutes)), (Resolution::Hour, Some(hours))];
    for (what, keep) in keep.into_iter().chain([(Resolution::Day, days)]) {
        let Some(keep) = keep else { continue };
        while store.forget_courses(what, now.minus(keep), STEP).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
