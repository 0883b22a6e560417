//! The stored orders, quotes and totals, read directly from the tables.

use std::time::Duration;

use common::{
    api::{
        orders::{Order, OrderedBy},
        prices::PriceState,
        quotes::Quote,
    },
    ids::{OrderId, QuoteId, UserId, WalletId},
    money::{Currency, FiatAmount, Rate, Sats},
    time::Timestamp,
};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// All orders, all quotes and the totals.
#[derive(Debug, Clone, Default)]
pub struct StoredState {
    /// Sorted by sequence number.
    pub orders: Vec<StoredOrder>,
    pub quotes: Vec<StoredQuote>,
    pub totals: StoredTotals,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    pub seq: i64,
    /// Empty if the order has no key.
    pub idempotency_key: String,
    pub order: Order,
    pub quote: Option<QuoteId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    pub id: QuoteId,
    /// The user who requested the quote.
    pub user: Option<UserId>,
    pub expires_at: Timestamp,
    pub terms: Terms,
    /// `held`, `taken` or `expired`.
    pub state: String,
}

/// The fields that must be equal in a quote and in the order that takes the quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub currency: Currency,
    pub amount: FiatAmount,
    pub exchange_rate: Rate,
    pub bitcoin_amount: Sats,
}

impl From<&Order> for Terms {
    fn from(order: &Order) -> Self {
        let &Order { currency, amount, exchange_rate, bitcoin_amount, .. } = order;
        Self { currency, amount, exchange_rate, bitcoin_amount }
    }
}

impl From<&Quote> for Terms {
    fn from(quote: &Quote) -> Self {
        let &Quote { currency, amount, exchange_rate, bitcoin_amount, .. } = quote;
        Self { currency, amount, exchange_rate, bitcoin_amount }
    }
}

/// The row of `order_totals`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredTotals {
    pub orders: i64,
    /// In satoshi.
    pub bitcoin: i64,
    /// In satoshi.
    pub reserved: i64,
}

impl StoredState {
    /// Reads everything in one transaction.
    pub async fn read(database_url: &str) -> sqlx::Result<Self> {
        let mut orders = Vec::new();
        let rest = Self::visit_orders(database_url, |order| orders.push(order)).await?;
        Ok(Self { orders, ..rest })
    }

    /// Passes every order to `visit`, by sequence number, without storing the orders in memory. Returns the state
    /// without orders.
    pub async fn visit_orders(database_url: &str, mut visit: impl FnMut(StoredOrder)) -> sqlx::Result<Self> {
        let mut reader = Reader::open(database_url).await?;
        let dialect = reader.dialect();
        reader.begin().await?;
        reader.visit_rows(dialect.select_orders(), |row| visit(parse_order(&row))).await?;
        let quotes = reader.rows(dialect.select_quotes()).await?;
        let totals = reader.rows(SELECT_TOTALS.to_owned()).await?;
        Ok(Self {
            orders: Vec::new(),
            quotes: quotes.iter().map(|row| parse_quote(row)).collect(),
            totals: parse_totals(&totals),
        })
    }

    /// Reads the bitcoin that quotes reserve, in satoshi.
    pub async fn read_reserved(database_url: &str) -> sqlx::Result<i64> {
        let totals = Reader::open(database_url).await?.rows(SELECT_TOTALS.to_owned()).await?;
        Ok(parse_totals(&totals).reserved)
    }
}

/// How a database converts times and ids to text. The statements for SQLite and PostgreSQL are otherwise the same.
pub(crate) struct Dialect {
    pub(crate) micros: fn(&str) -> String,
    pub(crate) id: fn(&str) -> String,
}

const POSTGRES: Dialect = Dialect {
    micros: |column| format!("cast((extract(epoch from {column}) * 1000000)::bigint as text)"),
    id: |column| format!("coalesce({column}::text, '')"),
};
const SQLITE: Dialect =
    Dialect { micros: |column| format!("cast({column} as text)"), id: |column| format!("coalesce(hex({column}), '')") };

impl Dialect {
    fn select_orders(&self) -> String {
        let (id, quote, user) = ((self.id)("o.id"), (self.id)("o.quote_id"), (self.id)("o.user_id"));
        let (paying, credited) = ((self.id)("o.wallet_id"), (self.id)("o.credit_wallet_id"));
        let (created_at, price_as_of) = ((self.micros)("o.created_at"), (self.micros)("o.price_as_of"));
        format!(
            "select cast(o.seq as text), coalesce(k.key, ''), {id}, {created_at}, o.currency, cast(o.amount_e4 as text),
                cast(o.exchange_rate_e8 as text), cast(o.bitcoin_sats as text), {price_as_of}, cast(o.simulated as text),
                {quote}, o.price_state, cast(o.by_bitcoin_amount as text), coalesce(o.client_reference, ''),
                coalesce(o.metadata, ''), {user}, {paying}, {credited}
            from orders o left join idempotency_keys k on k.order_seq = o.seq
            order by o.seq, k.key"
        )
    }

    fn select_quotes(&self) -> String {
        let (id, user, expires_at) = ((self.id)("id"), (self.id)("user_id"), (self.micros)("expires_at"));
        format!(
            "select {id}, {expires_at}, currency, cast(amount_e4 as text), cast(exchange_rate_e8 as text),
                cast(bitcoin_sats as text), state, {user}
            from quotes"
        )
    }
}

const SELECT_TOTALS: &str = "
    select cast(orders as text), cast(bitcoin_sats as text), cast(reserved_sats as text) from order_totals";

pub(crate) enum Reader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Reader {
    pub(crate) async fn open(database_url: &str) -> sqlx::Result<Self> {
        Ok(match database_url.strip_prefix("sqlite:") {
            Some(path) => {
                // Not read-only: the first connection after a crash has to recover the write-ahead log.
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
                Self::Sqlite(SqliteConnection::connect_with(&options).await?)
            }
            None => Self::Postgres(PgConnection::connect(database_url).await?),
        })
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        match self {
            Self::Sqlite(_) => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    pub(crate) async fn begin(&mut self) -> sqlx::Result<()> {
        self.rows("begin".to_owned()).await?;
        if let Self::Postgres(_) = self {
            self.rows("set transaction isolation level repeatable read".to_owned()).await?;
        }
        Ok(())
    }

    /// The rows of a query whose columns are all text.
    pub(crate) async fn rows(&mut self, query: String) -> sqlx::Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        self.visit_rows(query, |row| rows.push(row)).await?;
        Ok(rows)
    }

    async fn visit_rows(&mut self, query: String, mut visit: impl FnMut(Vec<String>)) -> sqlx::Result<()> {
        macro_rules! visit {
            ($connection:ident) => {{
                let mut rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch($connection);
                while let Some(row) = rows.try_next().await? {
                    visit((0..row.len()).map(|column| row.try_get(column)).collect::<sqlx::Result<_>>()?);
                }
            }};
        }
        match self {
            Self::Sqlite(connection) => visit!(connection),
            Self::Postgres(connection) => visit!(connection),
        }
        Ok(())
    }
}

fn parse_order(row: &[String]) -> StoredOrder {
    let [
        seq,
        key,
        id,
        created_at,
        currency,
        amount,
        exchange_rate,
        bitcoin_amount,
        price_as_of,
        simulated,
        quote,
        price_state,
        by_bitcoin_amount,
        client_reference,
        metadata,
        user,
        paying,
        credited,
    ] = row
    else {
        panic!("an order has other columns: {row:?}")
    };
    let terms = parse_terms(currency, amount, exchange_rate, bitcoin_amount);
    let order = Order {
        id: OrderId(parse_id(id).expect("an order has an id")),
        created_at: parse_time(created_at),
        currency: terms.currency,
        amount: terms.amount,
        exchange_rate: terms.exchange_rate,
        bitcoin_amount: terms.bitcoin_amount,
        price_as_of: parse_time(price_as_of),
        simulated: is_true(simulated),
        price_state: if price_state == "prolonged" { PriceState::Prolonged } else { PriceState::Fresh },
        ordered_by: if is_true(by_bitcoin_amount) { OrderedBy::BitcoinAmount } else { OrderedBy::Amount },
        quote: parse_id(quote).map(QuoteId),
        client_reference: (!client_reference.is_empty()).then(|| client_reference.parse().expect("a reference")),
        metadata: (!metadata.is_empty()).then(|| metadata.parse().expect("metadata")),
        user_id: parse_id(user).map(UserId),
        wallet_id: parse_id(paying).map(WalletId),
        credit_wallet_id: parse_id(credited).map(WalletId),
    };
    StoredOrder { seq: parse_integer(seq), idempotency_key: key.clone(), quote: order.quote, order }
}

fn parse_quote(row: &[String]) -> StoredQuote {
    let [id, expires_at, currency, amount, exchange_rate, bitcoin_amount, state, user] = row else {
        panic!("a quote has other columns: {row:?}")
    };
    StoredQuote {
        id: QuoteId(parse_id(id).expect("a quote has an id")),
        user: parse_id(user).map(UserId),
        expires_at: parse_time(expires_at),
        terms: parse_terms(currency, amount, exchange_rate, bitcoin_amount),
        state: state.clone(),
    }
}

fn parse_totals(rows: &[Vec<String>]) -> StoredTotals {
    let [row] = rows else { panic!("order_totals has {} rows instead of one", rows.len()) };
    let [orders, bitcoin, reserved] = &row[..] else { panic!("order_totals has other columns: {row:?}") };
    StoredTotals { orders: parse_integer(orders), bitcoin: parse_integer(bitcoin), reserved: parse_integer(reserved) }
}

fn parse_terms(currency: &str, amount_e4: &str, exchange_rate_e8: &str, bitcoin_sats: &str) -> Terms {
    Terms {
        currency: currency.parse().expect("a currency code"),
        amount: FiatAmount::from_ten_thousandths(parse_integer(amount_e4)).expect("an amount in range"),
        exchange_rate: Rate::from_hundred_millionths(parse_integer(exchange_rate_e8)).expect("a rate in range"),
        bitcoin_amount: Sats::new(parse_integer(bitcoin_sats)).expect("a bitcoin amount in range"),
    }
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1")
}

pub(crate) fn parse_integer(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("not an integer: {text}"))
}

pub(crate) fn parse_time(micros: &str) -> Timestamp {
    Timestamp::from_micros(parse_integer(micros)).expect("a time in range")
}

pub(crate) fn parse_id(text: &str) -> Option<Uuid> {
    (!text.is_empty()).then(|| text.parse().expect("a UUID"))
}
