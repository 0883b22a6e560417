//! Orders in a file of SQLite.

use std::{path::Path, time::Duration};

use anyhow::Context;
use common::{
    api::{
        orders::{Order, OrderFilter},
        quotes::Quote,
    },
    ids::{OrderId, QuoteId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use serde_json::json;
use sqlx::{
    Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use uuid::Uuid;

use super::{Attempt, Clock, StoreError, asked, column, each, quote_state};
use crate::ledger::{Decision, Key, Known, NewRow, StoredOrder, StoredQuote, Totals, Verdict, Work, decide};

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

    pub async fn settle(
        &self,
        work: &mut [Work],
        limit: Sats,
        clock: Clock<'_>,
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        // Takes the lock for writing at once, so that what is read here is still true at the commit.
        let mut transaction = connection.begin_with("begin immediate").await?;
        let before = totals_of(&sqlx::query(TOTALS).fetch_one(&mut *transaction).await?)?;
        let now = clock();
        let totals = release_due_quotes(&mut transaction, before, now).await?;
        let known = known(&mut transaction, work).await?;
        let verdict = decide(totals, limit, now, known, work);
        if !verdict.changes() && verdict.totals == before {
            transaction.rollback().await?;
            return Ok(verdict.decisions);
        }
        write(&mut transaction, &verdict).await?;
        attempt.commit_sent = true;
        transaction.commit().await?;
        Ok(verdict.decisions)
    }

    pub async fn forget(&self, before: Timestamp, most: i64) -> Result<u64, StoreError> {
        let keys = sqlx::query(FORGET_KEYS).bind(before.micros()).bind(most).execute(&self.writer).await?;
        let quotes = sqlx::query(FORGET_QUOTES).bind(before.micros()).bind(most).execute(&self.writer).await?;
        Ok(keys.rows_affected() + quotes.rows_affected())
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

const TOTALS: &str = "select orders, bitcoin_sats, reserved_sats, last_created_at from order_totals";

const RELEASE_DUE_QUOTES: &str =
    "update quotes set state = 'expired' where state = 'held' and expires_at <= ?1 returning bitcoin_sats";

const ORDERS_OF_KEYS: &str = "
    select k.client, k.key, o.*
    from json_each(?1) as wanted
    join idempotency_keys k on k.client = wanted.value ->> 0 and k.key = wanted.value ->> 1
    join orders o on o.seq = k.order_seq";

const QUOTES_BY_ID: &str = "select * from quotes where id in (select unhex(value) from json_each(?1))";

const TAKE_QUOTES: &str = "update quotes set state = 'taken' where id in (select unhex(value) from json_each(?1))";

/// One statement for all rows: SQLite reads them out of one JSON array.
const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, state
    )
    select
        unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, 'held'
    from json_each(?1)";

const INSERT_ORDERS: &str = "
    insert into orders (
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources, simulated,
        quote_id
    )
    select
        value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, unhex(value ->> 12)
    from json_each(?1)";

const INSERT_KEYS: &str = "
    insert into idempotency_keys (client, key, order_seq, created_at)
    select value ->> 10, value ->> 11, value ->> 0, value ->> 2 from json_each(?1)";

const UPDATE_TOTALS: &str =
    "update order_totals set orders = ?1, bitcoin_sats = ?2, reserved_sats = ?3, last_created_at = ?4";

const FORGET_KEYS: &str = "
    delete from idempotency_keys where (client, key) in (
        select client, key from idempotency_keys where created_at < ?1 order by created_at limit ?2
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

/// Gives back what quotes held that ran out.
async fn release_due_quotes(
    connection: &mut SqliteConnection,
    totals: Totals,
    now: Timestamp,
) -> Result<Totals, StoreError> {
    if totals.reserved == Sats::ZERO {
        return Ok(totals);
    }
    let due: Vec<i64> = sqlx::query_scalar(RELEASE_DUE_QUOTES).bind(now.micros()).fetch_all(connection).await?;
    let due = column("bitcoin_sats", Sats::new(due.into_iter().sum()))?;
    Ok(Totals { reserved: totals.reserved.saturating_sub(due), ..totals })
}

/// What the tables say of the keys and quotes of a group.
async fn known(connection: &mut SqliteConnection, work: &[Work]) -> Result<Known, StoreError> {
    let (keys, quotes) = asked(work);
    let mut known = Known::default();
    if !keys.is_empty() {
        let wanted = each(&keys, |key| (&key.client, &key.key));
        for row in sqlx::query(ORDERS_OF_KEYS).bind(json!(wanted).to_string()).fetch_all(&mut *connection).await? {
            let key = column("key", row.try_get::<&str, _>("key")?.parse())?;
            known.orders.insert(Key { client: row.try_get("client")?, key }, order_of(&row)?);
        }
    }
    if !quotes.is_empty() {
        let wanted = json!(each(&quotes, hex)).to_string();
        for row in sqlx::query(QUOTES_BY_ID).bind(wanted).fetch_all(connection).await? {
            let stored = quote_of(&row)?;
            known.quotes.insert(stored.quote.id, stored);
        }
    }
    Ok(known)
}

fn hex(id: &Uuid) -> String {
    id.simple().to_string()
}

async fn write(connection: &mut SqliteConnection, verdict: &Verdict) -> Result<(), StoreError> {
    let Verdict { rows, held, taken, totals, .. } = verdict;
    if !held.is_empty() {
        let held = json!(each(held, quote_as_array)).to_string();
        sqlx::query(INSERT_QUOTES).bind(held).execute(&mut *connection).await?;
    }
    if !taken.is_empty() {
        let taken = json!(each(taken, |id| hex(&id.0))).to_string();
        sqlx::query(TAKE_QUOTES).bind(taken).execute(&mut *connection).await?;
    }
    if !rows.is_empty() {
        let rows = json!(each(rows, order_as_array)).to_string();
        sqlx::query(INSERT_ORDERS).bind(&rows).execute(&mut *connection).await?;
        sqlx::query(INSERT_KEYS).bind(&rows).execute(&mut *connection).await?;
    }
    sqlx::query(UPDATE_TOTALS)
        .bind(totals.orders)
        .bind(totals.bitcoin.get())
        .bind(totals.reserved.get())
        .bind(totals.last_created_at.micros())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// The columns in the order in which [`INSERT_ORDERS`] and [`INSERT_KEYS`] pick them.
fn order_as_array(row: &NewRow) -> serde_json::Value {
    let StoredOrder { seq, order, quote } = &row.stored;
    json!([
        seq,
        hex(&order.id.0),
        order.created_at.micros(),
        order.currency,
        order.amount.ten_thousandths(),
        order.exchange_rate.hundred_millionths(),
        order.bitcoin_amount.get(),
        order.price_as_of.micros(),
        row.sources,
        i32::from(order.simulated),
        row.key.client,
        row.key.key,
        quote.map(|id| hex(&id.0)),
    ])
}

/// The columns in the order in which [`INSERT_QUOTES`] picks them.
fn quote_as_array(StoredQuote { quote, sources, .. }: &StoredQuote) -> serde_json::Value {
    json!([
        hex(&quote.id.0),
        quote.created_at.micros(),
        quote.expires_at.micros(),
        quote.currency,
        quote.amount.ten_thousandths(),
        quote.exchange_rate.hundred_millionths(),
        quote.bitcoin_amount.get(),
        quote.price_as_of.micros(),
        sources,
        i32::from(quote.simulated),
    ])
}

fn totals_of(row: &SqliteRow) -> Result<Totals, StoreError> {
    Ok(Totals {
        orders: row.try_get("orders")?,
        bitcoin: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        reserved: column("reserved_sats", Sats::new(row.try_get("reserved_sats")?))?,
        last_created_at: column("last_created_at", Timestamp::from_micros(row.try_get("last_created_at")?))?,
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
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order, quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId) })
}

fn quote_of(row: &SqliteRow) -> Result<StoredQuote, StoreError> {
    let quote = Quote {
        id: QuoteId(row.try_get::<Uuid, _>("id")?),
        created_at: column("created_at", Timestamp::from_micros(row.try_get("created_at")?))?,
        expires_at: column("expires_at", Timestamp::from_micros(row.try_get("expires_at")?))?,
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: column("price_as_of", Timestamp::from_micros(row.try_get("price_as_of")?))?,
        simulated: row.try_get("simulated")?,
    };
    Ok(StoredQuote { quote, sources: row.try_get("price_sources")?, state: quote_state(row.try_get("state")?)? })
}
