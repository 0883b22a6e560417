//! A connection that runs one transaction.

use std::ops::{Deref, DerefMut};

use sqlx::{Database, Pool, pool::PoolConnection};

/// A connection that returns to its pool only by [`release`](Self::release).
///
/// If it is dropped instead, because the transaction failed or was aborted, it is closed, and the database rolls back what
/// is still open. Such a connection cannot be used again: a transaction that the database rolled back by itself, as SQLite
/// does when the disk is full, stays open in sqlx's count, and every later transaction on the connection would fail. A
/// connection that does not answer would also block the pool until the operating system closes it.
pub struct TransactionConnection<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> TransactionConnection<DB> {
    pub async fn acquire(pool: &Pool<DB>) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// Returns the connection to its pool. Its transaction must have ended without an error.
    pub fn release(mut self) {
        drop(self.0.take());
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
