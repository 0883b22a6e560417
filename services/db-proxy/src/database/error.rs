//! Errors of the database, classified by what a caller may do about them.

use sqlx::migrate::MigrateError;

/// Why a database operation failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database is unreachable, or the connection broke. A later attempt may succeed.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer within the time limit. A later attempt may succeed.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The schema lacks a migration. The migration runs as soon as the database is available.
    #[error("the database schema is not migrated yet")]
    NotMigrated,
    /// The database rejected a statement. A retry would fail again, because the cause is a defect of this program or of the
    /// machine.
    #[error("the database rejected a statement")]
    Rejected(#[source] sqlx::Error),
    /// A row contains a value that this program never writes.
    #[error("a stored row is invalid: {0}")]
    InvalidRow(String),
    /// The schema cannot be migrated.
    #[error("the database schema cannot be migrated")]
    Migration(#[source] MigrateError),
}

impl DatabaseError {
    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::TimedOut | Self::NotMigrated => true,
            Self::Rejected(_) | Self::InvalidRow(_) | Self::Migration(_) => false,
        }
    }

    /// The error with its causes, for the log.
    pub fn chain(&self) -> String {
        common::error_chain::format_chain(self)
    }
}

impl From<sqlx::Error> for DatabaseError {
    /// The only place that distinguishes an unavailable database from a rejected statement.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let transient = match &error {
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => true,
            E::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
            _ => false,
        };
        if transient { Self::Unavailable(error) } else { Self::Rejected(error) }
    }
}

/// Whether a statement that failed with this code may succeed later. `code` is an SQLSTATE of PostgreSQL or a result code
/// of SQLite.
fn is_transient_code(code: &str) -> bool {
    if let Ok(number) = code.parse::<u32>() {
        // The lowest byte of an SQLite code is its class: busy, locked, I/O error, disk full, cannot open.
        if number < 10_000 && [5, 6, 10, 13, 14].contains(&(number & 0xff)) {
            return true;
        }
    }
    match code {
        // Serialization failure, deadlock, lock not available, statement canceled by its timeout, idle transaction
        // timeout; undefined table and undefined column, which a pending migration creates.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "42P01" | "42703" => true,
        // Connection exceptions, insufficient resources, operator intervention (shutdown, starting up); read-only standby.
        code => ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) || code == "25006",
    }
}

#[cfg(test)]
mod tests;
