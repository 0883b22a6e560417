//! A connection that runs one transaction.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Database, Pool, pool::PoolConnection};
use tokio::time::timeout;
use tracing::Instrument;

/// How long a released connection may take to answer the pool. It is shorter than the time limit for acquiring a
/// connection, so that a waiting task gets a new connection in time.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that returns to its pool only by [`release`](Self::release).
///
/// If a transaction fails or is aborted, the connection is dropped and thereby closed, and the database rolls back the
/// open transaction. Such a connection must not return to the pool, for two reasons:
/// - The database has possibly rolled back the transaction by itself, as SQLite does if the disk is full. sqlx would
///   count the transaction as open, and every later transaction on the connection would fail.
/// - A connection that does not answer would block the pool until the operating system closes the connection.
pub struct TransactionConnection<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> TransactionConnection<DB> {
    pub async fn acquire(pool: &Pool<DB>) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// Returns the connection to its pool. Its transaction must have ended without an error.
    ///
    /// The pool pings the connection first. The ping has a time limit, because the server may stop answering at this
    /// moment. The pool of a writer has only this connection, so the writer would wait until the server answers.
    pub fn release(mut self) {
        if let Some(mut connection) = self.0.take() {
            let returned = connection.return_to_pool();
            let returning = async move {
                if timeout(RETURN_TIMEOUT, returned).await.is_err() {
                    tracing::warn!("a connection to the database did not answer and is closed");
                }
            };
            tokio::spawn(returning.in_current_span());
        }
    }
}

impl<DB: Database> Drop for TransactionConnection<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl<DB: Database> Deref for TransactionConnection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.0.as_ref().expect("only release and drop take the connection")
    }
}

impl<DB: Database> DerefMut for TransactionConnection<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.0.as_mut().expect("only release and drop take the connection")
    }
}
