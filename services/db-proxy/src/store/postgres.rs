//! Orders in PostgreSQL.

mod steps;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use common::{
    api::orders::{Order, OrderFilter},
    ids::{OrderId, QuoteId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use futures_util::future::BoxFuture;
use sqlx::{
    Acquire, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};
use uuid::Uuid;

use super::{Attempt, Clock, StoreError, column, each, price_state, settle::commit_batch};
use crate::ledger::{Command, Decision, StoredOrder, Totals};

/// Connections for reading. More would only wait for each other on the database's side.
const READERS: u32 = 8;
/// How long an answer of the database is waited for; the bounds of its own patience are below that.
const PATIENCE: Duration = Duration::from_millis(4500);
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Bounds of the database's own patience, in milliseconds: with one statement, with a lock, and with a client of ours that
/// holds the lock and says nothing (a machine that froze).
///
/// The rest keeps statements on their indexes: a plan that was made and kept while the tables were small would read them
/// whole for ever, and no statement here is better off without its index. Where there is no index, as on the one row of the
/// totals, the planner then reckons with a cost beyond all measure, for which it would compile each execution anew: `jit`.
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

/// A pool of one connection for the writer, and one for readers, so that neither waits for the other.
#[derive(Clone)]
pub struct Postgres {
    writer: PgPool,
    readers: PgPool,
    /// For bringing the tables up to date.
    unbounded: Arc<PgConnectOptions>,
}

impl Postgres {
    /// Reads the address; connections are made when they are needed.
    pub fn open(url: &str) -> Result<Self, sqlx::Error> {
        let unbounded = url.parse::<PgConnectOptions>()?;
        let options = unbounded.clone().options(SESSION);
        // No ping before each use: a connection that died is found out by its first statement, and that is tried again.
        let pool = |size| {
            PgPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false)
        };
        Ok(Self {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(READERS).connect_lazy_with(options),
            unbounded: Arc::new(unbounded),
        })
    }

    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        // With no bound on statements: an index over many orders takes longer than an order may.
        let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with((*self.unbounded).clone());
        let result = sqlx::migrate!("../../database/postgres").run(&pool).await;
        pool.close().await;
        result
    }

    pub async fn commit_batch(
        &self,
        work: &mut [Command],
        limit: Sats,
        clock: Clock<'_>,
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        let settled = async { commit_batch(connection.begin().await?, work, limit, clock, attempt).await };
        if let Ok(result) = tokio::time::timeout(PATIENCE, settled).await {
            return result;
        }
        // The link may be dead without a word: back in the pool, it would be waited for until the system gives it up.
        drop(connection.detach());
        Err(StoreError::TimedOut)
    }

    pub async fn forget(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let before = before.to_datetime();
        let keys = sqlx::query(FORGET_KEYS).bind(before).bind(most).execute(&self.readers).await?;
        let quotes = sqlx::query(FORGET_QUOTES).bind(before).bind(most).execute(&self.readers).await?;
        Ok(keys.rows_affected() + quotes.rows_affected())
    }

    pub async fn forget_refusals(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query(FORGET_REFUSALS).bind(before.to_datetime()).bind(most).execute(&self.readers).await?;
        Ok(removed.rows_affected())
    }

    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let row = self.read(|connection| Box::pin(sqlx::query(TOTALS).fetch_one(connection))).await?;
        totals_of(&row)
    }

    pub async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let ids = each(ids, |id| id.0);
        let rows =
            self.read(|connection| Box::pin(sqlx::query(ORDERS_BY_ID).bind(ids.clone()).fetch_all(connection))).await?;
        rows.iter().map(|row| order_of(row).map(|stored| stored.order)).collect()
    }

    pub async fn scan(
        &self,
        upper: i64,
        lower: i64,
        filter: &OrderFilter,
        limit: i64,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        let rows = self.read(|connection| {
            let query = sqlx::query(SCAN)
                .bind(upper)
                .bind(lower)
                .bind(limit)
                .bind(filter.currency.map(|currency| currency.to_string()))
                .bind(filter.min_amount.map(FiatAmount::ten_thousandths))
                .bind(filter.max_amount.map(FiatAmount::ten_thousandths));
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(order_of).collect()
    }

    pub async fn last_seq_before(&self, id: OrderId) -> Result<i64, StoreError> {
        Ok(self
            .read(|connection| Box::pin(sqlx::query_scalar(LAST_SEQ_BEFORE).bind(id.0).fetch_optional(connection)))
            .await?
            .unwrap_or(0))
    }

    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// Runs a read, and again where its connection turns out to be dead: after a restart of the database every idle
    /// connection is.
    pub(super) async fn read<T>(
        &self,
        query: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let mut tries_left = READERS;
        loop {
            let mut connection = self.readers.acquire().await?;
            let Ok(result) = tokio::time::timeout(PATIENCE, query(&mut connection)).await else {
                drop(connection.detach());
                return Err(StoreError::TimedOut);
            };
            let died = match &result {
                Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => true,
                Err(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code.starts_with("57P")),
                _ => false,
            };
            if !died || tries_left == 0 {
                return Ok(result?);
            }
            tries_left -= 1;
            drop(connection.detach());
        }
    }
}

const TOTALS: &str = "select * from order_totals";

const FORGET_KEYS: &str = "
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < $1 order by created_at limit $2
    ))";

const FORGET_REFUSALS: &str = "
    delete from refusals where ctid = any(array(
        select ctid from refusals where refused_at < $1 order by refused_at limit $2
    ))";

const FORGET_QUOTES: &str = "
    delete from quotes where id = any(array(
        select id from quotes where created_at < $1 and state <> 'held' order by created_at limit $2
    ))";

const ORDERS_BY_ID: &str = "select * from orders where id = any($1)";

const SCAN: &str = "
    select * from orders
    where seq <= $1 and seq > $2
        and ($4::text is null or currency = $4)
        and ($5::bigint is null or amount_e4 >= $5)
        and ($6::bigint is null or amount_e4 <= $6)
    order by seq desc limit $3";

/// Ids sort as sequence numbers do, so the unique index of the ids finds a place in time.
const LAST_SEQ_BEFORE: &str = "select seq from orders where id < $1 order by id desc limit 1";

fn totals_of(row: &PgRow) -> Result<Totals, StoreError> {
    Ok(Totals {
        orders: row.try_get("orders")?,
        bitcoin: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        reserved: column("reserved_sats", Sats::new(row.try_get("reserved_sats")?))?,
        last_created_at: row.try_get::<DateTime<Utc>, _>("last_created_at")?.into(),
        last_refused_at: row.try_get::<DateTime<Utc>, _>("last_refused_at")?.into(),
    })
}

fn order_of(row: &PgRow) -> Result<StoredOrder, StoreError> {
    let order = Order {
        id: OrderId(row.try_get::<Uuid, _>("id")?),
        created_at: row.try_get::<DateTime<Utc>, _>("created_at")?.into(),
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: row.try_get::<DateTime<Utc>, _>("price_as_of")?.into(),
        simulated: row.try_get("simulated")?,
        price_state: price_state(row.try_get("price_state")?)?,
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order, quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId) })
}
