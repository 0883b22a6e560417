//! Courses in the database: the contract, and what both engines share.

mod postgres;
mod sqlite;

use std::time::Duration;

use common::{
    api::courses::{Candle, Course, CourseFilter, CourseKind, HistoryCursor, PastCourse, Resolution},
    time::Timestamp,
};

use super::{Store, StoreError, on_engine};
use crate::courses::rules::{bucket, next_bucket};

impl Store {
    /// Writes down those courses, each of another series, that changed; says how many.
    ///
    /// In one transaction that no other writer of courses runs beside. To do it twice is as good as once.
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, StoreError> {
        on_engine!(self, store => store.write_courses(courses))
    }

    /// The actual course of each series, by direction and exchanger.
    pub async fn actual_courses(&self) -> Result<Vec<PastCourse>, StoreError> {
        on_engine!(self, store => store.actual_courses())
    }

    /// Courses as they were, oldest first within each series, with the number of the series.
    pub async fn past_courses(
        &self,
        filter: &CourseFilter,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<Vec<(i32, PastCourse)>, StoreError> {
        let (mut rows, limit) = (Vec::new(), i64::from(limit));
        let mut series = self.series(filter, cursor).await?;
        while let Some(some) = series.next(limit - len(&rows)) {
            let query = HistoryQuery {
                from: filter.from.unwrap_or(FIRST),
                to: filter.to.unwrap_or(LAST),
                // The first one that was not seen yet: times are whole microseconds.
                resume_at: cursor.map_or(FIRST, |cursor| cursor.start.plus(Duration::from_micros(1))),
                resumed_series: cursor.map_or(0, |cursor| cursor.series),
                limit: limit - len(&rows),
                series: some,
            };
            rows.extend(on_engine!(self, store => store.past_courses(&query))?);
        }
        Ok(rows)
    }

    /// Candles of `width`, oldest first within each series, with the number of the series: those that are written down, and
    /// those of what is not folded yet.
    pub async fn candles(
        &self,
        filter: &CourseFilter,
        width: Duration,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<Vec<(i32, Candle)>, StoreError> {
        let (mut rows, limit) = (Vec::new(), i64::from(limit));
        let mut series = self.series(filter, cursor).await?;
        while let Some(some) = series.next(limit - len(&rows)) {
            let query = HistoryQuery {
                from: filter.from.map_or(FIRST, |from| bucket(from, width)),
                to: filter.to.map_or(LAST, |to| next_bucket(to, width)),
                resume_at: cursor.map_or(FIRST, |cursor| bucket(cursor.start, width).plus(width)),
                resumed_series: cursor.map_or(0, |cursor| cursor.series),
                limit: limit - len(&rows),
                series: some,
            };
            rows.extend(on_engine!(self, store => store.candles(&query, seconds(width)))?);
        }
        Ok(rows)
    }

    /// The series that pass the filter and were not seen to their end.
    async fn series(&self, filter: &CourseFilter, cursor: Option<HistoryCursor>) -> Result<SeriesLeft, StoreError> {
        let direction = filter.direction.map(|direction| direction.to_string());
        let (exchanger, first) = (filter.exchanger.as_deref(), cursor.map_or(0, |cursor| cursor.series));
        let left = on_engine!(self, store => store.course_series(exchanger, direction.as_deref(), first))?;
        Ok(SeriesLeft { left: left.into_iter(), at_once: FIRST_AT_ONCE })
    }

    /// Folds some of what is over into candles, and marks it as folded; says of how many series. Candles of an hour are made
    /// of those of a minute, and those of a day of those of an hour.
    pub async fn fold_courses(&self, into: Resolution) -> Result<u64, StoreError> {
        match into.width() {
            Some(width) => on_engine!(self, store => store.fold_courses(width)),
            None => Ok(0),
        }
    }

    /// Removes up to `most` courses or candles that ended before `before` and are folded into coarser ones; says how many
    /// there were. The actual course is never removed, however old it is.
    pub async fn forget_courses(&self, what: Resolution, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        match what.width() {
            None => on_engine!(self, store => store.forget_past_courses(before, most)),
            Some(width) => {
                let before = before.minus(width);
                on_engine!(self, store => store.forget_candles(seconds(width), before, most))
            }
        }
    }
}

/// Before the first course that can be written down, and after the last.
const FIRST: Timestamp = at(0);
const LAST: Timestamp = at(253_402_300_799_999_999);

const fn at(micros: i64) -> Timestamp {
    match Timestamp::from_micros(micros) {
        Ok(time) => time,
        Err(_) => panic!("not inside the calendar"),
    }
}

/// How many series are first asked for at once: each may fill the page alone. While they do not, twice as many are asked for the
/// next time.
const FIRST_AT_ONCE: usize = 1;

/// Series that are still to be asked for.
struct SeriesLeft {
    left: std::vec::IntoIter<i32>,
    at_once: usize,
}

impl SeriesLeft {
    /// Some more of them, while there is room for `room` rows.
    fn next(&mut self, room: i64) -> Option<Vec<i32>> {
        if room <= 0 {
            return None;
        }
        let some: Vec<_> = self.left.by_ref().take(self.at_once).collect();
        self.at_once *= 2;
        (!some.is_empty()).then_some(some)
    }
}

fn len<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// A part of the past, as both engines are asked for it.
pub struct HistoryQuery {
    series: Vec<i32>,
    from: Timestamp,
    to: Timestamp,
    /// The series that an earlier page ended in, and where the next course or candle of it may begin.
    resumed_series: i32,
    resume_at: Timestamp,
    limit: i64,
}

fn seconds(width: Duration) -> i32 {
    i32::try_from(width.as_secs()).unwrap_or(i32::MAX)
}

/// The width of the candles that those of `width` are made of; zero for courses themselves.
fn finer(width: i32) -> i32 {
    match width {
        86_400 => 3_600,
        3_600 => 60,
        _ => 0,
    }
}

fn kind_text(kind: CourseKind) -> &'static str {
    match kind {
        CourseKind::Trade => "trade",
        CourseKind::Index => "index",
        CourseKind::Fixing => "fixing",
    }
}

/// What the column `kind` says.
fn kind_of(text: &str) -> Result<CourseKind, StoreError> {
    match text {
        "trade" => Ok(CourseKind::Trade),
        "index" => Ok(CourseKind::Index),
        "fixing" => Ok(CourseKind::Fixing),
        other => Err(StoreError::Corrupt(format!("courses.kind {other}"))),
    }
}
