//! Orders and quotes of users: the pages of each owner contain exactly its own orders, even between orders of other
//! owners.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{
    api::orders::{Annotations, Cursor, Order, OrderFilter, OwnerFilter},
    ids::UserId,
    time::Timestamp,
};
use db_proxy::orders::{Command, QuoteCommand};
use tests::{Stack, on_both_stacks};

use super::{
    Fixture, TestOrder, as_user, commands, commit, expect_placed, market_order, no_limit,
    quotes::{expect_quote, quote_command},
    sats,
    upgrades::last_release::{LastRelease, LastReleaseOrder},
    with_amount,
};

on_both_stacks!(
    user_is_stored_with_orders_and_quotes,
    pages_of_each_owner_contain_exactly_its_orders,
    anonymous_orders_of_last_release_are_listed_between_orders_of_users,
    page_cost_does_not_depend_on_orders_of_other_owners,
    totals_of_each_owner_count_its_orders_and_quotes,
);

const ADA: Option<UserId> = Some(UserId(uuid::Uuid::from_u128(0xada)));
const BOB: Option<UserId> = Some(UserId(uuid::Uuid::from_u128(0xb0b)));
const NOBODY: Option<UserId> = Some(UserId(uuid::Uuid::from_u128(0xff)));
const OWNERS: [Option<UserId>; 3] = [None, ADA, BOB];

async fn user_is_stored_with_orders_and_quotes(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let batch = [as_user(ADA, market_order("1", 10)), as_user(BOB, market_order("1", 20)), market_order("1", 30)];
    let decisions = fixture.place(&batch, no_limit()).await;
    let placed: Vec<_> = decisions.iter().map(|decision| expect_placed(decision).0.clone()).collect();
    assert_eq!(placed.iter().map(|order| order.user_id).collect::<Vec<_>>(), [ADA, BOB, None]);

    let second_store = fixture.another_store().await;
    for order in &placed {
        assert_eq!(second_store.orders_by_id(&[order.id]).await.unwrap(), std::slice::from_ref(order));
    }
    // A replay returns the user of the order.
    let replayed = commit(&second_store, &mut commands(&batch), no_limit(), Timestamp::now()).await;
    assert!(replayed.iter().zip(&placed).all(|(decision, order)| expect_placed(decision) == (order, true)));
    let shown = "select coalesce(cast(user_id as text), '') from orders_readable order by seq";
    let [ada, bob] = [ADA, BOB].map(|user| user.unwrap().to_string());
    assert_eq!(fixture.query_text(shown).await, [[ada], [bob], [String::new()]]);

    let Command::Quote(quote) = quote_command(40, Duration::from_secs(60)) else { panic!("not a quote") };
    let quote = Command::Quote(QuoteCommand { user: ADA, ..quote });
    let quote = expect_quote(&commit(&fixture.store, &mut [quote], no_limit(), Timestamp::now()).await[0]);
    assert_eq!(quote.user_id, ADA);
    assert_eq!(second_store.quote_by_id(quote.id).await.unwrap().unwrap().quote, quote);
    fixture.check_tables().await;
}

/// Places orders in runs. Each run has one owner, and some runs are longer than a page. Returns the orders newest
/// first.
async fn place_runs(fixture: &Fixture, seed: u64) -> Vec<Order> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut orders = Vec::new();
    for run in 0..40 {
        let owner = OWNERS[rng.usize(0..OWNERS.len())];
        let length = if rng.bool() { 1 } else { rng.usize(1..12) };
        let batch: Vec<_> = (0..length)
            .map(|number| {
                let currency = ["EUR", "USD"][rng.usize(0..2)];
                let order =
                    with_amount(currency, &format!("{}", rng.u8(1..5)), market_order(format!("{run}-{number}"), 1));
                let client_reference = rng.bool().then(|| "invoice".parse().unwrap());
                as_user(owner, TestOrder { annotations: Annotations { client_reference, metadata: None }, ..order })
            })
            .collect();
        let decisions = fixture.place(&batch, no_limit()).await;
        orders.extend(decisions.iter().map(|decision| expect_placed(decision).0.clone()));
    }
    orders.reverse();
    orders
}

async fn pages_of_each_owner_contain_exactly_its_orders(stack: Stack) {
    for seed in 0..2 {
        let fixture = Fixture::new(stack).await;
        let orders = place_runs(&fixture, seed).await;
        fixture.check_tables().await;
        let middle = Some(orders[orders.len() / 3].created_at);
        let none = OrderFilter::default();
        let filters = [
            none,
            OrderFilter { from: middle, ..none },
            OrderFilter { to: middle, ..none },
            OrderFilter { currency: Some("USD".parse().unwrap()), ..none },
            OrderFilter { currency: Some("USD".parse().unwrap()), from: middle, ..none },
            OrderFilter {
                currency: Some("EUR".parse().unwrap()),
                min_amount: Some("3".parse().unwrap()),
                to: middle,
                ..none
            },
        ];
        let owners = [OwnerFilter::Everybody, OwnerFilter::of(NOBODY)];
        for owner in owners.into_iter().chain(OWNERS.map(OwnerFilter::of)) {
            let own: Vec<_> = orders.iter().filter(|order| owner.selects(order.user_id)).cloned().collect();
            check_offset_pages(&fixture, owner, &own).await;
            for (filter, with_reference) in filters.iter().flat_map(|filter| [(filter, false), (filter, true)]) {
                let expected: Vec<_> = own
                    .iter()
                    .filter(|order| filter.selects(order.currency, order.amount))
                    .filter(|order| filter.from.is_none_or(|from| order.created_at >= from))
                    .filter(|order| filter.to.is_none_or(|to| order.created_at < to))
                    .filter(|order| !with_reference || order.client_reference.is_some())
                    .cloned()
                    .collect();
                for limit in [1, 2, 5, 1000] {
                    let found = all_pages(&fixture, owner, filter, with_reference, limit).await;
                    assert_eq!(
                        found, expected,
                        "{owner}, {filter:?}, reference {with_reference}, {limit}, seed {seed}"
                    );
                }
            }
        }
    }
}

/// Checks pages with every start and some sizes. `more` is true exactly when orders follow the page.
async fn check_offset_pages(fixture: &Fixture, owner: OwnerFilter, own: &[Order]) {
    for start in 0..own.len() + 2 {
        for size in [1_u32, 3, 1000] {
            let page = fixture.store.page_by_offset(owner, u64::try_from(start).unwrap(), size).await.unwrap();
            let end = (start + size as usize).min(own.len());
            assert_eq!(page.data, own[start.min(end)..end], "{owner}, start {start}, size {size}");
            assert_eq!(page.more, end < own.len() && start < end, "{owner}, start {start}, size {size}");
        }
    }
}

/// Reads all pages. Without a filter on values or references, checks that every page except the last is full, and that
/// the last page is empty only if no order matches.
pub(super) async fn all_pages(
    fixture: &Fixture,
    owner: OwnerFilter,
    filter: &OrderFilter,
    with_reference: bool,
    limit: u32,
) -> Vec<Order> {
    let (mut orders, mut cursor): (Vec<Order>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = if with_reference {
            let reference = "invoice".parse().unwrap();
            fixture.store.page_by_reference(owner, &reference, filter, cursor, limit).await.unwrap()
        } else {
            fixture.store.page_by_cursor(owner, filter, cursor, limit).await.unwrap()
        };
        assert!(page.data.len() <= limit as usize);
        if !with_reference && !filter.selects_by_value() {
            assert!(page.next_cursor.is_none() || page.data.len() == limit as usize, "{owner}: {page:?}");
            assert!(!page.data.is_empty() || cursor.is_none(), "{owner}: an empty page follows");
        }
        orders.extend(page.data);
        match page.next_cursor {
            Some(next) => assert!(cursor.replace(next).is_none_or(|last| next < last), "the cursor does not advance"),
            None => return orders,
        }
    }
}

async fn anonymous_orders_of_last_release_are_listed_between_orders_of_users(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut last_release = LastRelease::connect(&fixture.database.url()).await;
    let mut expected = BTreeMap::from([(None, 0), (ADA, 0), (BOB, 0)]);
    let mut seq = 0;
    for (round, keys) in [["a", "b"], ["c", "d"], ["e", "f"]].into_iter().enumerate() {
        for user in [ADA, BOB, ADA] {
            seq += 1;
            fixture.place_new(as_user(user, market_order(format!("{round}-{seq}"), 1))).await;
            *expected.entry(user).or_default() += 1;
        }
        for key in keys {
            seq += 1;
            last_release.place_order(LastReleaseOrder { seq, key }).await;
            *expected.entry(None).or_default() += 1;
        }
    }
    for (user, count) in expected {
        let owner = OwnerFilter::of(user);
        let all = all_pages(&fixture, owner, &OrderFilter::default(), false, 2).await;
        assert!(all.len() == count && all.iter().all(|order| order.user_id == user), "{owner}: {all:?}");
        check_offset_pages(&fixture, owner, &all).await;
    }
    fixture.check_tables().await;
}

/// Few anonymous orders and few orders of one user among very many orders of another user.
async fn page_cost_does_not_depend_on_orders_of_other_owners(stack: Stack) {
    const RUN: i64 = 150_000;
    let fixture = Fixture::new(stack).await;
    let mut seq = 0;
    for round in 0..4 {
        fixture.place_new(market_order(format!("{round}"), 1)).await;
        fixture.place_new(as_user(ADA, market_order(format!("{round}"), 1))).await;
        seq += 2;
        insert_orders_of_bob(&fixture, stack, seq, RUN, round + 1).await;
        seq += RUN;
    }
    if stack == Stack::Servers {
        fixture.query_text("analyze orders").await;
    }
    let usd = OrderFilter { currency: Some("USD".parse().unwrap()), ..OrderFilter::default() };
    for owner in [OwnerFilter::Anonymous, OwnerFilter::of(ADA)] {
        let start = Instant::now();
        let page = fixture.store.page_by_cursor(owner, &OrderFilter::default(), None, 3).await.unwrap();
        assert_eq!(page.data.len(), 3, "{owner}");
        let next = fixture.store.page_by_cursor(owner, &OrderFilter::default(), page.next_cursor, 3).await.unwrap();
        assert_eq!((next.data.len(), next.next_cursor), (1, None), "{owner}");
        assert_eq!(
            fixture.store.page_by_offset(owner, 2, 3).await.unwrap().data,
            [&page.data[2..], &next.data].concat()
        );
        if owner == OwnerFilter::of(ADA) {
            let none = fixture.store.page_by_cursor(owner, &usd, None, 3).await.unwrap();
            assert!(none.data.is_empty() && none.next_cursor.is_none(), "the filter read orders of other owners");
        }
        // A statement that read the rows of the other user would take much longer.
        assert!(start.elapsed() < Duration::from_millis(500), "{owner}: {:?}", start.elapsed());
    }
    // One call reads a bounded number of the orders of the owner.
    let page = fixture.store.page_by_cursor(OwnerFilter::of(BOB), &usd, None, 3).await.unwrap();
    assert!(page.data.is_empty() && page.next_cursor.is_some(), "one page read all orders: {page:?}");
}

/// Inserts `count` rows like those of the writer, after the sequence number `seq`.
async fn insert_orders_of_bob(fixture: &Fixture, stack: Stack, seq: i64, count: i64, anonymous_before: i64) {
    let bob = BOB.unwrap().0.simple().to_string();
    let (first, last) = (seq + 1, seq + count);
    let columns = "seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources, simulated,
         price_state, user_id, anonymous_before";
    let rest = "'EUR', 10000, 8400000000000, 1";
    // The ids grow with the sequence numbers, and are lower than the ids of placed orders.
    fixture
        .query_text(&match stack {
            Stack::Embedded => format!(
                "insert into orders ({columns})
                with recursive n(i) as (select {first} union all select i + 1 from n where i < {last})
                select i, unhex(printf('%032x', i)), i, {rest}, 0, 'alpha', 0, 'fresh', unhex('{bob}'), {anonymous_before} from n"
            ),
            Stack::Servers => format!(
                "insert into orders ({columns})
                select i, lpad(to_hex(i), 32, '0')::uuid, 'epoch'::timestamptz + i * interval '1 microsecond', {rest},
                    'epoch', 'alpha', false, 'fresh', '{bob}', {anonymous_before}
                from generate_series({first}, {last}) as i"
            ),
        })
        .await;
    let totals = "
        update order_totals set orders = orders + $count, bitcoin_sats = bitcoin_sats + $count,
            user_orders = user_orders + $count, user_bitcoin_sats = user_bitcoin_sats + $count";
    fixture.query_text(&totals.replace("$count", &count.to_string())).await;
}

async fn totals_of_each_owner_count_its_orders_and_quotes(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let batch = [
        as_user(ADA, market_order("1", 10)),
        as_user(ADA, market_order("2", 5)),
        as_user(BOB, market_order("1", 20)),
        market_order("1", 40),
    ];
    fixture.place(&batch, no_limit()).await;
    let quotes = [
        (ADA, Some("user:".to_owned() + &ADA.unwrap().to_string()), 3),
        (None, Some("ip:192.0.2.1".to_owned()), 7),
        (None, None, 1),
    ];
    let quotes = quotes.map(|(user, client, satoshi)| {
        let Command::Quote(command) = quote_command(satoshi, Duration::from_secs(60)) else { panic!("not a quote") };
        Command::Quote(QuoteCommand { user, client, ..command })
    });
    commit(&fixture.store, &mut quotes.to_vec(), no_limit(), Timestamp::now()).await;
    let totals = fixture.store.totals().await.unwrap();
    for (owner, expected) in [
        (OwnerFilter::of(ADA), (2, 15, 3)),
        (OwnerFilter::of(BOB), (1, 20, 0)),
        (OwnerFilter::of(NOBODY), (0, 0, 0)),
        (OwnerFilter::Anonymous, (1, 40, 8)),
        (OwnerFilter::Everybody, (4, 75, 11)),
    ] {
        let found = fixture.store.totals_of(owner, &totals).await.unwrap();
        let (orders, bitcoin, reserved) = expected;
        assert_eq!((found.orders, found.bitcoin, found.reserved), (orders, sats(bitcoin), sats(reserved)), "{owner}");
    }
}
