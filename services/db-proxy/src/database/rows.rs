//! Conversions between rows and values that all stores share.

pub mod postgres;
pub mod sqlite;

use super::DatabaseError;

/// The value of a column. Fails with [`DatabaseError::InvalidRow`] if the value violates a constraint of the table.
pub fn decode<T, E: std::fmt::Display>(column: &str, value: Result<T, E>) -> Result<T, DatabaseError> {
    value.map_err(|error| DatabaseError::InvalidRow(format!("{column} {error}")))
}

/// The values of one column of several rows.
pub fn column_of<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
