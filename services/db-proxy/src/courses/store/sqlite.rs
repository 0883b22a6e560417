//! Courses, the last prices of pairs at exchanges, in an SQLite file.

mod statements;

use std::{collections::HashMap, time::Duration};

use common::{
    api::courses::{Candle, Course, StoredCourse},
    money::Rate,
    time::Timestamp,
};
use serde_json::json;
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};

use self::statements::{
    AGGREGATION_PROGRESS, CANDLES, CURRENT_COURSES, CURRENT_COURSES_BY_KEY, DELETE_CANDLES, DELETE_ENDED_COURSES,
    END_COURSES, INSERT_CANDLES, INSERT_COURSES, INSERT_SERIES, MARK_AGGREGATED, SERIES_BY_NAME, STORED_COURSES,
};
use super::{HistoryQuery, SeriesQuery, finer_width, kind_from_text, kind_to_text, seconds};
use crate::{
    courses::policy::{
        AggregationProgress, AggregationRange, CourseChange, CurrentCourse, SeriesKey, due_aggregations, select_changes,
    },
    database::{
        DatabaseError, SqliteDatabase, TransactionConnection,
        rows::{DatabaseRow, column_of, decode},
    },
};

#[derive(Clone)]
pub struct SqliteCourses(pub SqliteDatabase);

impl SqliteCourses {
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, DatabaseError> {
        let names = json!(column_of(courses, |course| (&course.exchanger, course.direction))).to_string();
        // Usually no course changed. A read connection checks this first, because orders need the only write connection.
        let current = current_by_key(&mut *self.0.background.acquire().await?, &names).await?;
        if select_changes(courses, &current).is_empty() {
            return Ok(0);
        }
        let mut connection = TransactionConnection::acquire(&self.0.writer).await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let changes = select_changes(courses, &current_by_key(&mut transaction, &names).await?);
        if !changes.is_empty() {
            insert_changes(&mut transaction, &changes).await?;
        }
        transaction.commit().await?;
        connection.release();
        Ok(changes.len() as u64)
    }

    pub async fn current_courses(&self) -> Result<Vec<StoredCourse>, DatabaseError> {
        let rows = sqlx::query(CURRENT_COURSES).fetch_all(&self.0.readers).await?;
        rows.iter().map(stored_course_of).map(|row| row.map(|(_, course)| course)).collect()
    }

    pub(super) async fn find_series(&self, query: &SeriesQuery) -> Result<Vec<i32>, DatabaseError> {
        let SeriesQuery { first, exchangers, direction } = query;
        let exchangers = exchangers.as_ref().map(|names| json!(names).to_string());
        let query = sqlx::query_scalar(SERIES_BY_NAME).bind(first).bind(exchangers).bind(direction);
        Ok(query.fetch_all(&self.0.readers).await?)
    }

    pub(super) async fn stored_courses(&self, query: &HistoryQuery) -> Result<Vec<(i32, StoredCourse)>, DatabaseError> {
        let rows = sqlx::query(STORED_COURSES)
            .bind(json!(query.series).to_string())
            .bind(query.from.micros())
            .bind(query.to.micros())
            .bind(query.resumed_series)
            .bind(query.resume_at.micros())
            .bind(query.limit)
            .fetch_all(&self.0.readers)
            .await?;
        rows.iter().map(stored_course_of).collect()
    }

    pub(super) async fn candles(&self, query: &HistoryQuery, width: i32) -> Result<Vec<(i32, Candle)>, DatabaseError> {
        let rows = sqlx::query(CANDLES)
            .bind(json!(query.series).to_string())
            .bind(query.from.micros())
            .bind(query.to.micros())
            .bind(query.resumed_series)
            .bind(query.resume_at.micros())
            .bind(query.limit)
            .bind(width)
            .fetch_all(&self.0.readers)
            .await?;
        rows.iter().map(candle_of).collect()
    }

    pub async fn aggregate_courses(&self, width: Duration) -> Result<u64, DatabaseError> {
        // Candles of hours and days are rarely due. A read connection checks this first, because orders need the only write
        // connection.
        if due_aggregations(
            &aggregation_progress(&mut *self.0.background.acquire().await?, seconds(width)).await?,
            width,
        )
        .is_empty()
        {
            return Ok(0);
        }
        let mut connection = TransactionConnection::acquire(&self.0.writer).await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let width_secs = seconds(width);
        let due = due_aggregations(&aggregation_progress(&mut transaction, width_secs).await?, width);
        let ranges =
            json!(column_of(&due, |AggregationRange { series, from, until }| (series, from.micros(), until.micros())))
                .to_string();
        let query = sqlx::query(INSERT_CANDLES).bind(&ranges).bind(width_secs).bind(finer_width(width_secs));
        query.execute(&mut *transaction).await?;
        sqlx::query(MARK_AGGREGATED).bind(&ranges).bind(width_secs).execute(&mut *transaction).await?;
        transaction.commit().await?;
        connection.release();
        Ok(due.len() as u64)
    }

    pub async fn delete_ended_courses(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        let done = sqlx::query(DELETE_ENDED_COURSES).bind(before.micros()).bind(limit).execute(&self.0.writer).await?;
        Ok(done.rows_affected())
    }

    pub async fn delete_candles(&self, width: i32, latest_start: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        let query = sqlx::query(DELETE_CANDLES).bind(width).bind(latest_start.micros()).bind(limit);
        Ok(query.execute(&self.0.writer).await?.rows_affected())
    }
}

/// The current courses of the series with these names. `names` is a JSON array of the names.
async fn current_by_key(
    connection: &mut SqliteConnection,
    names: &str,
) -> Result<HashMap<SeriesKey, CurrentCourse>, DatabaseError> {
    let rows = sqlx::query(CURRENT_COURSES_BY_KEY).bind(names).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        let (series, StoredCourse { exchanger, direction, kind, value, since, simulated, .. }) = course_of(row)?;
        Ok((SeriesKey { exchanger, direction }, CurrentCourse { series, since, value, kind, simulated }))
    };
    rows.iter().map(read).collect()
}

async fn insert_changes(connection: &mut SqliteConnection, changes: &[CourseChange]) -> Result<(), DatabaseError> {
    let ended =
        changes.iter().filter_map(|CourseChange { course, replaces }| Some((replaces.as_ref()?, course.observed_at)));
    let ended: Vec<_> =
        ended.map(|(current, until)| (current.series, current.since.micros(), until.micros())).collect();
    if !ended.is_empty() {
        sqlx::query(END_COURSES).bind(json!(ended).to_string()).execute(&mut *connection).await?;
    }
    let began = json!(column_of(changes, |CourseChange { course, .. }| (
        &course.exchanger,
        course.direction,
        course.observed_at.micros(),
        course.value.hundred_millionths(),
        kind_to_text(course.kind),
        i32::from(course.simulated),
    )))
    .to_string();
    if ended.len() < changes.len() {
        sqlx::query(INSERT_SERIES).bind(&began).execute(&mut *connection).await?;
    }
    sqlx::query(INSERT_COURSES).bind(&began).execute(connection).await?;
    Ok(())
}

async fn aggregation_progress(
    connection: &mut SqliteConnection,
    width: i32,
) -> Result<Vec<AggregationProgress>, DatabaseError> {
    let rows = sqlx::query(AGGREGATION_PROGRESS).bind(width).bind(finer_width(width)).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        Ok(AggregationProgress {
            series: row.try_get("id")?,
            aggregated_until: row.time("aggregated")?,
            settled_until: row.time("settled")?,
            first_unaggregated: row.optional_time("first")?,
        })
    };
    rows.iter().map(read).collect()
}

fn rate(row: &SqliteRow, name: &str) -> Result<Rate, DatabaseError> {
    decode(name, Rate::from_hundred_millionths(row.try_get(name)?))
}

/// The series id and the course of a row. Does not read the column `until`.
fn course_of(row: &SqliteRow) -> Result<(i32, StoredCourse), DatabaseError> {
    let course = StoredCourse {
        exchanger: row.try_get("exchanger")?,
        direction: decode("direction", row.try_get::<&str, _>("direction")?.parse())?,
        kind: kind_from_text(row.try_get("kind")?)?,
        value: rate(row, "value_e8")?,
        since: row.time("since")?,
        until: None,
        simulated: row.try_get("simulated")?,
    };
    Ok((row.try_get("id")?, course))
}

fn stored_course_of(row: &SqliteRow) -> Result<(i32, StoredCourse), DatabaseError> {
    let (series, course) = course_of(row)?;
    Ok((series, StoredCourse { until: row.optional_time("until")?, ..course }))
}

fn candle_of(row: &SqliteRow) -> Result<(i32, Candle), DatabaseError> {
    let candle = Candle {
        exchanger: row.try_get("exchanger")?,
        direction: decode("direction", row.try_get::<&str, _>("direction")?.parse())?,
        start: row.time("start")?,
        open: rate(row, "open_e8")?,
        high: rate(row, "high_e8")?,
        low: rate(row, "low_e8")?,
        close: rate(row, "close_e8")?,
        changes: decode("changes", u64::try_from(row.try_get::<i64, _>("changes")?))?,
        simulated: row.try_get("simulated")?,
    };
    Ok((row.try_get("id")?, candle))
}
