//! The codes in errors of the databases: SQLSTATEs of PostgreSQL and result codes of SQLite.

use sqlx::Error;

/// The SQLSTATE if the disk of the server is full.
pub const DISK_FULL: &str = "53100";
/// The SQLSTATE of a statement that the role may not execute.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Classes of result codes of SQLite: the lowest bytes of the codes.
pub mod sqlite {
    pub const BUSY: u32 = 5;
    pub const LOCKED: u32 = 6;
    pub const READ_ONLY: u32 = 8;
    pub const IO_ERROR: u32 = 10;
    pub const DAMAGED: u32 = 11;
    pub const DISK_FULL: u32 = 13;
    pub const CANNOT_OPEN: u32 = 14;
    pub const NOT_A_DATABASE: u32 = 26;
}

/// Whether the database reported this code.
pub fn has_code(error: &Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|found| found == code)
}

/// The class of the result code that SQLite reported.
pub fn sqlite_class(error: &Error) -> Option<u32> {
    class_of(&error.as_database_error()?.code()?)
}

/// The class of a result code of SQLite. `None` if the code is not a number below 10,000. An SQLSTATE of PostgreSQL such
/// as `08006` is such a number, but its lowest byte is no class in [`sqlite`].
pub fn class_of(code: &str) -> Option<u32> {
    code.parse().ok().filter(|number| *number < 10_000).map(|number: u32| number & 0xff)
}
