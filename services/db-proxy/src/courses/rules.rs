//! What is decided about courses, with no database in it: which are allowed, which changed, and what is folded when.

use std::{collections::HashMap, time::Duration};

use common::{
    api::{
        FieldError,
        courses::{Course, CourseKind, MAX_CLOCK_SKEW, MAX_COURSES, MAX_EXCHANGER},
    },
    money::{CurrencyPair, Rate},
    time::Timestamp,
};

/// How many wrong courses of one request are named.
const MAX_NAMED: usize = 20;
/// Most candles of one series that one step makes: bounds what it reads where a lot has gathered.
pub const STEP_CANDLES: u32 = 60;
/// Most series that one step folds.
pub const STEP_SERIES: usize = 64;

/// Whose courses follow one another.
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

/// What is written down as the actual course of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actual {
    pub series: i32,
    pub since: Timestamp,
    pub value: Rate,
    pub kind: CourseKind,
    pub simulated: bool,
}

/// A course to be written down, and the actual one that it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub course: Course,
    pub ends: Option<Actual>,
}

/// Checks what was sent, and names each field that is wrong.
pub fn check(courses: &[Course], now: Timestamp) -> Result<(), Vec<FieldError>> {
    if courses.len() > MAX_COURSES {
        return Err(vec![FieldError::new("courses", format!("must hold at most {MAX_COURSES}"))]);
    }
    let latest = now.plus(MAX_CLOCK_SKEW);
    let mut errors = Vec::new();
    for (n, course) in courses.iter().enumerate() {
        let mut wrong =
            |field: &str, reason: String| errors.push(FieldError::new(format!("courses[{n}].{field}"), reason));
        if let Err(reason) = check_exchanger(&course.exchanger) {
            wrong("exchanger", reason);
        }
        if course.observed_at > latest {
            wrong("observed_at", format!("must be at most {} s in the future", MAX_CLOCK_SKEW.as_secs()));
        }
        if course.observed_at.micros() < 0 {
            wrong("observed_at", "must be 1970 or later".to_owned());
        }
        if errors.len() >= MAX_NAMED {
            break;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks the name of an exchange.
pub fn check_exchanger(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=MAX_EXCHANGER).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_EXCHANGER} letters, digits, underscores, hyphens or points"))
}

/// The newest course of each series, in the order of the series; of several observed at once, the last one.
pub fn newest(courses: Vec<Course>) -> Vec<Course> {
    let mut keyed: Vec<_> = courses.into_iter().map(|course| (SeriesKey::of(&course), course)).collect();
    // Stable: what was observed at the same time stays in the order in which it was sent.
    keyed.sort_by(|(a, left), (b, right)| a.cmp(b).then(left.observed_at.cmp(&right.observed_at)));
    // `dedup_by` keeps the first of its kind, so it is given the last one first.
    keyed.reverse();
    keyed.dedup_by(|(a, _), (b, _)| a == b);
    keyed.reverse();
    keyed.into_iter().map(|(_, course)| course).collect()
}

/// Which of these courses, each of another series, are to be written down beside what is actual.
///
/// One that says what the actual one says changes nothing, and neither does one that was not observed later: what is written
/// down is never written again.
pub fn changes(courses: &[Course], actual: &HashMap<SeriesKey, Actual>) -> Vec<Change> {
    let change = |course: &Course| {
        let ends = actual.get(&SeriesKey::of(course)).copied();
        let changed = ends.is_none_or(|actual| {
            let same = (actual.value, actual.kind, actual.simulated) == (course.value, course.kind, course.simulated);
            !same && course.observed_at > actual.since
        });
        changed.then(|| Change { course: course.clone(), ends })
    };
    courses.iter().filter_map(change).collect()
}

/// The beginning of the minute, the hour or the day that `time` is in, as `width` says.
pub fn bucket(time: Timestamp, width: Duration) -> Timestamp {
    let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1);
    let micros = time.micros();
    // Earlier than the calendar can only be what began before the year 0.
    Timestamp::from_micros(micros - micros.rem_euclid(width)).unwrap_or(time)
}

/// The first beginning at `time` or later.
pub fn next_bucket(time: Timestamp, width: Duration) -> Timestamp {
    let start = bucket(time, width);
    if start == time { start } else { start.plus(width) }
}

/// How far a series is folded, and what there is to fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub series: i32,
    /// Everything that began before this is folded.
    pub folded: Timestamp,
    /// Nothing that is to be folded will ever be added before this.
    pub settled: Timestamp,
    /// Where the first begins that is not folded yet.
    pub first: Option<Timestamp>,
}

/// A part of a series that one step folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    pub series: i32,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// What is to be folded next into candles of `width`: only what is over, which nothing is ever added to.
pub fn due(progress: &[Progress], width: Duration) -> Vec<Fold> {
    let fold = |at: &Progress| {
        let over = bucket(at.settled, width);
        let reach = at.first.map_or(over, |first| bucket(first, width).plus(width * STEP_CANDLES));
        let until = over.min(reach);
        (until > at.folded).then_some(Fold { series: at.series, from: at.folded, until })
    };
    progress.iter().filter_map(fold).take(STEP_SERIES).collect()
}

#[cfg(test)]
mod tests;
