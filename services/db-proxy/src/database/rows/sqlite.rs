//! Reads values from rows of SQLite.

use common::time::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{ColumnValue, DatabaseRow, decode};
use crate::database::DatabaseError;

/// An id as hexadecimal text for JSON. Statements convert it to a blob with `unhex`.
pub fn to_hex(id: &Uuid) -> String {
    id.simple().to_string()
}

impl DatabaseRow for SqliteRow {
    fn value<'r, T: ColumnValue<'r>>(&'r self, column: &str) -> Result<T, DatabaseError> {
        Ok(self.try_get(column)?)
    }

    fn time(&self, column: &str) -> Result<Timestamp, DatabaseError> {
        decode(column, Timestamp::from_micros(self.try_get(column)?))
    }

    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, DatabaseError> {
        let micros = self.try_get::<Option<i64>, _>(column)?;
        micros.map(|micros| decode(column, Timestamp::from_micros(micros))).transpose()
    }
}
