//! Orders in a file of SQLite.

mod steps;

use std::{path::Path, time::Duration};

use anyhow::Context;
use common::{
    api::orders::{Order, OrderFilter},
    ids::{OrderId, QuoteId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use serde_json::json;
use sqlx::{
    Connection, Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use uuid::Uuid;

use super::{Attempt, Clock, StoreError, column, each, price_state, settle::commit_batch};
use crate::ledger::{Command, Decision, StoredOrder, Totals};

/// Connections for reading; with a write-ahead log they never wait for the writer.
const READERS: u32 = 4;
/// How long another process may hold the file, such as somebody who looks into it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// One connection that writes, and some that read.
#[derive(Clone)]
pub struct Sqlite {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

impl Sqlite {
    /// Opens the file at `path`, and makes it and its folder where they are not there.
    pub async fn open(path: &str) -> anyhow::Result<Self> {
        let path = path.strip_prefix("//").unwrap_or(path);
        anyhow::ensure!(
            !path.is_empty() && !path.contains(":memory:"),
            "DATABASE_URL=sqlite: needs the path of a file"
        );
        let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        }
        // A commit is on the disk before it is answered: full synchronous, with a write-ahead log.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let context = || format!("the database file {path} cannot be opened");
        let writer = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let writer = writer.connect_with(options.clone()).await.with_context(context)?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
        let readers = readers.connect_with(options.pragma("query_only", "on")).await.with_context(context)?;
        Ok(Self { writer, readers })
    }

    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        sqlx::migrate!("../../database/sqlite").run(&self.writer).await
    }

    pub async fn commit_batch(
        &self,
        work: &mut [Command],
        limit: Sats,
        clock: Clock<'_>,
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        // Takes the lock for writing at once, so that what is read here is still true at the commit.
        commit_batch(connection.begin_with("begin immediate").await?, work, limit, clock, attempt).await
    }

    pub async fn forget(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let keys = sqlx::query(FORGET_KEYS).bind(before.micros()).bind(most).execute(&self.writer).await?;
        let quotes = sqlx::query(FORGET_QUOTES).bind(before.micros()).bind(most).execute(&self.writer).await?;
        Ok(keys.rows_affected() + quotes.rows_affected())
    }

    pub async fn forget_refusals(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query(FORGET_REFUSALS).bind(before.micros()).bind(most).execute(&self.writer).await?;
        Ok(removed.rows_affected())
    }

    pub async fn totals(&self) -> Result<Totals, StoreError> {
        totals_of(&sqlx::query(TOTALS).fetch_one(&self.readers).await?)
    }

    pub async fn orders(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let ids = json!(each(ids, |id| hex(&id.0))).to_string();
        let rows = sqlx::query(ORDERS_BY_ID).bind(ids).fetch_all(&self.readers).await?;
        rows.iter().map(|row| order_of(row).map(|stored| stored.order)).collect()
    }

    pub async fn scan(
        &self,
        upper: i64,
        lower: i64,
        filter: &OrderFilter,
        limit: i64,
    ) -> Result<Vec<StoredOrder>, StoreError> {
        let rows = sqlx::query(SCAN)
            .bind(upper)
            .bind(lower)
            .bind(limit)
            .bind(filter.currency.map(|currency| currency.to_string()))
            .bind(filter.min_amount.map(FiatAmount::ten_thousandths))
            .bind(filter.max_amount.map(FiatAmount::ten_thousandths))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(order_of).collect()
    }

    pub async fn last_seq_before(&self, id: OrderId) -> Result<i64, StoreError> {
        let seq = sqlx::query_scalar(LAST_SEQ_BEFORE).bind(id.0).fetch_optional(&self.readers).await?;
        Ok(seq.unwrap_or(0))
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

const TOTALS: &str = "select * from order_totals";

const FORGET_KEYS: &str = "
    delete from idempotency_keys where (client, key) in (
        select client, key from idempotency_keys where created_at < ?1 order by created_at limit ?2
    )";

const FORGET_REFUSALS: &str = "
    delete from refusals where (client, key, currency, amount_e4) in (
        select client, key, currency, amount_e4 from refusals where refused_at < ?1 order by refused_at limit ?2
    )";

const FORGET_QUOTES: &str = "
    delete from quotes where id in (
        select id from quotes where created_at < ?1 and state <> 'held' order by created_at limit ?2
    )";

const ORDERS_BY_ID: &str = "select * from orders where id in (select unhex(value) from json_each(?1))";

const SCAN: &str = "
    select * from orders
    where seq <= ?1 and seq > ?2
        and (?4 is null or currency = ?4)
        and (?5 is null or amount_e4 >= ?5)
        and (?6 is null or amount_e4 <= ?6)
    order by seq desc limit ?3";

/// Ids sort as sequence numbers do, so the unique index of the ids finds a place in time.
const LAST_SEQ_BEFORE: &str = "select seq from orders where id < ?1 order by id desc limit 1";

fn hex(id: &Uuid) -> String {
    id.simple().to_string()
}

fn totals_of(row: &SqliteRow) -> Result<Totals, StoreError> {
    Ok(Totals {
        orders: row.try_get("orders")?,
        bitcoin: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        reserved: column("reserved_sats", Sats::new(row.try_get("reserved_sats")?))?,
        last_created_at: column("last_created_at", Timestamp::from_micros(row.try_get("last_created_at")?))?,
        last_refused_at: column("last_refused_at", Timestamp::from_micros(row.try_get("last_refused_at")?))?,
    })
}

fn order_of(row: &SqliteRow) -> Result<StoredOrder, StoreError> {
    let order = Order {
        id: OrderId(row.try_get::<Uuid, _>("id")?),
        created_at: column("created_at", Timestamp::from_micros(row.try_get("created_at")?))?,
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: column("price_as_of", Timestamp::from_micros(row.try_get("price_as_of")?))?,
        simulated: row.try_get("simulated")?,
        price_state: price_state(row.try_get("price_state")?)?,
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order, quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId) })
}
