//! Reads values from rows of PostgreSQL.

use chrono::{DateTime, Utc};
use common::time::Timestamp;
use sqlx::{Row, postgres::PgRow};

use super::{ColumnValue, DatabaseRow};
use crate::database::DatabaseError;

impl DatabaseRow for PgRow {
    fn value<'r, T: ColumnValue<'r>>(&'r self, column: &str) -> Result<T, DatabaseError> {
        Ok(self.try_get(column)?)
    }

    fn time(&self, column: &str) -> Result<Timestamp, DatabaseError> {
        Ok(self.try_get::<DateTime<Utc>, _>(column)?.into())
    }

    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, DatabaseError> {
        Ok(self.try_get::<Option<DateTime<Utc>>, _>(column)?.map(Timestamp::from))
    }
}

/// Wraps the error of an invalid row, because a [`RepeatableQuery`](crate::database::postgres::RepeatableQuery) returns
/// errors of sqlx.
pub fn invalid_row(error: DatabaseError) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
