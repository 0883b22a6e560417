//! The preparation of the database before orders are stored.

use std::time::Duration;

use common::{
    api::orders::OrderOrigin,
    startup::{OutageLine, OutageLog},
};
use tokio::time::{Instant, timeout};

use crate::{
    config::Migrations,
    database::{Database, DatabaseError},
};

/// How long the start waits for the preparation of the database. After this time, the service starts, and the
/// preparation continues.
const PREPARATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two attempts to prepare the database.
const PREPARATION_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Prepares the database before orders are stored: applies migrations, and records whether its orders are simulated or
/// real.
#[derive(Clone, Copy)]
pub(crate) struct Preparation {
    pub(crate) migrations: Migrations,
    pub(crate) origin: Option<OrderOrigin>,
}

impl Preparation {
    async fn run(self, database: &Database) -> Result<(), DatabaseError> {
        if self.migrations == Migrations::Apply {
            database.migrate().await?;
        }
        database.claim_origin(self.origin).await
    }

    /// Returns true after a success. Returns false if a later attempt can succeed: the database is unavailable, does
    /// not answer within [`PREPARATION_TIMEOUT`], or lacks migrations that another process applies. Fails after any
    /// other error, such as a refused login.
    pub(crate) async fn run_at_start(self, database: &Database) -> Result<bool, DatabaseError> {
        let result = timeout(PREPARATION_TIMEOUT, self.run(database)).await;
        match result.unwrap_or(Err(DatabaseError::TimedOut)) {
            Ok(()) => Ok(true),
            // The settings are probably wrong, so the start fails and names them.
            Err(error @ DatabaseError::LoginRefused(_)) => Err(error),
            Err(error) if error.is_transient() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Retries until the preparation succeeds. Does not retry if PostgreSQL refuses the login, after a permanent error,
    /// or after `time_limit`.
    pub(crate) async fn run_until_done(
        self,
        database: &Database,
        time_limit: Option<Duration>,
    ) -> Result<(), DatabaseError> {
        let start = Instant::now();
        let mut outage = OutageLog::default();
        loop {
            match self.run(database).await {
                Err(error @ DatabaseError::LoginRefused(_)) => return Err(error),
                Err(error) if error.is_transient() => {
                    if time_limit.is_some_and(|time_limit| start.elapsed() >= time_limit) {
                        return Err(error);
                    }
                    let line = if error.is_logged_at_its_cause() { None } else { outage.record_failure() };
                    match line {
                        Some(OutageLine::NotYet) => {
                            tracing::info!(error = %error.chain(), "the database cannot be prepared yet; this is retried");
                        }
                        Some(OutageLine::Outage) => {
                            tracing::warn!(error = %error.chain(), "the database cannot be prepared; this is retried");
                        }
                        None => {}
                    }
                    tokio::time::sleep(PREPARATION_RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests;
