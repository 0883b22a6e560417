//! Courses in PostgreSQL.

mod statements;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use common::{
    api::courses::{Candle, Course, PastCourse},
    money::Rate,
    time::Timestamp,
};
use sqlx::{Connection, PgConnection, PgTransaction, Row, postgres::PgRow};

use self::statements::{
    ACTUAL, ACTUAL_OF, CANDLES, END, FOLD, FORGET_CANDLES, FORGET_COURSES, INSERT_COURSES, INSERT_SERIES, MARK,
    PAST_COURSES, PROGRESS, SERIES,
};
use super::{HistoryQuery, finer, kind_of, kind_text, seconds};
use crate::{
    courses::rules::{Actual, Change, Fold, Progress, SeriesKey, changes, due},
    store::{StoreError, column, each, postgres::Postgres},
};

/// The locks that those who write courses and those who make them smaller take, whichever process they are in. Any numbers,
/// as long as nobody else takes them: these are `courses` and `folding` as ASCII.
const WRITING: i64 = 0x63_6f75_7273_6573;
const FOLDING: i64 = 0x66_6f6c_6469_6e67;

/// A snapshot for each statement, whatever the database's default: what is read after a lock was waited for must be newer
/// than the lock.
const BEGIN: &str = "begin isolation level read committed";

impl Postgres {
    pub async fn write_courses(&self, courses: &[Course]) -> Result<u64, StoreError> {
        let courses: Arc<[Course]> = courses.into();
        // To try again is safe, as with what only reads.
        self.read(|connection| Box::pin(write_changes(connection, Arc::clone(&courses)))).await
    }

    pub async fn actual_courses(&self) -> Result<Vec<PastCourse>, StoreError> {
        let rows = self.read(|connection| Box::pin(sqlx::query(ACTUAL).fetch_all(connection))).await?;
        rows.iter().map(past_course_of).map(|row| row.map(|(_, course)| course)).collect()
    }

    /// The series with these names from `first` on, in their order.
    pub async fn course_series(
        &self,
        exchanger: Option<&str>,
        direction: Option<&str>,
        first: i32,
    ) -> Result<Vec<i32>, StoreError> {
        self.read(|connection| {
            let query = sqlx::query_scalar(SERIES).bind(first);
            let query = query.bind(exchanger.map(str::to_owned)).bind(direction.map(str::to_owned));
            Box::pin(query.fetch_all(connection))
        })
        .await
    }

    pub async fn past_courses(&self, query: &HistoryQuery) -> Result<Vec<(i32, PastCourse)>, StoreError> {
        let rows = self.read(|connection| {
            let query = sqlx::query(PAST_COURSES)
                .bind(query.series.clone())
                .bind(query.from.to_datetime())
                .bind(query.to.to_datetime())
                .bind(query.resumed_series)
                .bind(query.resume_at.to_datetime())
                .bind(query.limit);
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(past_course_of).collect()
    }

    pub async fn candles(&self, query: &HistoryQuery, width: i32) -> Result<Vec<(i32, Candle)>, StoreError> {
        let rows = self.read(|connection| {
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

    pub async fn fold_courses(&self, width: Duration) -> Result<u64, StoreError> {
        self.read(|connection| Box::pin(fold(connection, width))).await
    }

    pub async fn forget_past_courses(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        self.read(|connection| Box::pin(forget(connection, FORGET_COURSES, None, before, most))).await
    }

    pub async fn forget_candles(&self, width: i32, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        self.read(|connection| Box::pin(forget(connection, FORGET_CANDLES, Some(width), before, most))).await
    }
}

/// Writes down what changed. Without a lock where nothing did, which is most of what is sent most of the time.
async fn write_changes(connection: &mut PgConnection, courses: Arc<[Course]>) -> Result<u64, sqlx::Error> {
    let courses = &*courses;
    let exchangers = each(courses, |course| course.exchanger.clone());
    let directions = each(courses, |course| course.direction.to_string());
    if changes(courses, &actual(connection, &exchangers, &directions).await?).is_empty() {
        return Ok(0);
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(WRITING).execute(&mut *transaction).await?;
    // In a statement of its own: the one that waited for the lock has a snapshot from before it got it.
    let changes = changes(courses, &actual(&mut transaction, &exchangers, &directions).await?);
    if !changes.is_empty() {
        write(&mut transaction, &changes).await?;
    }
    transaction.commit().await?;
    Ok(changes.len() as u64)
}

/// What is actual of the series with these names.
async fn actual(
    connection: &mut PgConnection,
    exchangers: &[String],
    directions: &[String],
) -> Result<HashMap<SeriesKey, Actual>, sqlx::Error> {
    let rows = sqlx::query(ACTUAL_OF).bind(exchangers).bind(directions).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        let (series, PastCourse { exchanger, direction, kind, value, since, simulated, .. }) = course_of(row)?;
        Ok((SeriesKey { exchanger, direction }, Actual { series, since, value, kind, simulated }))
    };
    rows.iter().map(read).collect::<Result<_, StoreError>>().map_err(unreadable)
}

async fn write(connection: &mut PgConnection, changes: &[Change]) -> Result<(), sqlx::Error> {
    let ended: Vec<_> =
        changes.iter().filter_map(|Change { course, ends }| Some((ends.as_ref()?, course.observed_at))).collect();
    if !ended.is_empty() {
        sqlx::query(END)
            .bind(each(&ended, |(actual, _)| actual.series))
            .bind(each(&ended, |(actual, _)| actual.since.to_datetime()))
            .bind(each(&ended, |(_, until)| until.to_datetime()))
            .execute(&mut *connection)
            .await?;
    }
    let began = each(changes, |change| &change.course);
    let exchangers = each(&began, |course| course.exchanger.as_str());
    let directions = each(&began, |course| course.direction.to_string());
    if ended.len() < began.len() {
        sqlx::query(INSERT_SERIES).bind(&exchangers).bind(&directions).execute(&mut *connection).await?;
    }
    sqlx::query(INSERT_COURSES)
        .bind(&exchangers)
        .bind(&directions)
        .bind(each(&began, |course| course.observed_at.to_datetime()))
        .bind(each(&began, |course| course.value.hundred_millionths()))
        .bind(each(&began, |course| kind_text(course.kind)))
        .bind(each(&began, |course| course.simulated))
        .execute(connection)
        .await?;
    Ok(())
}

/// A transaction that no other that makes courses smaller runs beside; nothing where one is under way, which does the same.
async fn alone(connection: &mut PgConnection) -> Result<Option<PgTransaction<'_>>, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let lock = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(FOLDING);
    let got: bool = lock.fetch_one(&mut *transaction).await?;
    Ok(got.then_some(transaction))
}

async fn fold(connection: &mut PgConnection, width: Duration) -> Result<u64, sqlx::Error> {
    let Some(mut transaction) = alone(connection).await? else { return Ok(0) };
    let width_secs = seconds(width);
    let due = due(&progress(&mut transaction, width_secs).await?, width);
    if !due.is_empty() {
        let series = each(&due, |fold: &Fold| fold.series);
        let until = each(&due, |fold| fold.until.to_datetime());
        sqlx::query(FOLD)
            .bind(&series)
            .bind(each(&due, |fold| fold.from.to_datetime()))
            .bind(&until)
            .bind(width_secs)
            .bind(finer(width_secs))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(MARK).bind(&series).bind(&until).bind(width_secs).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(due.len() as u64)
}

async fn forget(
    connection: &mut PgConnection,
    statement: &'static str,
    width: Option<i32>,
    before: Timestamp,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let Some(mut transaction) = alone(connection).await? else { return Ok(0) };
    let mut query = sqlx::query(statement).bind(before.to_datetime()).bind(most);
    if let Some(width) = width {
        query = query.bind(width);
    }
    let done = query.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

async fn progress(connection: &mut PgConnection, width: i32) -> Result<Vec<Progress>, sqlx::Error> {
    let rows = sqlx::query(PROGRESS).bind(width).bind(finer(width)).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        Ok(Progress {
            series: row.try_get("id")?,
            folded: time(row, "folded")?,
            settled: time(row, "settled")?,
            first: row.try_get::<Option<DateTime<Utc>>, _>("first")?.map(Timestamp::from),
        })
    };
    rows.iter().map(read).collect::<Result<_, StoreError>>().map_err(unreadable)
}

/// A row that cannot be read, in the middle of what the driver does.
fn unreadable(error: StoreError) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

fn time(row: &PgRow, name: &str) -> Result<Timestamp, StoreError> {
    Ok(row.try_get::<DateTime<Utc>, _>(name)?.into())
}

fn rate(row: &PgRow, name: &str) -> Result<Rate, StoreError> {
    column(name, Rate::from_hundred_millionths(row.try_get(name)?))
}

/// A course with no end.
fn course_of(row: &PgRow) -> Result<(i32, PastCourse), StoreError> {
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

fn past_course_of(row: &PgRow) -> Result<(i32, PastCourse), StoreError> {
    let (series, course) = course_of(row)?;
    let until = row.try_get::<Option<DateTime<Utc>>, _>("until")?.map(Timestamp::from);
    Ok((series, PastCourse { until, ..course }))
}

fn candle_of(row: &PgRow) -> Result<(i32, Candle), StoreError> {
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
