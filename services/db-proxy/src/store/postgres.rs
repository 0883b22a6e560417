//! Orders in PostgreSQL.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use common::{
    api::{
        orders::{Order, OrderFilter},
        quotes::Quote,
    },
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

use super::{Attempt, Clock, StoreError, asked, column, each, quote_state};
use crate::ledger::{Decision, Key, Known, StoredOrder, StoredQuote, Totals, Verdict, Work, decide};

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

    pub async fn settle(
        &self,
        work: &mut [Work],
        limit: Sats,
        clock: Clock<'_>,
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        let settled = settle(&mut connection, work, limit, clock, attempt);
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

const TOTALS: &str = "select orders, bitcoin_sats, reserved_sats, last_created_at from order_totals";

const LOCK_TOTALS: &str = "select orders, bitcoin_sats, reserved_sats, last_created_at from order_totals for update";

const RELEASE_DUE_QUOTES: &str = "
    with due as (update quotes set state = 'expired' where state = 'held' and expires_at <= $1 returning bitcoin_sats)
    select coalesce(sum(bitcoin_sats), 0)::bigint from due";

const ORDERS_OF_KEYS: &str = "
    select k.client, k.key, o.*
    from unnest($1::text[], $2::text[]) as wanted (client, key)
    join idempotency_keys k on k.client = wanted.client and k.key = wanted.key
    join orders o on o.seq = k.order_seq";

const QUOTES_BY_ID: &str = "select * from quotes where id = any($1)";

const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, state
    )
    select *, 'held' from unnest(
        $1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::timestamptz[], $9::text[], $10::boolean[]
    )";

const TAKE_QUOTES: &str = "update quotes set state = 'taken' where id = any($1)";

/// Orders, keys and totals in one statement, which is one round trip.
const INSERT_ORDERS: &str = "
    with
        placed as (
            insert into orders (
                seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                simulated, quote_id
            )
            select * from unnest(
                $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::timestamptz[], $9::text[], $10::boolean[], $11::uuid[]
            )
        ),
        remembered as (
            insert into idempotency_keys (client, key, order_seq, created_at)
            select * from unnest($12::text[], $13::text[], $1::bigint[], $3::timestamptz[])
        )
    update order_totals set orders = $14, bitcoin_sats = $15, reserved_sats = $16, last_created_at = $17";

const FORGET_KEYS: &str = "
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < $1 order by created_at limit $2
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

async fn settle(
    connection: &mut PgConnection,
    work: &mut [Work],
    limit: Sats,
    clock: Clock<'_>,
    attempt: &mut Attempt,
) -> Result<Vec<Decision>, StoreError> {
    let mut transaction = connection.begin().await?;
    let before = totals_of(&sqlx::query(LOCK_TOTALS).fetch_one(&mut *transaction).await?)?;
    let now = clock();
    // In statements of their own: the one that waited for the lock has a snapshot from before it got it.
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

/// Gives back what quotes held that ran out.
async fn release_due_quotes(
    connection: &mut PgConnection,
    totals: Totals,
    now: Timestamp,
) -> Result<Totals, StoreError> {
    if totals.reserved == Sats::ZERO {
        return Ok(totals);
    }
    let due = sqlx::query_scalar(RELEASE_DUE_QUOTES).bind(now.to_datetime()).fetch_one(connection).await?;
    Ok(Totals { reserved: totals.reserved.saturating_sub(column("bitcoin_sats", Sats::new(due))?), ..totals })
}

/// What the tables say of the keys and quotes of a group.
async fn known(connection: &mut PgConnection, work: &[Work]) -> Result<Known, StoreError> {
    let (keys, quotes) = asked(work);
    let mut known = Known::default();
    if !keys.is_empty() {
        let clients = each(&keys, |key| key.client.as_str());
        let keys = each(&keys, |key| key.key.as_str());
        for row in sqlx::query(ORDERS_OF_KEYS).bind(clients).bind(keys).fetch_all(&mut *connection).await? {
            let key = column("key", row.try_get::<&str, _>("key")?.parse())?;
            known.orders.insert(Key { client: row.try_get("client")?, key }, order_of(&row)?);
        }
    }
    if !quotes.is_empty() {
        for row in sqlx::query(QUOTES_BY_ID).bind(quotes).fetch_all(connection).await? {
            let stored = quote_of(&row)?;
            known.quotes.insert(stored.quote.id, stored);
        }
    }
    Ok(known)
}

async fn write(connection: &mut PgConnection, verdict: &Verdict) -> Result<(), StoreError> {
    let Verdict { rows, held, taken, totals, .. } = verdict;
    if !held.is_empty() {
        sqlx::query(INSERT_QUOTES)
            .bind(each(held, |row| row.quote.id.0))
            .bind(each(held, |row| row.quote.created_at.to_datetime()))
            .bind(each(held, |row| row.quote.expires_at.to_datetime()))
            .bind(each(held, |row| row.quote.currency.to_string()))
            .bind(each(held, |row| row.quote.amount.ten_thousandths()))
            .bind(each(held, |row| row.quote.exchange_rate.hundred_millionths()))
            .bind(each(held, |row| row.quote.bitcoin_amount.get()))
            .bind(each(held, |row| row.quote.price_as_of.to_datetime()))
            .bind(each(held, |row| row.sources.as_str()))
            .bind(each(held, |row| row.quote.simulated))
            .execute(&mut *connection)
            .await?;
    }
    if !taken.is_empty() {
        sqlx::query(TAKE_QUOTES).bind(each(taken, |id| id.0)).execute(&mut *connection).await?;
    }
    sqlx::query(INSERT_ORDERS)
        .bind(each(rows, |row| row.stored.seq))
        .bind(each(rows, |row| row.stored.order.id.0))
        .bind(each(rows, |row| row.stored.order.created_at.to_datetime()))
        .bind(each(rows, |row| row.stored.order.currency.to_string()))
        .bind(each(rows, |row| row.stored.order.amount.ten_thousandths()))
        .bind(each(rows, |row| row.stored.order.exchange_rate.hundred_millionths()))
        .bind(each(rows, |row| row.stored.order.bitcoin_amount.get()))
        .bind(each(rows, |row| row.stored.order.price_as_of.to_datetime()))
        .bind(each(rows, |row| row.sources.as_str()))
        .bind(each(rows, |row| row.stored.order.simulated))
        .bind(each(rows, |row| row.stored.quote.map(|id| id.0)))
        .bind(each(rows, |row| row.key.client.as_str()))
        .bind(each(rows, |row| row.key.key.as_str()))
        .bind(totals.orders)
        .bind(totals.bitcoin.get())
        .bind(totals.reserved.get())
        .bind(totals.last_created_at.to_datetime())
        .execute(connection)
        .await?;
    Ok(())
}

fn totals_of(row: &PgRow) -> Result<Totals, StoreError> {
    Ok(Totals {
        orders: row.try_get("orders")?,
        bitcoin: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        reserved: column("reserved_sats", Sats::new(row.try_get("reserved_sats")?))?,
        last_created_at: row.try_get::<DateTime<Utc>, _>("last_created_at")?.into(),
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
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order, quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId) })
}

fn quote_of(row: &PgRow) -> Result<StoredQuote, StoreError> {
    let quote = Quote {
        id: QuoteId(row.try_get::<Uuid, _>("id")?),
        created_at: row.try_get::<DateTime<Utc>, _>("created_at")?.into(),
        expires_at: row.try_get::<DateTime<Utc>, _>("expires_at")?.into(),
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: row.try_get::<DateTime<Utc>, _>("price_as_of")?.into(),
        simulated: row.try_get("simulated")?,
    };
    Ok(StoredQuote { quote, sources: row.try_get("price_sources")?, state: quote_state(row.try_get("state")?)? })
}
