//! Statistics of the database for health-check: its size, its connections, slow statements and standbys. They are read
//! in the background, so they delay no order.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{api::health::Measurement, config::Live, paths::folder_of, reporting};
use sqlx::Row;
use tokio::time::{MissedTickBehavior, interval};

use super::{Database, DatabaseError, PostgresDatabase, SqliteDatabase, private_file::with_suffix};

/// How often the statistics are read.
const READ_INTERVAL: Duration = Duration::from_secs(15);

/// The statistics of the last read. Empty after a failed read. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct DatabaseStatistics(Arc<Mutex<Vec<Measurement>>>);

impl DatabaseStatistics {
    pub fn latest(&self) -> Vec<Measurement> {
        self.measurements().clone()
    }

    /// Reads the statistics immediately and then every [`READ_INTERVAL`]. A statement that runs longer than
    /// `slow_after` counts as slow. Never returns.
    pub async fn keep_current(self, database: Database, slow_after: Live<Duration>) {
        let mut ticks = interval(READ_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let result = match &database {
                Database::Postgres(database) => database.read_statistics(slow_after.get()).await,
                Database::Sqlite(database) => Ok(database.read_statistics().await),
            };
            // Only a debug event, because the readiness check reports an unavailable database.
            *self.measurements() = result.unwrap_or_else(|error| {
                tracing::debug!(error = error.chain(), "the statistics of the database cannot be read");
                Vec::new()
            });
        }
    }

    fn measurements(&self) -> MutexGuard<'_, Vec<Measurement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `$1` is the number of seconds after which a statement counts as slow. If the database user is not a member of
/// `pg_read_all_stats`, the types and states of sessions of other users and the lag of standbys are null. Only clients,
/// parallel workers and extensions have both a user and a database, so a session of another user with both counts as a
/// client.
const POSTGRES_STATISTICS: &str = "
    select
        (
            select count(*) from pg_stat_activity
            where usesysid is not null and datid is not null
                and coalesce(backend_type, 'client backend') = 'client backend'
        ),
        current_setting('max_connections')::int8,
        (
            select count(*) from pg_stat_activity
            where backend_type = 'client backend' and state = 'active' and pid <> pg_backend_pid()
                and clock_timestamp() - query_start > make_interval(secs => $1)
        ),
        pg_database_size(current_database()),
        (select count(*) from pg_stat_replication),
        (select (extract(epoch from max(replay_lag)) * 1000)::int8 from pg_stat_replication)";

impl PostgresDatabase {
    async fn read_statistics(&self, slow_after: Duration) -> Result<Vec<Measurement>, DatabaseError> {
        let seconds = slow_after.as_secs_f64();
        let row = self.run_in_background(|connection| {
            Box::pin(sqlx::query(POSTGRES_STATISTICS).bind(seconds).fetch_one(connection))
        });
        let row = row.await?;
        let number = |index: usize| row.try_get::<i64, _>(index);
        let standbys = number(4)?;
        let mut measurements = vec![
            Measurement::new(Measurement::CONNECTIONS_USED, number(0)?, "connections").with_max(number(1)?),
            Measurement::new(Measurement::SLOW_STATEMENTS, number(2)?, "statements"),
            Measurement::new(Measurement::DATABASE_SIZE, number(3)?, Measurement::BYTES),
            Measurement::new(Measurement::STANDBYS, standbys, "standbys"),
        ];
        if standbys > 0 {
            // The lag is null if every standby has applied everything, or if this connection may not read it.
            let lag = row.try_get::<Option<i64>, _>(5)?.unwrap_or(0);
            measurements.push(Measurement::new(Measurement::REPLICATION_LAG, lag, Measurement::MILLISECONDS));
        }
        Ok(measurements)
    }
}

impl SqliteDatabase {
    async fn read_statistics(&self) -> Vec<Measurement> {
        let path = self.path().to_owned();
        tokio::task::spawn_blocking(move || file_statistics(&path)).await.unwrap_or_default()
    }
}

/// The size of an SQLite file with its write-ahead log, and the free space of its disk.
fn file_statistics(path: &Path) -> Vec<Measurement> {
    let log = with_suffix(path, "-wal");
    let size: u64 = [path, &log].into_iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let folder = folder_of(path);
    let size = Measurement::new(Measurement::DATABASE_SIZE, size, Measurement::BYTES);
    std::iter::once(size).chain(reporting::disk_available(folder)).collect()
}

#[cfg(test)]
mod tests;
