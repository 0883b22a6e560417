//! Conversions between rows and values that all stores share.

pub mod postgres;
pub mod sqlite;

use common::time::Timestamp;
use sqlx::{Decode, Postgres, Sqlite, Type};

use super::DatabaseError;

/// A row of either engine, for columns that both engines have under the same name.
pub trait DatabaseRow {
    /// The value of a column that has the same type in both engines.
    fn value<'r, T: ColumnValue<'r>>(&'r self, column: &str) -> Result<T, DatabaseError>;

    /// The value of a column of times. PostgreSQL has a type for times, and SQLite stores microseconds.
    fn time(&self, column: &str) -> Result<Timestamp, DatabaseError>;

    /// The value of a column of times that may be null.
    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, DatabaseError>;
}

/// A type that both engines can read.
pub trait ColumnValue<'r>: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite> {}

impl<'r, T> ColumnValue<'r> for T where T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite> {}

/// The converted value of a column. Fails with [`DatabaseError::InvalidRow`] if the stored value could not be
/// converted.
pub fn decode<T, E: std::fmt::Display>(column: &str, value: Result<T, E>) -> Result<T, DatabaseError> {
    value.map_err(|error| DatabaseError::InvalidRow(format!("{column} {error}")))
}

/// The values of one column for several rows, as a parameter of a statement.
pub fn column_of<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
