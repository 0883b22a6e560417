//! Courses, the last prices of pairs at exchanges, in PostgreSQL.

mod statements;

use std::{collections::HashMap, sync::Arc, time::Duration};

use common::{
    api::courses::{Candle, Course, StoredCourse},
    money::Rate,
    time::Timestamp,
};
use sqlx::{Connection, PgConnection, PgTransaction, Row, postgres::PgRow};

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
        DatabaseError, PostgresDatabase,
        rows::{DatabaseRow, column_of, decode, postgres::invalid_row},
    },
};

/// The key of the advisory lock that excludes other writers of courses, also in other processes: `courses` in ASCII. No
/// other lock may have this key.
const WRITE_LOCK: i64 = 0x63_6f75_7273_6573;
/// The key of the advisory lock of the retention of courses: `folding` in ASCII. The key does not change, because
/// processes of other releases use it.
const RETENTION_LOCK: i64 = 0x66_6f6c_6469_6e67;

/// Gives each statement its own snapshot, whatever the default isolation level of the database. A statement after the
/// wait for a lock must see the rows that the previous holder of the lock committed.
const BEGIN: &str = "begin isolation level read committed";

#[derive(Clone)]
pub struct PostgresCourses(pub PostgresDatabase);

impl PostgresCourses {
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, DatabaseError> {
        let courses: Arc<[Course]> = courses.into();
        // The write is idempotent, so it can be repeated.
        self.0.run_in_background(|connection| Box::pin(write_changes(connection, Arc::clone(&courses)))).await
    }

    pub async fn current_courses(&self) -> Result<Vec<StoredCourse>, DatabaseError> {
        let rows =
            self.0.run_repeatable(|connection| Box::pin(sqlx::query(CURRENT_COURSES).fetch_all(connection))).await?;
        rows.iter().map(stored_course_of).map(|row| row.map(|(_, course)| course)).collect()
    }

    pub(super) async fn find_series(&self, query: &SeriesQuery) -> Result<Vec<i32>, DatabaseError> {
        let SeriesQuery { first, exchangers, direction } = query;
        let series = self.0.run_repeatable(|connection| {
            let query = sqlx::query_scalar(SERIES_BY_NAME).bind(*first);
            Box::pin(query.bind(exchangers.clone()).bind(direction.clone()).fetch_all(connection))
        });
        series.await
    }

    pub(super) async fn stored_courses(&self, query: &HistoryQuery) -> Result<Vec<(i32, StoredCourse)>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(STORED_COURSES)
                .bind(query.series.clone())
                .bind(query.from.to_datetime())
                .bind(query.to.to_datetime())
                .bind(query.resumed_series)
                .bind(query.resume_at.to_datetime())
                .bind(query.limit);
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(stored_course_of).collect()
    }

    pub(super) async fn candles(&self, query: &HistoryQuery, width: i32) -> Result<Vec<(i32, Candle)>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(CANDLES)
                .bind(query.series.clone())
                .bind(query.from.to_datetime())
                .bind(query.to.to_datetime())
                .bind(query.resumed_series)
                .bind(query.resume_at.to_datetime())
                .bind(query.limit)
                .bind(width);
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(candle_of).collect()
    }

    pub async fn aggregate_courses(&self, width: Duration) -> Result<u64, DatabaseError> {
        self.0.run_in_background(|connection| Box::pin(aggregate_once(connection, width))).await
    }

    pub async fn delete_ended_courses(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.0
            .run_in_background(|connection| {
                Box::pin(delete_rows(connection, DELETE_ENDED_COURSES, None, before, limit))
            })
            .await
    }

    pub async fn delete_candles(&self, width: i32, latest_start: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.0
            .run_in_background(|connection| {
                Box::pin(delete_rows(connection, DELETE_CANDLES, Some(width), latest_start, limit))
            })
            .await
    }
}

/// Stores the courses that changed. Usually no course changed, and no lock is taken.
async fn write_changes(connection: &mut PgConnection, courses: Arc<[Course]>) -> Result<u64, sqlx::Error> {
    let courses = &*courses;
    let names = SeriesNames::of(courses);
    if select_changes(courses, &current_by_key(connection, &names).await?).is_empty() {
        return Ok(0);
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(WRITE_LOCK).execute(&mut *transaction).await?;
    // A second statement reads the courses, because the snapshot of the locking statement is older than the wait.
    let changes = select_changes(courses, &current_by_key(&mut transaction, &names).await?);
    if !changes.is_empty() {
        insert_changes(&mut transaction, &changes).await?;
    }
    transaction.commit().await?;
    Ok(changes.len() as u64)
}

/// The names of several series. The exchange and the direction of a series have the same index.
struct SeriesNames {
    exchangers: Vec<String>,
    directions: Vec<String>,
}

impl SeriesNames {
    fn of(courses: &[Course]) -> Self {
        Self {
            exchangers: column_of(courses, |course| course.exchanger.clone()),
            directions: column_of(courses, |course| course.direction.to_string()),
        }
    }
}

/// The current courses of the series with these names.
async fn current_by_key(
    connection: &mut PgConnection,
    names: &SeriesNames,
) -> Result<HashMap<SeriesKey, CurrentCourse>, sqlx::Error> {
    let rows = sqlx::query(CURRENT_COURSES_BY_KEY)
        .bind(&names.exchangers)
        .bind(&names.directions)
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        let (series, StoredCourse { exchanger, direction, kind, value, since, simulated, .. }) = course_of(row)?;
        Ok((SeriesKey { exchanger, direction }, CurrentCourse { series, since, value, kind, simulated }))
    };
    rows.iter().map(read).collect::<Result<_, DatabaseError>>().map_err(invalid_row)
}

async fn insert_changes(connection: &mut PgConnection, changes: &[CourseChange]) -> Result<(), sqlx::Error> {
    let ended: Vec<_> = changes
        .iter()
        .filter_map(|CourseChange { course, replaces }| Some((replaces.as_ref()?, course.observed_at)))
        .collect();
    if !ended.is_empty() {
        sqlx::query(END_COURSES)
            .bind(column_of(&ended, |(current, _)| current.series))
            .bind(column_of(&ended, |(current, _)| current.since.to_datetime()))
            .bind(column_of(&ended, |(_, until)| until.to_datetime()))
            .execute(&mut *connection)
            .await?;
    }
    let began = column_of(changes, |change| &change.course);
    let exchangers = column_of(&began, |course| course.exchanger.as_str());
    let directions = column_of(&began, |course| course.direction.to_string());
    if ended.len() < began.len() {
        sqlx::query(INSERT_SERIES).bind(&exchangers).bind(&directions).execute(&mut *connection).await?;
    }
    sqlx::query(INSERT_COURSES)
        .bind(&exchangers)
        .bind(&directions)
        .bind(column_of(&began, |course| course.observed_at.to_datetime()))
        .bind(column_of(&began, |course| course.value.hundred_millionths()))
        .bind(column_of(&began, |course| kind_to_text(course.kind)))
        .bind(column_of(&began, |course| course.simulated))
        .execute(connection)
        .await?;
    Ok(())
}

/// Begins a transaction that excludes other transactions of the retention of courses. Returns `None` if another process
/// runs such a transaction, because that process performs the same steps.
async fn begin_exclusive(connection: &mut PgConnection) -> Result<Option<PgTransaction<'_>>, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let lock = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(RETENTION_LOCK);
    let acquired: bool = lock.fetch_one(&mut *transaction).await?;
    Ok(acquired.then_some(transaction))
}

async fn aggregate_once(connection: &mut PgConnection, width: Duration) -> Result<u64, sqlx::Error> {
    let Some(mut transaction) = begin_exclusive(connection).await? else { return Ok(0) };
    let width_secs = seconds(width);
    let due = due_aggregations(&aggregation_progress(&mut transaction, width_secs).await?, width);
    if !due.is_empty() {
        let series = column_of(&due, |range: &AggregationRange| range.series);
        let until = column_of(&due, |range| range.until.to_datetime());
        sqlx::query(INSERT_CANDLES)
            .bind(&series)
            .bind(column_of(&due, |range| range.from.to_datetime()))
            .bind(&until)
            .bind(width_secs)
            .bind(finer_width(width_secs))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(MARK_AGGREGATED).bind(&series).bind(&until).bind(width_secs).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(due.len() as u64)
}

async fn delete_rows(
    connection: &mut PgConnection,
    statement: &'static str,
    width: Option<i32>,
    before: Timestamp,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let Some(mut transaction) = begin_exclusive(connection).await? else { return Ok(0) };
    let mut query = sqlx::query(statement).bind(before.to_datetime()).bind(limit);
    if let Some(width) = width {
        query = query.bind(width);
    }
    let done = query.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

async fn aggregation_progress(
    connection: &mut PgConnection,
    width: i32,
) -> Result<Vec<AggregationProgress>, sqlx::Error> {
    let rows = sqlx::query(AGGREGATION_PROGRESS).bind(width).bind(finer_width(width)).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        Ok(AggregationProgress {
            series: row.try_get("id")?,
            aggregated_until: row.time("aggregated")?,
            settled_until: row.time("settled")?,
            first_unaggregated: row.optional_time("first")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, DatabaseError>>().map_err(invalid_row)
}

fn rate(row: &PgRow, name: &str) -> Result<Rate, DatabaseError> {
    decode(name, Rate::from_hundred_millionths(row.try_get(name)?))
}

/// The series id and the course of a row. Does not read the column `until`.
fn course_of(row: &PgRow) -> Result<(i32, StoredCourse), DatabaseError> {
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

fn stored_course_of(row: &PgRow) -> Result<(i32, StoredCourse), DatabaseError> {
    let (series, course) = course_of(row)?;
    Ok((series, StoredCourse { until: row.optional_time("until")?, ..course }))
}

fn candle_of(row: &PgRow) -> Result<(i32, Candle), DatabaseError> {
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
