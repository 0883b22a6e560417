//! What the database holds, read without the services.

use std::fmt::Display;

use common::{
    api::{orders::Order, prices::PriceState},
    ids::{OrderId, QuoteId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

/// Every order and quote, and the totals.
#[derive(Debug, Clone, Default)]
pub struct StoredState {
    /// By their numbers.
    pub orders: Vec<StoredOrder>,
    pub quotes: Vec<StoredQuote>,
    pub totals: StoredTotals,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    pub seq: i64,
    /// The key that leads to it; empty where there is none.
    pub key: String,
    pub order: Order,
    pub quote: Option<QuoteId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    pub id: QuoteId,
    pub expires_at: Timestamp,
    /// Currency, amount, rate and bitcoin, each as an order shows it.
    pub terms: [String; 4],
    pub state: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredTotals {
    pub orders: i64,
    pub bitcoin: i64,
    pub reserved: i64,
}

/// What reads the same on both engines, but for how each shows a time and an id.
struct Sql {
    micros: fn(&str) -> String,
    id: fn(&str) -> String,
}

const POSTGRES: Sql = Sql {
    micros: |column| format!("cast((extract(epoch from {column}) * 1000000)::bigint as text)"),
    id: |column| format!("coalesce({column}::text, '')"),
};
const SQLITE: Sql =
    Sql { micros: |column| format!("cast({column} as text)"), id: |column| format!("coalesce(hex({column}), '')") };

impl Sql {
    fn orders(&self) -> String {
        let (id, quote) = ((self.id)("o.id"), (self.id)("o.quote_id"));
        let (created_at, price_as_of) = ((self.micros)("o.created_at"), (self.micros)("o.price_as_of"));
        format!(
            "select cast(o.seq as text), coalesce(k.key, ''), {id}, {created_at}, o.currency, cast(o.amount_e4 as text),
                cast(o.exchange_rate_e8 as text), cast(o.bitcoin_sats as text), {price_as_of}, cast(o.simulated as text),
                {quote}, o.price_state
            from orders o left join idempotency_keys k on k.order_seq = o.seq
            order by o.seq, k.key"
        )
    }

    fn quotes(&self) -> String {
        let (id, expires_at) = ((self.id)("id"), (self.micros)("expires_at"));
        format!(
            "select {id}, {expires_at}, currency, cast(amount_e4 as text), cast(exchange_rate_e8 as text),
                cast(bitcoin_sats as text), state
            from quotes"
        )
    }
}

const TOTALS: &str = "
    select cast(orders as text), cast(bitcoin_sats as text), cast(reserved_sats as text) from order_totals";

enum Reader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Reader {
    async fn open(url: &str) -> sqlx::Result<Self> {
        Ok(match url.strip_prefix("sqlite:") {
            Some(path) => {
                // Not read-only: whoever comes first after a crash has to bring the write-ahead log in order.
                let options =
                    SqliteConnectOptions::new().filename(path).busy_timeout(std::time::Duration::from_secs(5));
                Self::Sqlite(SqliteConnection::connect_with(&options).await?)
            }
            None => Self::Postgres(PgConnection::connect(url).await?),
        })
    }

    fn sql(&self) -> &'static Sql {
        match self {
            Self::Sqlite(_) => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    async fn begin(&mut self) -> sqlx::Result<()> {
        self.rows("begin".to_owned()).await?;
        if let Self::Postgres(_) = self {
            self.rows("set transaction isolation level repeatable read".to_owned()).await?;
        }
        Ok(())
    }

    /// The rows of a query whose columns are all text.
    async fn rows(&mut self, query: String) -> sqlx::Result<Vec<Vec<String>>> {
        macro_rules! rows {
            ($connection:ident) => {{
                let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all($connection).await?;
                rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
            }};
        }
        match self {
            Self::Sqlite(connection) => rows!(connection),
            Self::Postgres(connection) => rows!(connection),
        }
    }
}

impl StoredState {
    /// Reads all of it, as of one moment.
    pub async fn read(url: &str) -> sqlx::Result<Self> {
        let mut reader = Reader::open(url).await?;
        let sql = reader.sql();
        reader.begin().await?;
        let orders = reader.rows(sql.orders()).await?;
        let quotes = reader.rows(sql.quotes()).await?;
        let totals = reader.rows(TOTALS.to_owned()).await?;
        let totals: Vec<i64> = totals.concat().iter().map(|text| number(text)).collect();
        let &[orders_count, bitcoin, reserved] = &totals[..] else { panic!("order_totals has one row: {totals:?}") };
        Ok(Self {
            orders: orders.iter().map(|row| order(row)).collect(),
            quotes: quotes.iter().map(|row| quote(row)).collect(),
            totals: StoredTotals { orders: orders_count, bitcoin, reserved },
        })
    }

    /// What quotes hold at this moment.
    pub async fn reserved(url: &str) -> sqlx::Result<i64> {
        let totals = Reader::open(url).await?.rows(TOTALS.to_owned()).await?;
        Ok(number(&totals[0][2]))
    }
}

fn order(row: &[String]) -> StoredOrder {
    let order = Order {
        id: OrderId(id(&row[2]).expect("an order has an id")),
        created_at: time(&row[3]),
        currency: row[4].parse().expect("a currency"),
        amount: FiatAmount::from_ten_thousandths(number(&row[5])).expect("an amount"),
        exchange_rate: Rate::from_hundred_millionths(number(&row[6])).expect("a rate"),
        bitcoin_amount: Sats::new(number(&row[7])).expect("an amount of bitcoin"),
        price_as_of: time(&row[8]),
        simulated: matches!(row[9].as_str(), "true" | "1"),
        price_state: if row[11] == "prolonged" { PriceState::Prolonged } else { PriceState::Fresh },
    };
    StoredOrder { seq: number(&row[0]), key: row[1].clone(), order, quote: id(&row[10]).map(QuoteId) }
}

fn quote(row: &[String]) -> StoredQuote {
    let amount = FiatAmount::from_ten_thousandths(number(&row[3])).expect("an amount");
    let rate = Rate::from_hundred_millionths(number(&row[4])).expect("a rate");
    let bitcoin = Sats::new(number(&row[5])).expect("an amount of bitcoin");
    StoredQuote {
        id: QuoteId(id(&row[0]).expect("a quote has an id")),
        expires_at: time(&row[1]),
        terms: terms(&row[2], amount, rate, bitcoin),
        state: row[6].clone(),
    }
}

pub(super) fn terms(currency: &dyn Display, amount: FiatAmount, rate: Rate, bitcoin: Sats) -> [String; 4] {
    [currency.to_string(), amount.to_string(), rate.to_string(), bitcoin.to_string()]
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn time(text: &str) -> Timestamp {
    Timestamp::from_micros(number(text)).expect("a time")
}

fn id(text: &str) -> Option<Uuid> {
    (!text.is_empty()).then(|| text.parse().expect("an id"))
}
