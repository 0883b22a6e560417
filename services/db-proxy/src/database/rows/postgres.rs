//! The values of columns of PostgreSQL.

use chrono::{DateTime, Utc};
use common::time::Timestamp;
use sqlx::{Row, postgres::PgRow};

use crate::database::DatabaseError;

pub fn time(row: &PgRow, column: &str) -> Result<Timestamp, DatabaseError> {
    Ok(row.try_get::<DateTime<Utc>, _>(column)?.into())
}

pub fn optional_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, DatabaseError> {
    Ok(row.try_get::<Option<DateTime<Utc>>, _>(column)?.map(Timestamp::from))
}

/// Wraps an invalid row as an error of the driver, for a
/// [`RepeatableQuery`](crate::database::postgres::RepeatableQuery) that decodes rows.
pub fn invalid_row(error: DatabaseError) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
