//! The store of courses, the last prices of pairs at exchanges. This file contains the code that both engines share.

mod postgres;
mod sqlite;

use std::time::Duration;

use common::{
    api::courses::{Candle, Course, CourseFilter, CourseKind, HistoryCursor, Resolution, StoredCourse},
    time::Timestamp,
};

use self::{postgres::PostgresCourses, sqlite::SqliteCourses};
use super::policy::{bucket_start, next_bucket_start};
use crate::database::{Database, DatabaseError, on_engine};

/// The earliest time of a course that can be stored.
const FIRST_TIME: Timestamp = timestamp(0);
/// The latest time of a course that can be stored.
const LAST_TIME: Timestamp = timestamp(253_402_300_799_999_999);
/// The difference between two consecutive times. Times are whole microseconds.
const TIME_STEP: Duration = Duration::from_micros(1);
/// Number of series that the first statement of a page reads. One series often fills the page. If it does not, each further
/// statement reads twice as many series as the previous statement.
const FIRST_SERIES_CHUNK: usize = 1;

const fn timestamp(micros: i64) -> Timestamp {
    match Timestamp::from_micros(micros) {
        Ok(time) => time,
        Err(_) => panic!("the time is not valid"),
    }
}

/// Courses in a database. Clones share its connections.
#[derive(Clone)]
pub enum CourseStore {
    Postgres(PostgresCourses),
    Sqlite(SqliteCourses),
}

impl CourseStore {
    pub fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => Self::Postgres(PostgresCourses(database.clone())),
            Database::Sqlite(database) => Self::Sqlite(SqliteCourses(database.clone())),
        }
    }

    /// The time of the database. `None` for SQLite, which has no clock of its own.
    pub async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        match self {
            Self::Postgres(PostgresCourses(database)) => database.time().await.map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Stores the courses that changed, and returns how many changed. Each of `courses` must belong to a different series.
    ///
    /// The courses are written in one transaction, which excludes other writers of courses. A second call with the same courses
    /// changes nothing.
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.write_courses(courses))
    }

    /// The current course of each series, sorted by direction and exchanger.
    pub async fn current_courses(&self) -> Result<Vec<StoredCourse>, DatabaseError> {
        on_engine!(self, store => store.current_courses())
    }

    /// Ended and current courses with the id of their series, sorted by series and time.
    pub async fn stored_courses(
        &self,
        filter: &CourseFilter,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<Vec<(i32, StoredCourse)>, DatabaseError> {
        let (mut rows, limit) = (Vec::new(), i64::from(limit));
        let mut chunks = self.series_chunks(filter, cursor).await?;
        while let Some(series) = chunks.next_chunk(limit - row_count(&rows)) {
            let query = HistoryQuery {
                series,
                from: filter.from.unwrap_or(FIRST_TIME),
                to: filter.to.unwrap_or(LAST_TIME),
                resumed_series: cursor.map_or(0, |cursor| cursor.series),
                resume_at: cursor.map_or(FIRST_TIME, |cursor| cursor.start.plus(TIME_STEP)),
                limit: limit - row_count(&rows),
            };
            rows.extend(on_engine!(self, store => store.stored_courses(&query))?);
        }
        Ok(rows)
    }

    /// Candles of `width` with the id of their series, sorted by series and time. They include stored candles and candles
    /// computed from rows that are not aggregated yet.
    pub async fn candles(
        &self,
        filter: &CourseFilter,
        width: Duration,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<Vec<(i32, Candle)>, DatabaseError> {
        let (mut rows, limit) = (Vec::new(), i64::from(limit));
        let mut chunks = self.series_chunks(filter, cursor).await?;
        while let Some(series) = chunks.next_chunk(limit - row_count(&rows)) {
            let query = HistoryQuery {
                series,
                from: filter.from.map_or(FIRST_TIME, |from| bucket_start(from, width)),
                to: filter.to.map_or(LAST_TIME, |to| next_bucket_start(to, width)),
                resumed_series: cursor.map_or(0, |cursor| cursor.series),
                resume_at: cursor.map_or(FIRST_TIME, |cursor| bucket_start(cursor.start, width).plus(width)),
                limit: limit - row_count(&rows),
            };
            rows.extend(on_engine!(self, store => store.candles(&query, seconds(width)))?);
        }
        Ok(rows)
    }

    /// The series that pass the filter, starting with the series of the cursor.
    async fn series_chunks(
        &self,
        filter: &CourseFilter,
        cursor: Option<HistoryCursor>,
    ) -> Result<SeriesChunks, DatabaseError> {
        let query = SeriesQuery {
            first: cursor.map_or(0, |cursor| cursor.series),
            exchangers: (!filter.exchangers.is_empty()).then(|| filter.exchangers.clone()),
            direction: filter.direction.map(|direction| direction.to_string()),
        };
        let series = on_engine!(self, store => store.find_series(&query))?;
        Ok(SeriesChunks { remaining: series.into_iter(), chunk_size: FIRST_SERIES_CHUNK })
    }

    /// Aggregates complete buckets of some series into candles, and records how far each series is aggregated. Returns
    /// the number of these series.
    pub async fn aggregate_courses(&self, into: Resolution) -> Result<u64, DatabaseError> {
        match into.width() {
            Some(width) => on_engine!(self, store => store.aggregate_courses(width)),
            None => Ok(0),
        }
    }

    /// Deletes up to `limit` courses or candles that ended at `before` or earlier, and returns the number of deleted
    /// rows. Keeps current courses, and rows that must be aggregated first.
    pub async fn delete_courses(
        &self,
        resolution: Resolution,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, DatabaseError> {
        match resolution.width() {
            None => on_engine!(self, store => store.delete_ended_courses(before, limit)),
            Some(width) => {
                let latest_start = before.minus(width);
                on_engine!(self, store => store.delete_candles(seconds(width), latest_start, limit))
            }
        }
    }
}

/// Series that are still to be read, in chunks of growing size.
struct SeriesChunks {
    remaining: std::vec::IntoIter<i32>,
    chunk_size: usize,
}

impl SeriesChunks {
    /// The next chunk. `None` if the page has no room for more rows, or if no series remains.
    fn next_chunk(&mut self, room: i64) -> Option<Vec<i32>> {
        if room <= 0 {
            return None;
        }
        let chunk: Vec<_> = self.remaining.by_ref().take(self.chunk_size).collect();
        self.chunk_size *= 2;
        (!chunk.is_empty()).then_some(chunk)
    }
}

fn row_count<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// Selects series by name, in the order of their ids.
struct SeriesQuery {
    /// The lowest id.
    first: i32,
    /// `None` selects all exchanges.
    exchangers: Option<Vec<String>>,
    direction: Option<String>,
}

/// Selects a part of the history.
struct HistoryQuery {
    series: Vec<i32>,
    /// Inclusive. A course that was in effect at this time is selected too.
    from: Timestamp,
    /// Exclusive.
    to: Timestamp,
    /// The series of the last row of the previous page. Zero for the first page.
    resumed_series: i32,
    /// The earliest start of the rows of `resumed_series` on this page.
    resume_at: Timestamp,
    limit: i64,
}

fn seconds(width: Duration) -> i32 {
    i32::try_from(width.as_secs()).unwrap_or(i32::MAX)
}

/// The width in seconds of the finer candles from which candles of `width_secs` are computed. Zero means courses.
fn finer_width(width_secs: i32) -> i32 {
    match width_secs {
        86_400 => 3_600,
        3_600 => 60,
        _ => 0,
    }
}

fn kind_to_text(kind: CourseKind) -> &'static str {
    match kind {
        CourseKind::Trade => "trade",
        CourseKind::Index => "index",
        CourseKind::Fixing => "fixing",
    }
}

fn kind_from_text(text: &str) -> Result<CourseKind, DatabaseError> {
    match text {
        "trade" => Ok(CourseKind::Trade),
        "index" => Ok(CourseKind::Index),
        "fixing" => Ok(CourseKind::Fixing),
        other => Err(DatabaseError::InvalidRow(format!("courses.kind {other}"))),
    }
}
