//! Access to a PostgreSQL server that the service uses at the same time.

use anyhow::bail;
use serde::{Deserialize, Serialize};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::{
    BackupFault, DatabaseSummary,
    summary::{SUMMARY, WALLET_TOTALS},
};
use crate::database::{DatabaseError, connect_options, host_urls, postgres::describe_connect_failure, shown_url};

/// Begins the transaction of a summary. All its statements see one snapshot, so the parts of the summary agree.
const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read read only";
const SERVER: &str = "
    select
        current_setting('server_version_num')::integer,
        (select system_identifier::text from pg_control_system()),
        current_database()::text,
        current_user::text";
/// Creates a temporary slot, which the server drops when the connection closes. The slot immediately reserves the
/// write-ahead log from the last checkpoint on.
const RESERVE_LOG: &str = "select pg_create_physical_replication_slot($1, true, true)";

/// The prefix of the SQLSTATE if a server rejects a connection because the server is starting or stopping.
const STARTING: &str = "57P";

/// A server, and the database of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresServer {
    /// As in `server_version_num`, such as 150008.
    pub version: i32,
    /// Identifies the data folder and its copies.
    pub system_identifier: String,
    pub database: String,
    /// The role of the connection.
    pub role: String,
}

impl PostgresServer {
    /// The major version, such as 15.
    pub fn major_version(&self) -> i32 {
        self.version / 10_000
    }
}

/// A connection to the primary, without the time limits of the service.
pub struct PostgresMaintenance {
    connection: PgConnection,
    /// The URL with only the host of this connection.
    url: String,
}

impl PostgresMaintenance {
    /// Connects to the first host of the URL that is a primary.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let mut failure = None;
        for url in host_urls(url) {
            let options = connect_options(&url)?;
            let result = async {
                let mut connection = options.application_name("buydesk-backup").connect().await?;
                let is_standby: bool =
                    sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection).await?;
                Ok::<_, sqlx::Error>((connection, is_standby))
            };
            match result.await {
                Ok((connection, false)) => return Ok(Self { connection, url }),
                Ok((_, true)) => failure = failure.or(Some(anyhow::anyhow!("the server is a standby"))),
                Err(error) => failure = Some(ConnectFailure(error).into()),
            }
        }
        let Some(failure) = failure else { bail!("DATABASE_URL names no host") };
        Err(failure.context(format!("no primary accepts a connection at {}", shown_url(url))))
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn server(&mut self) -> Result<PostgresServer, sqlx::Error> {
        let row: (i32, String, String, String) = sqlx::query_as(SERVER).fetch_one(&mut self.connection).await?;
        let (version, system_identifier, database, role) = row;
        Ok(PostgresServer { version, system_identifier, database, role })
    }

    pub async fn summary(&mut self) -> Result<DatabaseSummary, DatabaseError> {
        let connection = &mut self.connection;
        connection.execute(BEGIN_SNAPSHOT).await?;
        let row = sqlx::query(SUMMARY).fetch_one(&mut *connection).await?;
        let wallets = sqlx::query(WALLET_TOTALS).fetch_all(&mut *connection).await?;
        connection.execute("commit").await?;
        DatabaseSummary::from_rows(&row, &wallets)
    }

    /// Makes the server keep its write-ahead log from now on, until the connection is closed.
    /// `role` is the role of the connection.
    pub async fn reserve_log(&mut self, role: &str) -> Result<(), BackupFault> {
        let slot = format!("buydesk_backup_{}", uuid::Uuid::new_v4().simple());
        let query = sqlx::query(RESERVE_LOG).bind(slot).execute(&mut self.connection);
        query.await.map(drop).map_err(|error| BackupFault::of_slot(role, &error))
    }

    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// A server does not accept a connection.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe_connect_failure(.0))]
struct ConnectFailure(sqlx::Error);

/// Whether [`PostgresMaintenance::connect`] failed because the server cannot be reached, starts or stops.
pub fn is_starting(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ConnectFailure>() {
        Some(ConnectFailure(sqlx::Error::Io(_))) => true,
        Some(ConnectFailure(sqlx::Error::Database(error))) => {
            error.code().is_some_and(|code| code.starts_with(STARTING))
        }
        _ => false,
    }
}
