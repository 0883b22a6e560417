//! The values of columns of SQLite.

use common::time::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::decode;
use crate::database::DatabaseError;

/// An id as hexadecimal text for JSON. Statements convert it to a blob with `unhex`.
pub fn to_hex(id: &Uuid) -> String {
    id.simple().to_string()
}

pub fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, DatabaseError> {
    decode(column, Timestamp::from_micros(row.try_get(column)?))
}

pub fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, DatabaseError> {
    let micros = row.try_get::<Option<i64>, _>(column)?;
    micros.map(|micros| decode(column, Timestamp::from_micros(micros))).transpose()
}
