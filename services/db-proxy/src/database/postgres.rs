//! Connections to PostgreSQL.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{
    PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    DatabaseError, TransactionConnection,
    error::has_outdated_plan,
    latest_version,
    migrations::{POSTGRES, migrator},
};

/// Number of connections for reads. More connections would only wait for each other in the database.
const READERS: u32 = 8;
/// Number of connections for the writes of courses and for retention.
const BACKGROUND: u32 = 2;
/// How long a statement or a transaction may take. It is longer than the limits in [`SESSION`], so the database cancels
/// first.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(4500);
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Settings of each connection.
///
/// The first three are time limits in milliseconds: for a statement, for the wait for a lock, and for a transaction whose
/// client sends nothing, such as a frozen machine.
///
/// The planner settings make statements use their indexes, with which every statement here is fastest. Otherwise a generic
/// plan that was cached while the tables were small would scan them even after they have grown. With these settings, the
/// estimated cost of reading a table without an index, such as the one row of totals, is extreme. `jit` is off so that such a
/// statement is not compiled at each execution.
const SESSION: [(&str, &str); 8] = [
    ("statement_timeout", "4000"),
    ("lock_timeout", "4000"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("application_name", "buydesk-db-proxy"),
];

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES));

/// A pool for each kind of work. None waits for another, so a flood of reads delays no order.
#[derive(Clone)]
pub struct PostgresDatabase {
    pub writer: PgPool,
    pub readers: PgPool,
    /// For the writes of courses and for retention.
    pub background: PgPool,
    /// Options without the limits of [`SESSION`], for migrations.
    unlimited: Arc<PgConnectOptions>,
}

impl PostgresDatabase {
    /// Parses the URL. Connections are opened when they are first needed.
    pub fn open(url: &str) -> Result<Self, sqlx::Error> {
        let unlimited = url.parse::<PgConnectOptions>()?;
        let options = unlimited.clone().options(SESSION);
        // No ping before each use: the first statement on a dead connection fails and is retried.
        let pool = |size| {
            PgPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false)
        };
        Ok(Self {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(READERS).connect_lazy_with(options.clone()),
            background: pool(BACKGROUND).connect_lazy_with(options),
            unlimited: Arc::new(unlimited),
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), MigrateError> {
        // Without a statement timeout, because building an index over many orders takes longer than the timeout.
        let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with((*self.unlimited).clone());
        let result = MIGRATIONS.run(&pool).await;
        pool.close().await;
        result
    }

    /// Commits a write in a table of its own on the connection of the writer. Fails if the latest migration is not applied.
    pub async fn probe_write(&self) -> Result<(), DatabaseError> {
        // After a restart of the database, the idle connection is dead.
        match self.probe_write_once().await {
            Err(_) => self.probe_write_once().await,
            success => success,
        }
    }

    async fn probe_write_once(&self) -> Result<(), DatabaseError> {
        const PROBE: &str = "insert into write_probe (id, written_at)
            select 1, now() where exists (select from _sqlx_migrations where version = $1 and success)
            on conflict (id) do update set written_at = excluded.written_at";
        let mut connection = TransactionConnection::acquire(&self.writer).await?;
        let written = sqlx::query(PROBE).bind(latest_version(&MIGRATIONS)).execute(&mut *connection).await?;
        connection.release();
        if written.rows_affected() == 1 { Ok(()) } else { Err(DatabaseError::NotMigrated) }
    }

    pub(super) async fn close(&self) {
        for pool in [&self.writer, &self.readers, &self.background] {
            pool.close().await;
        }
    }

    /// Runs a query on a connection for reads; see [`run_repeatable_on`].
    pub async fn run_repeatable<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        run_repeatable_on(&self.readers, query).await
    }

    /// Runs a query on a connection for background work; see [`run_repeatable_on`].
    pub async fn run_in_background<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        run_repeatable_on(&self.background, query).await
    }

    /// Runs a query on the connection of the writer; see [`run_repeatable_on`].
    pub async fn run_on_writer<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        run_repeatable_on(&self.writer, query).await
    }
}

/// A query that is safe to run twice: it reads, or it is an idempotent transaction.
pub trait RepeatableQuery<T>: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> {}

impl<T, Q> RepeatableQuery<T> for Q where Q: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> {}

/// Runs a query on a connection of the pool. If the connection is dead or its plans are outdated, runs the query again on
/// another one. After a restart of the database or a migration, every idle connection is.
async fn run_repeatable_on<T>(pool: &PgPool, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
    let mut retries_left = pool.options().get_max_connections();
    loop {
        let mut connection = TransactionConnection::acquire(pool).await?;
        let result = tokio::time::timeout(ANSWER_TIMEOUT, query(&mut connection)).await;
        let error = match result.map_err(|_| DatabaseError::TimedOut)? {
            Ok(output) => {
                connection.release();
                return Ok(output);
            }
            Err(error) => error,
        };
        if !needs_new_connection(&error) || retries_left == 0 {
            return Err(error.into());
        }
        retries_left -= 1;
    }
}

/// Whether the query may succeed on another connection: this one is dead, or a migration changed what it has prepared.
fn needs_new_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(cause) => {
            cause.code().is_some_and(|code| code.starts_with("57P")) || has_outdated_plan(error)
        }
        _ => false,
    }
}
