//! Courses in a file of SQLite.

mod statements;

use std::{collections::HashMap, time::Duration};

use common::{
    api::courses::{Candle, Course, PastCourse},
    money::Rate,
    time::Timestamp,
};
use serde_json::json;
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

use self::statements::{
    ACTUAL, ACTUAL_OF, CANDLES, END, FOLD, FORGET_CANDLES, FORGET_COURSES, INSERT_COURSES, INSERT_SERIES, MARK,
    PAST_COURSES, PROGRESS, SERIES,
};
use super::{HistoryQuery, finer, kind_of, kind_text, seconds};
use crate::{
    courses::rules::{Actual, Change, Fold, Progress, SeriesKey, changes, due},
    store::{StoreError, column, each, sqlite::Sqlite},
};

impl Sqlite {
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, StoreError> {
        let keys = json!(each(courses, |course| (&course.exchanger, course.direction))).to_string();
        // Most of the time most of them are as they were: found out beside the one connection that orders are written by.
        let seen = actual(&mut *self.readers.acquire().await?, &keys).await?;
        if changes(courses, &seen).is_empty() {
            return Ok(0);
        }
        let mut connection = self.writer.acquire().await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let changes = changes(courses, &actual(&mut transaction, &keys).await?);
        if !changes.is_empty() {
            write(&mut transaction, &changes).await?;
        }
        transaction.commit().await?;
        Ok(changes.len() as u64)
    }

    pub async fn actual_courses(&self) -> Result<Vec<PastCourse>, StoreError> {
        let rows = sqlx::query(ACTUAL).fetch_all(&self.readers).await?;
        rows.iter().map(past_course_of).map(|row| row.map(|(_, course)| course)).collect()
    }

    /// The series with these names from `first` on, in their order.
    pub async fn course_series(
        &self,
        exchanger: Option<&str>,
        direction: Option<&str>,
        first: i32,
    ) -> Result<Vec<i32>, StoreError> {
        let query = sqlx::query_scalar(SERIES).bind(first).bind(exchanger).bind(direction);
        Ok(query.fetch_all(&self.readers).await?)
    }

    pub async fn past_courses(&self, query: &HistoryQuery) -> Result<Vec<(i32, PastCourse)>, StoreError> {
        let rows = sqlx::query(PAST_COURSES)
            .bind(json!(query.series).to_string())
            .bind(query.from.micros())
            .bind(query.to.micros())
            .bind(query.resumed_series)
            .bind(query.resume_at.micros())
            .bind(query.limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(past_course_of).collect()
    }

    pub async fn candles(&self, query: &HistoryQuery, width: i32) -> Result<Vec<(i32, Candle)>, StoreError> {
        let rows = sqlx::query(CANDLES)
            .bind(json!(query.series).to_string())
            .bind(query.from.micros())
            .bind(query.to.micros())
            .bind(query.resumed_series)
            .bind(query.resume_at.micros())
            .bind(query.limit)
            .bind(width)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(candle_of).collect()
    }

    pub async fn fold_courses(&self, width: Duration) -> Result<u64, StoreError> {
        // As with writing: there is seldom anything to do for hours and days, and then orders are left alone.
        if due(&progress(&mut *self.readers.acquire().await?, seconds(width)).await?, width).is_empty() {
            return Ok(0);
        }
        let mut connection = self.writer.acquire().await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let width_secs = seconds(width);
        let due = due(&progress(&mut transaction, width_secs).await?, width);
        let folds =
            json!(each(&due, |Fold { series, from, until }| (series, from.micros(), until.micros()))).to_string();
        let query = sqlx::query(FOLD).bind(&folds).bind(width_secs).bind(finer(width_secs));
        query.execute(&mut *transaction).await?;
        sqlx::query(MARK).bind(&folds).bind(width_secs).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(due.len() as u64)
    }

    pub async fn forget_past_courses(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let done = sqlx::query(FORGET_COURSES).bind(before.micros()).bind(most).execute(&self.writer).await?;
        Ok(done.rows_affected())
    }

    pub async fn forget_candles(&self, width: i32, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let query = sqlx::query(FORGET_CANDLES).bind(width).bind(before.micros()).bind(most);
        Ok(query.execute(&self.writer).await?.rows_affected())
    }
}

/// What is actual of the series with these names.
async fn actual(connection: &mut SqliteConnection, keys: &str) -> Result<HashMap<SeriesKey, Actual>, StoreError> {
    let rows = sqlx::query(ACTUAL_OF).bind(keys).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        let (series, PastCourse { exchanger, direction, kind, value, since, simulated, .. }) = course_of(row)?;
        Ok((SeriesKey { exchanger, direction }, Actual { series, since, value, kind, simulated }))
    };
    rows.iter().map(read).collect()
}

async fn write(connection: &mut SqliteConnection, changes: &[Change]) -> Result<(), StoreError> {
    let ended = changes.iter().filter_map(|Change { course, ends }| Some((ends.as_ref()?, course.observed_at)));
    let ended: Vec<_> = ended.map(|(actual, until)| (actual.series, actual.since.micros(), until.micros())).collect();
    if !ended.is_empty() {
        sqlx::query(END).bind(json!(ended).to_string()).execute(&mut *connection).await?;
    }
    let began = json!(each(changes, |Change { course, .. }| (
        &course.exchanger,
        course.direction,
        course.observed_at.micros(),
        course.value.hundred_millionths(),
        kind_text(course.kind),
        i32::from(course.simulated),
    )))
    .to_string();
    if ended.len() < changes.len() {
        sqlx::query(INSERT_SERIES).bind(&began).execute(&mut *connection).await?;
    }
    sqlx::query(INSERT_COURSES).bind(&began).execute(connection).await?;
    Ok(())
}

async fn progress(connection: &mut SqliteConnection, width: i32) -> Result<Vec<Progress>, StoreError> {
    let rows = sqlx::query(PROGRESS).bind(width).bind(finer(width)).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        let first = row.try_get::<Option<i64>, _>("first")?;
        let first = first.map(|micros| column("first", Timestamp::from_micros(micros))).transpose()?;
        Ok(Progress { series: row.try_get("id")?, folded: time(row, "folded")?, settled: time(row, "settled")?, first })
    };
    rows.iter().map(read).collect()
}

fn time(row: &SqliteRow, name: &str) -> Result<Timestamp, StoreError> {
    column(name, Timestamp::from_micros(row.try_get(name)?))
}

fn rate(row: &SqliteRow, name: &str) -> Result<Rate, StoreError> {
    column(name, Rate::from_hundred_millionths(row.try_get(name)?))
}

/// A course with no end.
fn course_of(row: &SqliteRow) -> Result<(i32, PastCourse), StoreError> {
    let course = PastCourse {
        exchanger: row.try_get("exchanger")?,
        direction: column("direction", row.try_get::<&str, _>("direction")?.parse())?,
        kind: kind_of(row.try_get("kind")?)?,
        value: rate(row, "value_e8")?,
        since: time(row, "since")?,
        until: None,
        simulated: row.try_get("simulated")?,
    };
    Ok((row.try_get("id")?, course))
}

fn past_course_of(row: &SqliteRow) -> Result<(i32, PastCourse), StoreError> {
    let (series, course) = course_of(row)?;
    let until = row.try_get::<Option<i64>, _>("until")?;
    let until = until.map(|micros| column("until", Timestamp::from_micros(micros))).transpose()?;
    Ok((series, PastCourse { until, ..course }))
}

fn candle_of(row: &SqliteRow) -> Result<(i32, Candle), StoreError> {
    let candle = Candle {
        exchanger: row.try_get("exchanger")?,
        direction: column("direction", row.try_get::<&str, _>("direction")?.parse())?,
        start: time(row, "start")?,
        open: rate(row, "open_e8")?,
        high: rate(row, "high_e8")?,
        low: rate(row, "low_e8")?,
        close: rate(row, "close_e8")?,
        changes: column("changes", u64::try_from(row.try_get::<i64, _>("changes")?))?,
        simulated: row.try_get("simulated")?,
    };
    Ok((row.try_get("id")?, candle))
}
