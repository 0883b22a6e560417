//! The stores of db-proxy. Every case runs on SQLite and on PostgreSQL.

mod concurrent_writers;
mod courses;
mod order_pages;
mod order_placement;
mod quotes;
mod value_ranges;

use std::time::Duration;

use common::{
    api::{
        orders::{MarketOrder, Order, OrderPrice, Placed, RefusalReason, Refused},
        prices::PriceState,
    },
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};
use db_proxy::{
    courses::CourseStore,
    database,
    group_commit::Attempt,
    orders::{ClientKey, Command, Decision, DecisionContext, OrderStore, OrderTerms, PlaceCommand},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tests::{Stack, servers::Database};

/// Stands for a limit that no case reaches.
const NO_LIMIT: Sats = Sats::ZERO;

/// The stores of a migrated database of their own.
struct Fixture {
    store: OrderStore,
    course_store: CourseStore,
    connections: database::Database,
    database: Database,
}

impl Fixture {
    async fn new(stack: Stack) -> Self {
        let database = match stack {
            Stack::Embedded => Database::sqlite(),
            Stack::Servers => Database::postgres().await,
        };
        let connections = database::Database::open(&database.url()).await.unwrap();
        connections.migrate().await.unwrap();
        Self {
            store: OrderStore::new(&connections),
            course_store: CourseStore::new(&connections),
            connections,
            database,
        }
    }

    /// Opens the same database once more, as another process does.
    async fn reconnect(&self) -> database::Database {
        database::Database::open(&self.database.url()).await.unwrap()
    }

    async fn another_store(&self) -> OrderStore {
        OrderStore::new(&self.reconnect().await)
    }

    async fn another_course_store(&self) -> CourseStore {
        CourseStore::new(&self.reconnect().await)
    }

    /// Places a batch of orders under a limit.
    async fn place(&self, entries: &[Entry], limit: Sats) -> Vec<Decision> {
        commit(&self.store, &mut commands(entries), limit, Timestamp::now()).await
    }

    /// Places one order, which must be new.
    async fn place_one(&self, entry: Entry) -> Order {
        match self.place(&[entry], NO_LIMIT).await.remove(0) {
            Decision::Placed(Placed { order, replayed: false }) => order,
            other => panic!("not placed anew: {other:?}"),
        }
    }

    /// Runs a statement of the test's own. Every column must be text.
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

/// Decides and commits a batch under a limit.
async fn commit(store: &OrderStore, commands: &mut [Command], limit: Sats, now: Timestamp) -> Vec<Decision> {
    let limit = if limit == NO_LIMIT { sats(21_000_000 * 100_000_000) } else { limit };
    let context = DecisionContext { limit, clock: &|| now };
    store.commit_batch(context, commands, &mut Attempt::default()).await.unwrap()
}

/// An order at the market price. The cases vary its fields.
#[derive(Debug, Clone)]
struct Entry {
    key: ClientKey,
    currency: Currency,
    amount: FiatAmount,
    price: Option<OrderPrice>,
    requested_at: Timestamp,
}

fn commands(entries: &[Entry]) -> Vec<Command> {
    let command_of = |Entry { key, currency, amount, price, requested_at }: Entry| {
        let terms = OrderTerms::Market(MarketOrder { currency, amount, price });
        Command::Place(PlaceCommand { key, terms, requested_at, attempted_ids: Vec::new() })
    };
    entries.iter().cloned().map(command_of).collect()
}

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
}

/// An order of this many satoshi.
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
        requested_at: now,
    }
}

/// The same order for another amount.
fn of(currency: &str, amount: &str, entry: Entry) -> Entry {
    Entry { currency: currency.parse().unwrap(), amount: amount.parse().unwrap(), ..entry }
}

#[track_caller]
fn placed(decision: &Decision) -> (&Order, bool) {
    match decision {
        Decision::Placed(Placed { order, replayed }) => (order, *replayed),
        Decision::Refused(_) | Decision::Quoted(_) => panic!("not placed: {decision:?}"),
    }
}

#[track_caller]
fn refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
    match decision {
        Decision::Refused(Refused { reason, remaining }) => (*reason, remaining.map(Sats::get)),
        Decision::Placed(_) | Decision::Quoted(_) => panic!("not refused: {decision:?}"),
    }
}
