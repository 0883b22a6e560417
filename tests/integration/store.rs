//! The stores of db-proxy. Most tests run on SQLite and on PostgreSQL.

mod annotations;
mod busy_readers;
mod concurrent_writers;
mod courses;
mod failed_transactions;
mod order_pages;
mod order_placement;
mod origins;
mod owners;
mod quotes;
mod retention;
mod upgrades;
mod users;
mod value_ranges;
mod wallets;

use std::time::Duration;

use common::{
    api::{
        orders::{
            Annotations, Order, OrderPrice, OrderedAmount, Placed, PricedOrder, RefusalReason, Refused, ValidatedOrder,
            client_name,
        },
        prices::PriceState,
    },
    config::Caller,
    ids::UserId,
    money::{Currency, FiatAmount, Sats},
    time::{Clock, MAX_CLOCK_SKEW, Timestamp},
};
use db_proxy::{
    clock_check::{ClockCheck, ClockRules},
    courses::CourseStore,
    database,
    group_commit::Attempt,
    orders::{
        ClientKey, Command, Decision, DecisionClock, DecisionContext, MarketTerms, OrderStore, OrderTerms, PlaceCommand,
    },
};
use tests::{
    Stack,
    servers::{Database, query_text},
};

/// A limit that no test exceeds: the total supply of bitcoin.
fn no_limit() -> Sats {
    sats(21_000_000 * 100_000_000)
}

/// A database and its stores.
struct Fixture {
    store: OrderStore,
    course_store: CourseStore,
    connections: database::Database,
    database: Database,
}

impl Fixture {
    /// Creates and migrates a database, and opens its stores.
    async fn new(stack: Stack) -> Self {
        let fixture = Self::open(Database::create(stack).await).await;
        fixture.connections.migrate().await.unwrap();
        fixture
    }

    /// Opens the stores of a database without migrating it.
    async fn open(database: Database) -> Self {
        let connections = database::Database::open(&database.url()).await.unwrap();
        Self {
            store: OrderStore::new(&connections),
            course_store: CourseStore::new(&connections),
            connections,
            database,
        }
    }

    /// Opens the same database again, like another process.
    async fn reconnect(&self) -> database::Database {
        database::Database::open(&self.database.url()).await.unwrap()
    }

    async fn another_store(&self) -> OrderStore {
        OrderStore::new(&self.reconnect().await)
    }

    async fn another_course_store(&self) -> CourseStore {
        CourseStore::new(&self.reconnect().await)
    }

    async fn place(&self, orders: &[TestOrder], limit: Sats) -> Vec<Decision> {
        commit(&self.store, &mut commands(orders), limit, Timestamp::now()).await
    }

    /// Places one order, which must be new.
    async fn place_new(&self, order: TestOrder) -> Order {
        match self.place(&[order], no_limit()).await.remove(0) {
            Decision::Placed(Placed { order, replayed: false }) => order,
            other => panic!("no new order: {other:?}"),
        }
    }

    /// Runs any SQL statement. Every column of its result must be text.
    async fn query_text(&self, sql: &str) -> Vec<Vec<String>> {
        query_text(&self.database.url(), sql).await
    }

    /// Asserts the invariants of the tables: sequence numbers without a gap, times and ids that increase with them, one
    /// idempotency key for each order, and correct totals. Returns the number of orders and their sum in satoshi.
    async fn check_tables(&self) -> (i64, i64) {
        let rows = self
            .query_text(
                "select cast(o.seq as text), cast(o.bitcoin_sats as text), k.key, cast(r.id as text)
                from orders o join idempotency_keys k on k.order_seq = o.seq join orders_readable r on r.seq = o.seq
                order by o.seq",
            )
            .await;
        let number = |text: &str| text.parse::<i64>().unwrap();
        assert!(rows.iter().zip(1..).all(|(row, seq)| number(&row[0]) == seq), "the sequence has a gap");
        assert!(
            rows.windows(2).all(|pair| pair[0][3] < pair[1][3]),
            "ids and sequence numbers are ordered differently"
        );
        let not_increasing = "
            select cast(count(*) as text) from orders a join orders b on b.seq = a.seq + 1
            where b.created_at <= a.created_at";
        assert_eq!(self.query_text(not_increasing).await, [["0"]], "created_at does not increase");
        let count = i64::try_from(rows.len()).unwrap();
        let sum = rows.iter().map(|row| number(&row[1])).sum();
        assert_eq!(self.query_text("select cast(count(*) as text) from orders").await, [[count.to_string()]]);
        let totals = self.store.totals().await.unwrap();
        assert_eq!((totals.orders, totals.bitcoin.get()), (count, sum));
        self.check_owners(totals.user_orders, totals.user_bitcoin.get()).await;
        (count, sum)
    }
}

impl Fixture {
    /// Asserts that the totals count the orders of users, and that each order of a user stores the number of anonymous
    /// orders before it.
    async fn check_owners(&self, orders: i64, satoshi: i64) {
        let sums = "
            select cast(count(*) as text), cast(coalesce(sum(bitcoin_sats), 0) as text)
            from orders where user_id is not null";
        assert_eq!(self.query_text(sums).await, [[orders.to_string(), satoshi.to_string()]]);
        let wrong = "
            select cast(count(*) as text)
            from (
                select user_id, anonymous_before, count(case when user_id is null then 1 end) over (order by seq) as before
                from orders
            ) counted
            where anonymous_before <> before or (user_id is null) <> (anonymous_before is null)";
        assert_eq!(self.query_text(wrong).await, [["0"]], "anonymous_before is wrong");
    }
}

/// A clock check that does not compare the clock with the clock of the database.
fn unchecked_clock() -> ClockCheck {
    ClockCheck::new(Clock::System, ClockRules { database_has_clock: false, max_order_ahead: MAX_CLOCK_SKEW })
}

async fn commit(store: &OrderStore, commands: &mut [Command], limit: Sats, now: Timestamp) -> Vec<Decision> {
    let context = DecisionContext { limit, clock: DecisionClock::Fixed(now) };
    store.commit_batch(context, commands, &mut Attempt::default()).await.unwrap()
}

/// An order at the market price, whose fields the tests vary.
#[derive(Debug, Clone)]
struct TestOrder {
    key: ClientKey,
    user: Option<UserId>,
    currency: Currency,
    amount: FiatAmount,
    price: Option<OrderPrice>,
    requested_at: Timestamp,
    annotations: Annotations,
    /// Whether the client specified the bitcoin amount instead of the amount of money.
    by_bitcoin_amount: bool,
}

fn commands(orders: &[TestOrder]) -> Vec<Command> {
    let command_of = |order: TestOrder| {
        let TestOrder { key, user, currency, amount, price, requested_at, annotations, by_bitcoin_amount } = order;
        let bitcoin = price.as_ref().filter(|_| by_bitcoin_amount).map(|price| price.bitcoin_amount);
        let ordered = bitcoin.map_or(OrderedAmount::Fiat(amount), OrderedAmount::Bitcoin);
        let order = ValidatedOrder { currency, amount: ordered };
        let priced = price.map(|price| PricedOrder { amount, price });
        let terms = OrderTerms::Market(MarketTerms { order, priced });
        Command::Place(PlaceCommand {
            key,
            user,
            terms,
            annotations,
            wallets: None,
            requested_at,
            written_by: Caller::CREATE_ORDER,
            attempted_ids: Vec::new(),
        })
    };
    orders.iter().cloned().map(command_of).collect()
}

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
}

/// An order of this many satoshi.
fn market_order(key: impl std::fmt::Display, satoshi: i64) -> TestOrder {
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
    TestOrder {
        key: ClientKey { client: "anonymous".to_owned(), key: key.to_string().parse().unwrap() },
        user: None,
        currency: "EUR".parse().unwrap(),
        amount: "69".parse().unwrap(),
        price: Some(price),
        requested_at: now,
        annotations: Annotations::default(),
        by_bitcoin_amount: false,
    }
}

/// The same order of this user. `None` makes the order anonymous.
fn as_user(user: Option<UserId>, order: TestOrder) -> TestOrder {
    TestOrder { user, key: ClientKey { client: client_name(user), ..order.key }, ..order }
}

/// The same order with another currency and amount.
fn with_amount(currency: &str, amount: &str, order: TestOrder) -> TestOrder {
    TestOrder { currency: currency.parse().unwrap(), amount: amount.parse().unwrap(), ..order }
}

/// The order of a decision, and whether it is a replay. Panics when no order was placed.
#[track_caller]
fn expect_placed(decision: &Decision) -> (&Order, bool) {
    match decision {
        Decision::Placed(Placed { order, replayed }) => (order, *replayed),
        Decision::Refused(_) | Decision::Quoted(_) | Decision::QuoteReleased(_) | Decision::QuoteCapExceeded(_) => {
            panic!("not placed: {decision:?}")
        }
    }
}

/// The reason of a refusal, and the remaining satoshi. Panics when the order was not refused.
#[track_caller]
fn expect_refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
    match decision {
        Decision::Refused(Refused { reason, remaining, .. }) => (*reason, remaining.map(Sats::get)),
        Decision::Placed(_) | Decision::Quoted(_) | Decision::QuoteReleased(_) | Decision::QuoteCapExceeded(_) => {
            panic!("not refused: {decision:?}")
        }
    }
}
