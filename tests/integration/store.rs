//! What both engines of the store have to do alike: every case runs on SQLite and on PostgreSQL.

mod concurrent_writers;
mod courses;
mod order_pages;
mod order_placement;
mod quotes;
mod value_ranges;

use std::time::Duration;

use common::{
    api::{
        orders::{Order, OrderPrice, RefusalReason},
        prices::PriceState,
    },
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};
use db_proxy::{
    ledger::{self, ClientKey, Command, Decision, OrderTerms},
    store::{Attempt, Store},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tests::{Stack, servers::Database};

/// What the limit is where it does not matter.
const NO_LIMIT: Sats = Sats::ZERO;

/// A store with tables in a database of its own.
struct Fixture {
    store: Store,
    database: Database,
}

impl Fixture {
    async fn new(stack: Stack) -> Self {
        let database = match stack {
            Stack::Embedded => Database::sqlite(),
            Stack::Servers => Database::postgres().await,
        };
        let store = Store::open(&database.url()).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, database }
    }

    /// One more process that works on the same database.
    async fn another_store(&self) -> Store {
        Store::open(&self.database.url()).await.unwrap()
    }

    /// Places a group under a limit, zero standing for none.
    async fn place(&self, entries: &[Entry], limit: Sats) -> Vec<Decision> {
        settle(&self.store, &mut work(entries), limit, Timestamp::now()).await
    }

    /// Places one order that has to be new.
    async fn place_one(&self, entry: Entry) -> Order {
        match self.place(&[entry], NO_LIMIT).await.remove(0) {
            Decision::Placed { order, replayed: false } => order,
            other => panic!("not placed anew: {other:?}"),
        }
    }

    /// The tables as somebody sees them who looks into them; every column has to be text.
    async fn look(&self, sql: &str) -> Vec<Vec<String>> {
        fn texts<R: Row>(row: &R) -> Vec<String>
        where
            for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
            usize: sqlx::ColumnIndex<R>,
        {
            (0..row.len()).map(|column| row.get(column)).collect()
        }
        let (url, sql) = (self.database.url(), AssertSqlSafe(sql.to_owned()));
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(sql).fetch_all(&mut connection).await.unwrap().iter().map(texts).collect()
        } else {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::query(sql).fetch_all(&mut connection).await.unwrap().iter().map(texts).collect()
        }
    }

    /// What can be said of the tables whatever was done: numbers with no gap, times that grow, ids that sort as they do,
    /// one key for each order, and a total that is the sum. Gives the number of orders and their sum.
    async fn check_tables(&self) -> (i64, i64) {
        let rows = self
            .look(
                "select cast(o.seq as text), cast(o.bitcoin_sats as text), k.key, cast(r.id as text)
                from orders o join idempotency_keys k on k.order_seq = o.seq join orders_readable r on r.seq = o.seq
                order by o.seq",
            )
            .await;
        let number = |text: &str| text.parse::<i64>().unwrap();
        assert!(rows.iter().zip(1..).all(|(row, seq)| number(&row[0]) == seq), "the sequence has a gap");
        assert!(rows.windows(2).all(|pair| pair[0][3] < pair[1][3]), "ids do not sort as the sequence");
        let backwards = "
            select cast(count(*) as text) from orders a join orders b on b.seq = a.seq + 1
            where b.created_at <= a.created_at";
        assert_eq!(self.look(backwards).await, [["0"]], "created_at does not grow");
        let count = i64::try_from(rows.len()).unwrap();
        let sum = rows.iter().map(|row| number(&row[1])).sum();
        assert_eq!(self.look("select cast(count(*) as text) from orders").await, [[count.to_string()]]);
        let totals = self.store.totals().await.unwrap();
        assert_eq!((totals.orders, totals.bitcoin.get()), (count, sum));
        (count, sum)
    }
}

/// Settles a group under a limit, zero standing for none.
async fn settle(store: &Store, work: &mut [Command], limit: Sats, now: Timestamp) -> Vec<Decision> {
    let limit = if limit == NO_LIMIT { sats(21_000_000 * 100_000_000) } else { limit };
    store.commit_batch(work, limit, &|| now, &mut Attempt::default()).await.unwrap()
}

/// An order at the market price, as the cases vary it.
#[derive(Debug, Clone)]
struct Entry {
    key: ClientKey,
    currency: Currency,
    amount: FiatAmount,
    price: Option<OrderPrice>,
    asked_at: Timestamp,
}

fn work(entries: &[Entry]) -> Vec<Command> {
    let of = |Entry { key, currency, amount, price, asked_at }: Entry| {
        Command::Place(ledger::PlaceCommand {
            key,
            ask: OrderTerms::Market { currency, amount, price },
            asked_at,
            attempted_ids: Vec::new(),
        })
    };
    entries.iter().cloned().map(of).collect()
}

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
}

/// An order of so many satoshi.
fn entry(key: impl std::fmt::Display, satoshi: i64) -> Entry {
    let now = Timestamp::now();
    let price = OrderPrice {
        exchange_rate: "84000.12".parse().unwrap(),
        bitcoin_amount: sats(satoshi),
        as_of: now,
        expires_at: now.plus(Duration::from_mins(10)),
        sources: vec!["alpha".to_owned(), "beta".to_owned()],
        simulated: false,
        price_state: PriceState::Fresh,
    };
    Entry {
        key: ClientKey { client: "anonymous".to_owned(), key: key.to_string().parse().unwrap() },
        currency: "EUR".parse().unwrap(),
        amount: "69".parse().unwrap(),
        price: Some(price),
        asked_at: now,
    }
}

/// The same order for another sum.
fn of(currency: &str, amount: &str, entry: Entry) -> Entry {
    Entry { currency: currency.parse().unwrap(), amount: amount.parse().unwrap(), ..entry }
}

#[track_caller]
fn placed(decision: &Decision) -> (&Order, bool) {
    match decision {
        Decision::Placed { order, replayed } => (order, *replayed),
        Decision::Refused { .. } | Decision::Quoted(_) => panic!("not placed: {decision:?}"),
    }
}

#[track_caller]
fn refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
    match decision {
        Decision::Refused { reason, remaining } => (*reason, remaining.map(Sats::get)),
        Decision::Placed { .. } | Decision::Quoted(_) => panic!("not refused: {decision:?}"),
    }
}
