//! The database: connections, migrations, the write probe and the classification of errors.
//!
//! This module does not depend on the aggregates, such as orders or courses. The statements of an aggregate are in
//! `<aggregate>/store/<engine>/statements.rs`.

pub mod codes;
pub mod durability;
mod error;
mod migrations;
mod open_error;
mod origin;
pub mod pool_metrics;
pub mod postgres;
mod private_file;
mod privilege;
pub mod rows;
pub mod sqlite;
mod statistics;
mod transaction_connection;
mod url;

use anyhow::anyhow;
use sqlx::migrate::Migrator;

use self::pool_metrics::PoolUse;
pub use self::{
    durability::{Durability, DurabilityStatus},
    error::{DatabaseError, Unreachable},
    open_error::OpenError,
    origin::{KnownOrigin, READ_ORIGIN},
    postgres::PostgresDatabase,
    private_file::files_beside,
    privilege::identifier,
    sqlite::{BUSY_TIMEOUT, FileLock, SqliteDatabase},
    statistics::DatabaseStatistics,
    transaction_connection::TransactionConnection,
    url::{check_url, connect_options, host_urls, shown_url, sqlite_path},
};

/// An open database. Clones share its connections.
#[derive(Clone)]
pub enum Database {
    Postgres(PostgresDatabase),
    Sqlite(SqliteDatabase),
}

/// Awaits a call on the value in the variant `Postgres` or `Sqlite` of an enum.
macro_rules! on_engine {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Self::Postgres($engine) => $call.await,
            Self::Sqlite($engine) => $call.await,
        }
    };
}
pub(crate) use on_engine;

impl Database {
    /// Opens a database. Fails if [`check_url`] refuses `url`.
    ///
    /// PostgreSQL may be unavailable now and become available later. An SQLite file must be usable now.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        check_url(url).map_err(|reason| anyhow!("DATABASE_URL={} is not allowed; {reason}", shown_url(url)))?;
        match url.strip_prefix("sqlite:") {
            Some(path) => Ok(Self::Sqlite(SqliteDatabase::open(sqlite_path(path)).await?)),
            None => Ok(Self::Postgres(PostgresDatabase::open(url)?)),
        }
    }

    /// Applies the migrations that are missing. Migrations that a newer release applied are ignored.
    ///
    /// Fails with [`DatabaseError::Migration`] or [`DatabaseError::NoSchemaPrivilege`] if the schema cannot be migrated,
    /// and with [`DatabaseError::Unavailable`], [`DatabaseError::Unreachable`] or [`DatabaseError::LoginRefused`] if a later
    /// attempt may succeed.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        on_engine!(self, engine => engine.migrate())
    }

    /// Whether the database has a clock of its own. SQLite runs in this process and uses the clock of this machine.
    pub fn has_clock(&self) -> bool {
        match self {
            Self::Postgres(_) => true,
            Self::Sqlite(_) => false,
        }
    }

    /// Declares which failure an acknowledged order survives. Has no effect on SQLite.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        if let Self::Postgres(database) = &mut self {
            database.durability = durability;
        }
        self
    }

    /// The name of the engine, for logs and health reports.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// The use of each pool now.
    fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Postgres(database) => database.pools().map(|(name, pool)| PoolUse::of(name, pool)).into(),
            Self::Sqlite(database) => database.pools().map(|(name, pool)| PoolUse::of(name, pool)).into(),
        }
    }

    /// Waits for open transactions to end, and closes every connection.
    pub async fn close(&self) {
        on_engine!(self, engine => engine.close());
    }
}

/// The version of the newest migration of `migrator`.
fn latest_version(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}
