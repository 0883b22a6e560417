//! Connections to PostgreSQL.

mod primary;
mod reachability;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use common::time::Timestamp;
use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions as _, PgConnection, PgPool, Postgres, Row,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub use self::reachability::describe_connect_failure;
use self::{
    primary::{Access, Primary, Timeline},
    reachability::Reachability,
};
use super::{
    DatabaseError, KnownOrigin, TransactionConnection,
    durability::{CommitSettings, Durability, Standbys},
    error::has_outdated_plan,
    latest_version,
    migrations::{POSTGRES, migrator},
    privilege::NoSchemaPrivilege,
    url::{connect_options, host_urls},
};

/// Number of connections for reads.
const READERS: u32 = 8;
/// Number of connections for the writes of courses, for retention, for statistics, and for the checks of the clock and
/// of durability.
const BACKGROUND: u32 = 2;
/// Number of connections for small writes outside the group commit: users, API keys, new wallets and the order limit.
/// PostgreSQL commits concurrent transactions together, so more connections shorten the wait for a slow disk.
const SMALL_WRITES: u32 = 8;
/// How long a statement or a transaction may take. The timeouts of statements and locks in [`SESSION`] are shorter, so
/// the database cancels a slow statement first.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(4500);
/// How long a query may wait for a connection of its pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1500);
/// The SQLSTATE of a write on a read-only server.
const READ_ONLY: &str = "25006";
/// Settings of pooled connections. Migrations and checks of reachability run without them.
///
/// The first three are time limits in milliseconds: for a statement, for the wait for a lock, and for an open
/// transaction whose client sends nothing, for example because its machine is frozen.
///
/// The planner settings make statements use their indexes, even if a plan was cached when the tables were small. With
/// these settings, a sequential scan has an extreme estimated cost. `jit` is off, because PostgreSQL would compile each
/// statement with such a scan.
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

/// The failure of the last attempt of a query.
struct FailedQuery {
    error: DatabaseError,
    /// Whether the database has possibly executed an attempt without returning its result.
    unanswered: bool,
}

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES));

/// Each kind of work has its own pool, so that reads do not delay orders.
#[derive(Clone)]
pub struct PostgresDatabase {
    pub writer: PgPool,
    /// For the writer of wallets, so that its commits do not wait for those of the writer of orders.
    pub wallet_writer: PgPool,
    pub readers: PgPool,
    /// For background work; see [`BACKGROUND`].
    pub background: PgPool,
    /// See [`SMALL_WRITES`].
    pub small_writes: PgPool,
    primary: Arc<Primary>,
    reachability: Arc<Reachability>,
    /// Which failure an acknowledged order survives.
    pub durability: Durability,
    pub origin: KnownOrigin,
    /// Options of each host without the settings of [`SESSION`], for migrations.
    unlimited: Arc<[PgConnectOptions]>,
}

impl PostgresDatabase {
    /// Parses the URL. Connections are opened when they are first needed.
    pub fn open(url: &str) -> Result<Self, sqlx::Error> {
        // Statements are not logged, because each slow request is logged with its database time.
        let parse = |url: &String| connect_options(url).map(PgConnectOptions::disable_statement_logging);
        let unlimited = host_urls(url).iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let primary = Primary::new(unlimited.iter().map(|host| host.clone().options(SESSION)).collect());
        Ok(Self {
            writer: primary.connect_lazy(1, Access::Write),
            wallet_writer: primary.connect_lazy(1, Access::Write),
            readers: primary.connect_lazy(READERS, Access::Read),
            background: primary.connect_lazy(BACKGROUND, Access::Write),
            small_writes: primary.connect_lazy(SMALL_WRITES, Access::Write),
            primary,
            reachability: Reachability::new(url, unlimited.clone()),
            durability: Durability::default(),
            origin: KnownOrigin::default(),
            unlimited: unlimited.into(),
        })
    }

    pub(super) async fn migrate(&self) -> Result<(), DatabaseError> {
        // No statement timeout, because building an index over many orders takes longer.
        let host = &self.unlimited[self.primary.current_host()];
        let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with(host.clone());
        let result = self.reachability.watch(MIGRATIONS.run(&pool)).await;
        pool.close().await;
        result.map_err(|error| {
            self.primary.start_search();
            let cause = match &error {
                MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => Some(cause),
                _ => None,
            };
            if let Some(refusal) = cause.and_then(|cause| self.reachability.login_refusal(cause)) {
                return refusal;
            }
            if let Some(fault) = cause.and_then(|cause| NoSchemaPrivilege::of(host.get_username(), cause)) {
                return DatabaseError::NoSchemaPrivilege(fault);
            }
            match DatabaseError::from_migration(error) {
                DatabaseError::Unavailable(cause) => self.reachability.explain(cause),
                error => error,
            }
        })
    }

    /// Commits a write to the table `write_probe`, on the connection of the writer of orders. Fails if the latest
    /// migration is not applied.
    pub async fn probe_write(&self) -> Result<(), DatabaseError> {
        self.probe_write_on(&self.writer).await
    }

    /// Like [`probe_write`](Self::probe_write), on the connection of another writer.
    pub async fn probe_write_on(&self, writer: &PgPool) -> Result<(), DatabaseError> {
        const PROBE: &str = "insert into write_probe (id, written_at)
            select 1, now() where exists (select from _sqlx_migrations where version = $1 and success)
            on conflict (id) do update set written_at = excluded.written_at";
        let written = self.run_on(writer, |connection| {
            Box::pin(sqlx::query(PROBE).bind(latest_version(&MIGRATIONS)).execute(connection))
        });
        if written.await?.rows_affected() == 1 { Ok(()) } else { Err(DatabaseError::NotMigrated) }
    }

    /// The time of the database.
    pub async fn time(&self) -> Result<Timestamp, DatabaseError> {
        const TIME: &str = "select clock_timestamp()";
        let time: DateTime<Utc> =
            self.run_in_background(|connection| Box::pin(sqlx::query_scalar(TIME).fetch_one(connection))).await?;
        Ok(time.into())
    }

    /// Every pool with its name in metrics.
    pub(super) fn pools(&self) -> [(&'static str, &PgPool); 5] {
        [
            ("writer", &self.writer),
            ("wallet_writer", &self.wallet_writer),
            ("readers", &self.readers),
            ("background", &self.background),
            ("small_writes", &self.small_writes),
        ]
    }

    pub(super) async fn close(&self) {
        for (_, pool) in self.pools() {
            pool.close().await;
        }
    }

    /// Runs a query on a connection for reads; see [`run_on`](Self::run_on).
    pub async fn run_repeatable<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        self.run_on(&self.readers, query).await
    }

    /// Runs a query on a connection for background work; see [`run_on`](Self::run_on).
    pub async fn run_in_background<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        self.run_on(&self.background, query).await
    }

    /// Runs a small write outside the group commit; see [`run_on`](Self::run_on). Fails with
    /// [`DatabaseError::Unanswered`] if the write may have taken effect.
    pub async fn run_small_write<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        let result = self.run_attempts(&self.small_writes, query).await;
        result.map_err(|FailedQuery { error, unanswered }| match error {
            error if unanswered => DatabaseError::Unanswered(Box::new(error)),
            error => error,
        })
    }

    /// Runs a query on the connection of the writer of orders; see [`run_on`](Self::run_on).
    pub async fn run_on_writer<T>(&self, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        self.run_on(&self.writer, query).await
    }

    /// Runs a query on a connection of the pool. If the connection is dead, its plans are outdated or its server is not
    /// the primary, retries the query on another connection. A restart of the database or a migration may make every
    /// idle connection unusable, so the maximum number of retries is the size of the pool.
    async fn run_on<T>(&self, pool: &PgPool, query: impl RepeatableQuery<T>) -> Result<T, DatabaseError> {
        self.run_attempts(pool, query).await.map_err(|failed| failed.error)
    }

    async fn run_attempts<T>(&self, pool: &PgPool, query: impl RepeatableQuery<T>) -> Result<T, FailedQuery> {
        let mut retries_left = pool.options().get_max_connections();
        let mut unanswered = false;
        loop {
            let mut connection = self.acquire(pool).await.map_err(|error| FailedQuery { error, unanswered })?;
            let (error, retry) = match tokio::time::timeout(ANSWER_TIMEOUT, query(&mut connection)).await {
                Ok(Ok(output)) => {
                    connection.release();
                    return Ok(output);
                }
                Ok(Err(error)) => {
                    let retry = needs_new_connection(&error) && retries_left > 0;
                    (DatabaseError::from(error), retry)
                }
                Err(_elapsed) => (DatabaseError::TimedOut, false),
            };
            unanswered |= error.leaves_write_unanswered();
            let error = self.record_failure(error);
            if !retry {
                return Err(FailedQuery { error, unanswered });
            }
            retries_left -= 1;
        }
    }

    /// The connection of the writer of orders. When the connection was opened, its server was the primary and writable.
    pub async fn acquire_writer(&self) -> Result<TransactionConnection<Postgres>, DatabaseError> {
        self.acquire(&self.writer).await
    }

    /// The connection of the writer of wallets; see [`acquire_writer`](Self::acquire_writer).
    pub async fn acquire_wallet_writer(&self) -> Result<TransactionConnection<Postgres>, DatabaseError> {
        self.acquire(&self.wallet_writer).await
    }

    async fn acquire(&self, pool: &PgPool) -> Result<TransactionConnection<Postgres>, DatabaseError> {
        match self.reachability.watch(TransactionConnection::acquire(pool)).await {
            Ok(connection) => {
                self.reachability.record_connection();
                Ok(connection)
            }
            Err(error) => {
                self.primary.start_search();
                Err(match (self.reachability.explain(error), self.primary.rejection()) {
                    (DatabaseError::Unavailable(sqlx::Error::PoolTimedOut), Some(reason)) => {
                        DatabaseError::NotPrimary(reason)
                    }
                    (error, _) => error,
                })
            }
        }
    }

    /// Reports that the database acknowledged a commit of the writer of orders or of wallets.
    pub fn record_commit(&self) {
        self.primary.confirm_writer();
    }

    /// Reports that a statement or a transaction failed. If the connection may be the cause, none of the connections
    /// that are open now is used again. Returns the error.
    pub fn record_failure(&self, error: DatabaseError) -> DatabaseError {
        match &error {
            DatabaseError::TimedOut => self.primary.distrust_connections(),
            DatabaseError::Unavailable(cause) if needs_new_connection(cause) => self.primary.distrust_connections(),
            _ => {}
        }
        error
    }

    /// Checks that the settings of the server and its standbys give the declared durability. Fails with
    /// [`DatabaseError::NotDurable`] if they do not.
    pub(super) async fn check_durability(&self) -> Result<(), DatabaseError> {
        const SETTINGS: &str = "
            select
                current_setting('synchronous_commit'),
                current_setting('synchronous_standby_names'),
                count(pid),
                count(pid) filter (where sync_state in ('sync', 'quorum') and state = 'streaming'),
                count(pid) filter (where sync_state is null)
            from (select) as one left join pg_stat_replication on true";
        let checked = self.run_in_background(|connection| {
            Box::pin(async move {
                let timeline = Timeline::read(&mut *connection).await?;
                Ok((timeline, sqlx::query(SETTINGS).fetch_one(connection).await?))
            })
        });
        let (timeline, row) = checked.await?;
        let settings = CommitSettings { synchronous_commit: row.try_get(0)?, standby_names: row.try_get(1)? };
        let standbys = Standbys { connected: row.try_get(2)?, synchronous: row.try_get(3)?, hidden: row.try_get(4)? };
        let lacks_standby = || (self.durability == Durability::Remote).then(|| standbys.violation()).flatten();
        if let Some(violation) = settings.violation(self.durability).or_else(lacks_standby) {
            return Err(DatabaseError::NotDurable(violation));
        }
        // Other db-proxies have possibly committed on this server. A server with an earlier timeline may lack these
        // commits and is not used any more.
        if let Some(timeline) = timeline {
            self.primary.confirm(timeline);
        }
        Ok(())
    }
}

/// A query that is safe to run twice: it reads, or it is an idempotent transaction.
pub trait RepeatableQuery<T>: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> {}

impl<T, Q> RepeatableQuery<T> for Q where Q: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> {}

/// Whether the query may succeed on another connection: the connection is dead, its server is not the primary any more,
/// or a migration changed the result of a statement that the connection has prepared.
fn needs_new_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(cause) => {
            let is_lost = |code: &str| code.starts_with("57P") || code.starts_with("08") || code == READ_ONLY;
            cause.code().is_some_and(|code| is_lost(&code)) || has_outdated_plan(error)
        }
        _ => false,
    }
}
