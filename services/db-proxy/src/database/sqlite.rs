//! Connections to an SQLite file.

mod file_lock;
mod write_groups;

use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use common::time::Timestamp;
use sqlx::{
    ConnectOptions as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use self::{file_lock::FileLock, write_groups::WriteGroups};
use super::{
    DatabaseError, KnownOrigin, TransactionConnection, latest_version,
    migrations::{SQLITE, migrator},
    open_error::OpenError,
    private_file,
};

/// Number of connections of `readers`. With a write-ahead log, they do not wait for the writer.
const READERS: u32 = 4;
/// How long to wait for another process that has locked the file, such as a database browser.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| migrator(SQLITE));

/// All writes except migrations share one connection. Most reads have separate connections, so that they do not delay
/// orders.
#[derive(Clone)]
pub struct SqliteDatabase {
    pub writer: SqlitePool,
    pub readers: SqlitePool,
    /// For reads of background work: the storage and the aggregation of courses, the clock check, and retention.
    pub background: SqlitePool,
    pub origin: KnownOrigin,
    path: Arc<Path>,
}

impl SqliteDatabase {
    /// Opens the file at `path`. Creates the file and its folder if they do not exist.
    pub async fn open(path: &str) -> Result<Self, OpenError> {
        let path = Path::new(path);
        private_file::prepare(path)?;
        // In full synchronous mode, a commit is on disk before it is acknowledged.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let explain = |error| OpenError::of_sqlite(path, &error);
        let writer = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let writer = writer.connect_with(options.clone()).await.map_err(explain)?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
        let read_only = options.pragma("query_only", "on");
        let readers = readers.connect_with(read_only.clone()).await.map_err(explain)?;
        let single = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let background = single.connect_lazy_with(read_only);
        Ok(Self { writer, readers, background, origin: KnownOrigin::default(), path: path.into() })
    }

    /// Locks the file, so that no other db-proxy serves it while the lock is held.
    pub async fn lock(&self) -> Result<FileLock, OpenError> {
        FileLock::acquire(&self.path).await
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn migrate(&self) -> Result<(), DatabaseError> {
        // Migrations run on a separate connection, because a migration that fails may leave its transaction open.
        let options = SqliteConnectOptions::clone(&self.writer.connect_options());
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
        let result = MIGRATIONS.run(&pool).await;
        pool.close().await;
        result.map_err(DatabaseError::from_migration)
    }

    /// Commits a write to the table `write_probe`, on the connection for writes. Fails if the latest migration is not
    /// applied.
    pub async fn probe_write(&self) -> Result<(), DatabaseError> {
        const PROBE: &str = "insert into write_probe (id, written_at)
            select 1, ?2 where exists (select 1 from _sqlx_migrations where version = ?1 and success)
            on conflict (id) do update set written_at = excluded.written_at";
        let probe = sqlx::query(PROBE).bind(latest_version(&MIGRATIONS)).bind(Timestamp::now().micros());
        let mut connection = TransactionConnection::acquire(&self.writer).await?;
        let written = probe.execute(&mut *connection).await?;
        connection.release();
        if written.rows_affected() == 1 { Ok(()) } else { Err(DatabaseError::NotMigrated) }
    }

    /// Every pool with its name in metrics. The writer is closed last.
    pub(super) fn pools(&self) -> [(&'static str, &SqlitePool); 3] {
        [("background", &self.background), ("readers", &self.readers), ("writer", &self.writer)]
    }

    pub(super) async fn close(&self) {
        for (_, pool) in self.pools() {
            pool.close().await;
        }
    }
}
