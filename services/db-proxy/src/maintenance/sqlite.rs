//! Access to an SQLite file that the service uses at the same time.

use std::path::Path;

use anyhow::{Context, ensure};
use common::api::orders::OrderOrigin;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    BackupFault, DatabaseSummary,
    summary::{SUMMARY, WALLET_TOTALS},
};
use crate::database::{BUSY_TIMEOUT, DatabaseError, OpenError};

/// The stored origin of the database. If none is stored, the origin of any order: all orders of a database have the
/// same origin.
const READ_ORIGIN_OR_ORDER: &str =
    "select coalesce((select simulated from order_origin), (select simulated from orders limit 1))";

/// A connection to an SQLite file that exists.
pub struct SqliteMaintenance(SqliteConnection);

impl SqliteMaintenance {
    /// Opens the file. The journal mode of the file does not change.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
        options.connect().await.map(Self).map_err(|error| OpenError::of_sqlite(path, &error))
    }

    /// Writes a consistent copy of the database into the file `copy`, which must be empty or not exist. Writers do not
    /// wait for the copy. `source` names the database in the error.
    pub async fn copy_into(&mut self, source: &Path, copy: &Path) -> anyhow::Result<()> {
        let name = copy.to_str().with_context(|| format!("the path {} is not UTF-8", copy.display()))?;
        let copied = sqlx::query("vacuum into ?1").bind(name).execute(&mut self.0).await;
        copied.map_err(|error| BackupFault::of_copy(source, copy, &error))?;
        Ok(())
    }

    /// Checks the structure of the file, its constraints and its indexes. Fails with the first problem.
    pub async fn check_integrity(&mut self) -> anyhow::Result<()> {
        let result: String = sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut self.0).await?;
        ensure!(result == "ok", "SQLite reports that the file is damaged: {result}");
        Ok(())
    }

    /// The stored origin of the database, or the origin of its orders if none is stored. `None` if the database has
    /// neither. Fails with [`DatabaseError::NotMigrated`] if the database does not have the table of the origin, because
    /// its orders may be simulated.
    pub async fn origin(&mut self) -> Result<Option<OrderOrigin>, DatabaseError> {
        let simulated: Option<bool> = sqlx::query_scalar(READ_ORIGIN_OR_ORDER).fetch_one(&mut self.0).await?;
        Ok(simulated.map(OrderOrigin::of))
    }

    pub async fn summary(&mut self) -> Result<DatabaseSummary, DatabaseError> {
        let mut transaction = self.0.begin().await?;
        let row = sqlx::query(SUMMARY).fetch_one(&mut *transaction).await?;
        let wallets = sqlx::query(WALLET_TOTALS).fetch_all(&mut *transaction).await?;
        DatabaseSummary::from_rows(&row, &wallets)
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.0.close().await
    }
}

#[cfg(test)]
mod tests;
