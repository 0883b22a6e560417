//! Errors of the database, and whether a later attempt may succeed.

use std::sync::Arc;

use common::api::orders::OrderOrigin;
use sqlx::{migrate::MigrateError, postgres::PgDatabaseError};

use super::{
    codes::{DISK_FULL, class_of, has_code, sqlite, sqlite_class},
    privilege::NoSchemaPrivilege,
};
use crate::clock_check::ClockFault;

/// Why a database operation failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database or its connection failed, or another transaction blocked the statement. A later attempt may succeed.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The disk of the database is full, and the database rolled back the transaction. A later attempt may succeed.
    #[error("the disk of the database is full. Free space on it")]
    DiskFull,
    /// No server of the database can be reached. A later attempt may succeed. The outage is logged where it is detected.
    #[error("{0}")]
    Unreachable(Unreachable),
    /// PostgreSQL refuses the login. A later attempt may succeed, after the settings of the server were changed.
    #[error("{0}")]
    LoginRefused(LoginRefused),
    /// The database did not answer within the time limit, or the operation could not begin in time. A later attempt may succeed.
    #[error("the database did not answer in time")]
    TimedOut,
    /// It is unknown whether a write took effect: its result did not arrive, or SQLite reported an I/O error. A later
    /// attempt may succeed.
    #[error("it is unknown whether the write took effect")]
    Unanswered(#[source] Box<DatabaseError>),
    /// Another transaction used one of the idempotency keys at the same time. A later attempt reads what that transaction
    /// stored.
    #[error("another transaction used the idempotency key at the same time")]
    KeyConflict,
    /// A migration is not applied, or a table or a column that it creates is missing. A later attempt may succeed, after the
    /// migration.
    #[error(
        "migrations of the database are missing; with DATABASE_MIGRATIONS=check, db-proxy waits until `db-proxy --migrate` has \
         applied the migrations"
    )]
    NotMigrated,
    /// No server can be used as the primary. A later attempt may succeed, after a failover.
    #[error("there is no usable primary: {0}")]
    NotPrimary(NotPrimary),
    /// The server does not make commits as durable as declared. A later attempt may succeed.
    #[error("commits are not durable: {0}")]
    NotDurable(String),
    /// The clock is wrong or not checked yet, so nothing may be written. A later attempt may succeed.
    #[error("nothing is written because of the clock: {0}")]
    Clock(#[from] ClockFault),
    /// The database is marked with the origin `database`, and the settings declare the other origin.
    #[error(
        "this database is for {database} orders, but the settings are for {} orders. To use this database, {}, with the same \
         DATABASE_URL. For {} orders, set DATABASE_URL to another database",
        database.opposite(), how_to_use(*database), database.opposite()
    )]
    OtherOrigin { database: OrderOrigin },
    /// The database rejected a statement, for example because of a constraint, a missing permission or a defect of this program. A
    /// retry would probably fail again.
    #[error("the database rejected a statement")]
    Rejected(#[source] sqlx::Error),
    /// A row contains a value that this program never writes.
    #[error("a stored row is invalid: {0}")]
    InvalidRow(String),
    /// The transaction that the write shared with other writes failed. All these writes have the same source error.
    #[error("the transaction of the write failed")]
    GroupFailed(#[source] Arc<DatabaseError>),
    /// The role of PostgreSQL may not migrate the schema.
    #[error("{0}")]
    NoSchemaPrivilege(NoSchemaPrivilege),
    /// The schema cannot be migrated.
    #[error("the database schema cannot be migrated")]
    Migration(#[source] MigrateError),
}

/// Why no server of the database can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL at {address} cannot be reached: {reason}")]
pub struct Unreachable {
    /// The URL of the database without its password.
    pub address: Arc<str>,
    pub reason: Arc<str>,
}

/// A server that refuses the login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL at {address} refuses the login: {reason}")]
pub struct LoginRefused {
    /// The URL of the database without its password.
    pub address: Arc<str>,
    pub reason: LoginFault,
}

/// Why a login is refused, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    #[error(
        "the user or the password is wrong. Correct both in DATABASE_URL; in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"
    )]
    Credentials,
    #[error(
        "the server does not permit this user to connect from this machine. Create the user, or add a line for it to pg_hba.conf of \
         the server"
    )]
    NotPermitted,
    #[error("the database does not exist. Create it with `createdb`, or correct its name in DATABASE_URL")]
    NoDatabase,
}

impl LoginFault {
    /// The fault with this SQLSTATE. `None` if the code has another cause.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "28P01" => Some(Self::Credentials),
            "28000" => Some(Self::NotPermitted),
            "3D000" => Some(Self::NoDatabase),
            _ => None,
        }
    }

    /// The fault of an attempt to connect.
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        Self::of_code(&error.as_database_error()?.code()?)
    }
}

/// Why a server is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPrimary {
    #[error("the server is a standby")]
    Standby,
    #[error("the server is read-only")]
    ReadOnly,
    #[error("the server was the primary before the last failover")]
    Superseded,
}

/// How to start the service so that it can use a database of this origin.
fn how_to_use(origin: OrderOrigin) -> &'static str {
    match origin {
        OrderOrigin::Real => "start `buydesk up` without --demo, or each service with SIMULATED=false",
        OrderOrigin::Simulated => "start `buydesk up --demo`, or each service with SIMULATED=true",
    }
}

impl DatabaseError {
    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::DiskFull
            | Self::Unreachable(_)
            | Self::LoginRefused(_)
            | Self::TimedOut
            | Self::Unanswered(_)
            | Self::KeyConflict
            | Self::NotMigrated
            | Self::NotPrimary(_)
            | Self::NotDurable(_)
            | Self::Clock(_) => true,
            Self::GroupFailed(cause) => cause.is_transient(),
            Self::OtherOrigin { .. }
            | Self::Rejected(_)
            | Self::InvalidRow(_)
            | Self::NoSchemaPrivilege(_)
            | Self::Migration(_) => false,
        }
    }

    /// Whether the cause is logged where it is detected, once for the whole outage, and not for each operation that fails.
    pub fn is_logged_at_its_cause(&self) -> bool {
        match self {
            Self::GroupFailed(cause) => cause.is_logged_at_its_cause(),
            Self::Unanswered(cause) => cause.is_logged_at_its_cause(),
            error => matches!(error, Self::Unreachable(_) | Self::Clock(_)),
        }
    }

    /// Whether the effect of the write is unknown.
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::GroupFailed(cause) => cause.is_unanswered(),
            error => matches!(error, Self::Unanswered(_)),
        }
    }

    /// Whether a write that failed with this error possibly took effect. An I/O error of SQLite can occur after the
    /// transaction is on the disk.
    pub(super) fn leaves_write_unanswered(&self) -> bool {
        use sqlx::Error as E;
        match self {
            Self::TimedOut | Self::Unavailable(E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed) => true,
            Self::Unavailable(error) => sqlite_class(error) == Some(sqlite::IO_ERROR),
            _ => false,
        }
    }

    /// Whether a commit that failed with this error had no effect. Of all errors, only a full disk proves it: SQLite reports
    /// it before the commit is complete in the write-ahead log, and PostgreSQL aborts the transaction.
    pub fn proves_rollback(&self) -> bool {
        match self {
            Self::GroupFailed(cause) => cause.proves_rollback(),
            error => matches!(error, Self::DiskFull),
        }
    }

    /// The error of a statement that writes: [`DatabaseError::Unanswered`] if the statement possibly took effect.
    pub fn of_write(error: sqlx::Error) -> Self {
        match Self::from(error) {
            error if error.leaves_write_unanswered() => Self::Unanswered(Box::new(error)),
            error => error,
        }
    }

    /// Classifies the failure of a migration.
    ///
    /// Outages, lock conflicts and a lack of space are transient. The other causes are permanent. A missing table or
    /// column is permanent only here: for other statements, it means that a migration is pending.
    pub(super) fn from_migration(error: MigrateError) -> Self {
        let cause = match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => Some(cause),
            _ => None,
        };
        match cause.map(classify) {
            Some(Cause::Outage) => match error {
                MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => Self::Unavailable(cause),
                other => Self::Migration(other),
            },
            Some(Cause::SchemaChange | Cause::Permanent) | None => Self::Migration(error),
        }
    }

    /// The error with its causes, for the log.
    pub fn chain(&self) -> String {
        common::error_chain::format_chain(self)
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match classify(&error) {
            Cause::Outage if is_full_disk(&error) => Self::DiskFull,
            // The schema is up to date. Only the statement that this connection prepared is outdated.
            Cause::SchemaChange if has_outdated_plan(&error) => Self::Unavailable(error),
            Cause::SchemaChange => Self::NotMigrated,
            Cause::Outage => Self::Unavailable(error),
            Cause::Permanent => Self::Rejected(error),
        }
    }
}

fn is_full_disk(error: &sqlx::Error) -> bool {
    has_code(error, DISK_FULL) || sqlite_class(error) == Some(sqlite::DISK_FULL)
}

/// Why a statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The database or its connection failed, or another transaction blocked the statement.
    Outage,
    /// The schema differs from the schema for which the statement was written or prepared, because a migration is pending or
    /// was just applied. On a new connection the statement succeeds as soon as the migration is complete.
    SchemaChange,
    /// The statement would fail again.
    Permanent,
}

/// Classifies the failure of a statement.
fn classify(error: &sqlx::Error) -> Cause {
    use sqlx::Error as E;
    match error {
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => Cause::Outage,
        E::Database(_) if has_outdated_plan(error) => Cause::SchemaChange,
        E::Database(error) => error.code().map_or(Cause::Permanent, |code| classify_code(&code)),
        _ => Cause::Permanent,
    }
}

/// The cause of a failure with this code: an SQLSTATE of PostgreSQL or a result code of SQLite.
fn classify_code(code: &str) -> Cause {
    let outages = [sqlite::BUSY, sqlite::LOCKED, sqlite::IO_ERROR, sqlite::DISK_FULL, sqlite::CANNOT_OPEN];
    if class_of(code).is_some_and(|class| outages.contains(&class)) {
        return Cause::Outage;
    }
    match code {
        // Undefined table, undefined column. SQLite reports both with its general code 1. The code has no other cause
        // here, because the statements of this program are valid on the current schema.
        "42P01" | "42703" | "1" => Cause::SchemaChange,
        // Serialization failure, deadlock, lock not available, statement canceled by its timeout, idle transaction timeout;
        // read-only server.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "25006" => Cause::Outage,
        // Connection exceptions, insufficient resources, operator intervention (shutdown, starting up).
        code if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Cause::Outage,
        _ => Cause::Permanent,
    }
}

/// Whether a migration changed the result of a statement after this connection prepared it. PostgreSQL then rejects the
/// statement on this connection until the connection is closed.
pub(super) fn has_outdated_plan(error: &sqlx::Error) -> bool {
    // The SQLSTATE "feature not supported" has many causes. The routine that raises the error identifies this cause.
    let raised_by =
        |error: &PgDatabaseError| error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery");
    let error = error.as_database_error();
    error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>()).is_some_and(raised_by)
}

#[cfg(test)]
mod tests;
