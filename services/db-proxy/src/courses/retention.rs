//! Retention of courses, the last prices of pairs at exchanges. Courses are aggregated into candles of a minute, an hour and a day.
//! Rows are deleted when their retention time has passed, but not before they are aggregated.
//!
//! A step is one transaction, so a crash leaves either all changes of the step or none. The transaction that writes
//! candles also records how far the rows are aggregated, and only aggregated rows are deleted. A row is therefore
//! aggregated only one time, even if a step runs twice. A lock in the database prevents two processes from
//! aggregating at the same time.

use std::time::Duration;

use common::{
    api::courses::Resolution,
    config::{Env, Live},
    time::Timestamp,
};

use super::CourseStore;
use crate::{
    database::DatabaseError,
    retention::{MAX_STEP_ROWS, Retention},
};

const DAY: Duration = Duration::from_hours(24);
/// Maximum of each setting, in days: ten years.
const MAX_DAYS: u64 = 3660;
/// The resolutions of candles. Candles of a minute are computed from courses, candles of an hour from candles of a
/// minute, and candles of a day from candles of an hour.
const CANDLE_WIDTHS: [Resolution; 3] = [Resolution::Minute, Resolution::Hour, Resolution::Day];

/// How long courses and candles are kept after their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourseRetentionSettings {
    /// For courses.
    pub raw: Duration,
    pub minutes: Duration,
    pub hours: Duration,
    /// If it is `None`, candles of a day are kept forever.
    pub days: Option<Duration>,
}

impl Default for CourseRetentionSettings {
    /// Keeps courses for two days, and candles of a minute for a month, of an hour for more than a year, and of a day
    /// forever.
    fn default() -> Self {
        Self { raw: DAY * 2, minutes: DAY * 30, hours: DAY * 400, days: None }
    }
}

impl CourseRetentionSettings {
    pub fn from_env(env: &mut Env) -> Self {
        let duration = |days: u64| DAY * u32::try_from(days).unwrap_or(u32::MAX);
        let raw = env.whole_number("COURSE_RAW_DAYS", 2, 1..=MAX_DAYS);
        let minutes = env.whole_number("COURSE_MINUTE_DAYS", 30, 1..=MAX_DAYS);
        let hours = env.whole_number("COURSE_HOUR_DAYS", 400, 1..=MAX_DAYS);
        let days = env.whole_number("COURSE_DAY_DAYS", 0, 0..=MAX_DAYS);
        let days_or_forever = if days == 0 { u64::MAX } else { days };
        // The coarser history must not begin later than the finer history.
        for (name, value, finer_name, finer) in [
            ("COURSE_MINUTE_DAYS", minutes, "COURSE_RAW_DAYS", raw),
            ("COURSE_HOUR_DAYS", hours, "COURSE_MINUTE_DAYS", minutes),
            ("COURSE_DAY_DAYS", days_or_forever, "COURSE_HOUR_DAYS", hours),
        ] {
            if value < finer {
                env.add_error(name, value.to_string(), &format!("at least {finer_name}, which is {finer}"));
            }
        }
        let days = (days > 0).then(|| duration(days));
        Self { raw: duration(raw), minutes: duration(minutes), hours: duration(hours), days }
    }

    /// The longest retention time, except forever. A coarser resolution is kept at least as long as a finer resolution.
    fn longest(&self) -> Duration {
        self.days.unwrap_or(self.hours)
    }
}

/// Aggregates and deletes old courses.
pub struct CourseRetention {
    pub store: CourseStore,
    pub settings: Live<CourseRetentionSettings>,
}

/// A kind of work on old courses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CourseStep {
    /// Aggregates courses or finer candles into candles of this resolution.
    AggregateInto(Resolution),
    /// Deletes courses or candles of this resolution that ended at `before` or earlier. Keeps rows that must be
    /// aggregated first.
    Delete { resolution: Resolution, before: Timestamp },
}

impl Retention for CourseRetention {
    const AGGREGATE: &'static str = "courses";
    type Step = CourseStep;

    fn longest_retention(&self) -> Duration {
        self.settings.get().longest()
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        self.store.database_time().await
    }

    async fn steps(&self, now: Timestamp) -> Result<Vec<CourseStep>, DatabaseError> {
        let CourseRetentionSettings { raw, minutes, hours, days } = self.settings.get();
        let retention_times = [
            (Resolution::Raw, Some(raw)),
            (Resolution::Minute, Some(minutes)),
            (Resolution::Hour, Some(hours)),
            (Resolution::Day, days),
        ];
        let deletions = retention_times
            .into_iter()
            .filter_map(|(resolution, time)| Some(CourseStep::Delete { resolution, before: now.minus(time?) }));
        Ok(CANDLE_WIDTHS.into_iter().map(CourseStep::AggregateInto).chain(deletions).collect())
    }

    async fn run_step(&self, step: CourseStep) -> Result<u64, DatabaseError> {
        match step {
            CourseStep::AggregateInto(resolution) => self.store.aggregate_courses(resolution).await,
            CourseStep::Delete { resolution, before } => {
                self.store.delete_courses(resolution, before, MAX_STEP_ROWS).await
            }
        }
    }
}

#[cfg(test)]
mod tests;
