//! The origin of a database: whether its orders are simulated or real. A row of the table `order_origin` marks the
//! database with its origin. The mark never changes.

use std::sync::{Arc, OnceLock};

use common::api::orders::OrderOrigin;
use sqlx::Connection;

use super::{Database, DatabaseError, PostgresDatabase, SqliteDatabase, TransactionConnection, on_engine};

/// Reads the mark of the database.
pub const READ_ORIGIN: &str = "select simulated from order_origin";
/// Excludes writers of orders until the transaction ends.
const LOCK_ON_POSTGRES: &str = "select from order_totals for update";
/// Marks a database with the origin of its orders. A database without orders is marked with the declared origin, unless
/// that is null.
const CLAIM_ON_POSTGRES: &str = "
    insert into order_origin (id, simulated)
    select 1, simulated from (
        select coalesce(
            (select not exists (select from orders where not simulated) where exists (select from orders)), $1::boolean
        ) as simulated
    ) as known
    where simulated is not null
    on conflict do nothing";
const CLAIM_ON_SQLITE: &str = "
    insert into order_origin (id, simulated)
    select 1, simulated from (
        select coalesce(
            (select not exists (select 1 from orders where not simulated) where exists (select 1 from orders)), ?1
        ) as simulated
    )
    where simulated is not null
    on conflict do nothing";

/// The mark, if this process has read it. Clones share the mark.
#[derive(Clone, Default)]
pub struct KnownOrigin(Arc<OnceLock<OrderOrigin>>);

impl KnownOrigin {
    pub fn get(&self) -> Option<OrderOrigin> {
        self.0.get().copied()
    }

    /// Records a mark that is committed.
    pub fn set(&self, origin: OrderOrigin) {
        // If another task was faster, it has read the same mark.
        let _ = self.0.set(origin);
    }
}

impl Database {
    /// If the database has no mark, marks it with the origin of its orders, or with `declared` if it has no orders. If
    /// it has no orders and `declared` is `None`, the first order or quote marks it.
    ///
    /// Fails with [`DatabaseError::OtherOrigin`] if the mark differs from `declared`.
    pub async fn claim_origin(&self, declared: Option<OrderOrigin>) -> Result<(), DatabaseError> {
        let simulated = on_engine!(self, engine => engine.claim_origin(declared.map(OrderOrigin::is_simulated)))?;
        match (simulated.map(OrderOrigin::of), declared) {
            (Some(origin), Some(declared)) if origin != declared => {
                Err(DatabaseError::OtherOrigin { database: origin })
            }
            _ => Ok(()),
        }
    }
}

impl PostgresDatabase {
    /// Marks the database if it is not marked, and if it has orders or `declared` is not `None`. Returns the mark.
    async fn claim_origin(&self, declared: Option<bool>) -> Result<Option<bool>, DatabaseError> {
        self.run_on_writer(|connection| {
            Box::pin(async move {
                if let Some(simulated) = sqlx::query_scalar(READ_ORIGIN).fetch_optional(&mut *connection).await? {
                    return Ok(Some(simulated));
                }
                let mut transaction = connection.begin().await?;
                sqlx::query(LOCK_ON_POSTGRES).execute(&mut *transaction).await?;
                sqlx::query(CLAIM_ON_POSTGRES).bind(declared).execute(&mut *transaction).await?;
                let simulated = sqlx::query_scalar(READ_ORIGIN).fetch_optional(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(simulated)
            })
        })
        .await
    }
}

impl SqliteDatabase {
    /// Marks the database if it is not marked, and if it has orders or `declared` is not `None`. Returns the mark.
    async fn claim_origin(&self, declared: Option<bool>) -> Result<Option<bool>, DatabaseError> {
        let mut connection = TransactionConnection::acquire(&self.writer).await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        sqlx::query(CLAIM_ON_SQLITE).bind(declared).execute(&mut *transaction).await?;
        let simulated = sqlx::query_scalar(READ_ORIGIN).fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        connection.release();
        Ok(simulated)
    }
}
