//! The decisions about courses, without I/O: which courses are valid, which have changed, and which parts of a series are
//! aggregated into candles.
//!
//! A course is the last price of one pair at one exchange. The API calls the pair `direction` and the exchange
//! `exchanger`. A series consists of the courses of one pair at one exchange. A candle of a minute is computed from
//! courses, a candle of an hour from candles of a minute, and a candle of a day from candles of an hour.

use std::{collections::HashMap, time::Duration};

use common::{
    api::{
        FieldError,
        courses::{Course, CourseKind, MAX_COURSES, MAX_EXCHANGER},
    },
    money::{CurrencyPair, Rate},
    time::{MAX_CLOCK_SKEW, Timestamp},
};

/// After this many errors, the further courses of a request are not checked.
const MAX_ERRORS: usize = 20;
/// Maximum number of candles of one series that one step creates. It limits the rows that a step reads if many rows have
/// accumulated.
pub const MAX_STEP_CANDLES: u32 = 60;
/// Maximum number of series that one step aggregates.
pub const MAX_STEP_SERIES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    pub exchanger: String,
    pub direction: CurrencyPair,
}

impl SeriesKey {
    pub fn of(course: &Course) -> Self {
        Self { exchanger: course.exchanger.clone(), direction: course.direction }
    }
}

/// The current course of a series, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentCourse {
    /// The id of the series.
    pub series: i32,
    pub since: Timestamp,
    pub value: Rate,
    pub kind: CourseKind,
    pub simulated: bool,
}

/// A course to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseChange {
    pub course: Course,
    /// The current course, which ends when `course` begins. `None` for a new series.
    pub replaces: Option<CurrentCourse>,
}

/// Checks a request. Lists each invalid field of the courses, until [`MAX_ERRORS`] are found.
pub fn validate_courses(courses: &[Course], now: Timestamp) -> Result<(), Vec<FieldError>> {
    if courses.len() > MAX_COURSES {
        return Err(vec![FieldError::new("courses", format!("must contain at most {MAX_COURSES} courses"))]);
    }
    let mut errors = Vec::new();
    for (n, course) in courses.iter().enumerate() {
        let mut add_error =
            |field: &str, reason: String| errors.push(FieldError::new(format!("courses[{n}].{field}"), reason));
        if let Err(reason) = validate_exchanger(&course.exchanger) {
            add_error("exchanger", reason);
        }
        // If a course from the future were stored, every course with an earlier time would be ignored as outdated.
        if course.observed_at.is_beyond_skew(now) {
            add_error("observed_at", format!("must be at most {} s in the future", MAX_CLOCK_SKEW.as_secs()));
        }
        if course.observed_at.micros() < 0 {
            add_error("observed_at", "must be 1970 or later".to_owned());
        }
        if errors.len() >= MAX_ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks the name of an exchange.
pub fn validate_exchanger(name: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=MAX_EXCHANGER).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_EXCHANGER} letters, digits, underscores, hyphens or points"))
}

/// The newest course of each series, sorted by series. If several courses of a series have the same time, the last of them
/// counts.
pub fn newest_per_series(courses: Vec<Course>) -> Vec<Course> {
    let mut keyed: Vec<_> = courses.into_iter().map(|course| (SeriesKey::of(&course), course)).collect();
    // The sort is stable: courses that were observed at the same time remain in the order of the request.
    keyed.sort_by(|(a, left), (b, right)| a.cmp(b).then(left.observed_at.cmp(&right.observed_at)));
    // `dedup_by` keeps the first of equal elements, but the last of them is wanted.
    keyed.reverse();
    keyed.dedup_by(|(a, _), (b, _)| a == b);
    keyed.reverse();
    keyed.into_iter().map(|(_, course)| course).collect()
}

/// Selects the courses to store. Each of `courses` belongs to a different series. `current` contains the
/// current courses of these series.
///
/// A course is not stored if it equals the current course, or if it was not observed after the current course.
pub fn select_changes(courses: &[Course], current: &HashMap<SeriesKey, CurrentCourse>) -> Vec<CourseChange> {
    let change_of = |course: &Course| {
        let replaces = current.get(&SeriesKey::of(course)).copied();
        let is_change = replaces.is_none_or(|current| {
            let equals =
                (current.value, current.kind, current.simulated) == (course.value, course.kind, course.simulated);
            !equals && course.observed_at > current.since
        });
        is_change.then(|| CourseChange { course: course.clone(), replaces })
    };
    courses.iter().filter_map(change_of).collect()
}

/// The start of the bucket of `width` (a minute, an hour or a day) that contains `time`.
pub fn bucket_start(time: Timestamp, width: Duration) -> Timestamp {
    let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1);
    let micros = time.micros();
    // `from_micros` fails only for a bucket that starts before the year 0.
    Timestamp::from_micros(micros - micros.rem_euclid(width)).unwrap_or(time)
}

/// The start of the first bucket that starts at `time` or later.
pub fn next_bucket_start(time: Timestamp, width: Duration) -> Timestamp {
    let start = bucket_start(time, width);
    if start == time { start } else { start.plus(width) }
}

/// How far a series is aggregated into candles of one width. The rows of a series are its courses or its finer candles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregationProgress {
    /// The id of the series.
    pub series: i32,
    /// Every row that began before this time is aggregated.
    pub aggregated_until: Timestamp,
    /// No row that begins before this time will be added.
    pub settled_until: Timestamp,
    /// The start of the first row that is not aggregated.
    pub first_unaggregated: Option<Timestamp>,
}

/// A part of a series that one step aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregationRange {
    pub series: i32,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// The parts to aggregate next into candles of `width`. They contain only complete buckets, to which no row will be added.
pub fn due_aggregations(progress: &[AggregationProgress], width: Duration) -> Vec<AggregationRange> {
    let range_of = |progress: &AggregationProgress| {
        let complete = bucket_start(progress.settled_until, width);
        let step_end = progress
            .first_unaggregated
            .map_or(complete, |first| bucket_start(first, width).plus(width * MAX_STEP_CANDLES));
        let (from, until) = (progress.aggregated_until, complete.min(step_end));
        (until > from).then_some(AggregationRange { series: progress.series, from, until })
    };
    progress.iter().filter_map(range_of).take(MAX_STEP_SERIES).collect()
}

#[cfg(test)]
mod tests;
