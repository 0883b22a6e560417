//! Pages of orders by offset and by cursor, with and without filters.

use std::collections::BTreeSet;

use common::{
    api::orders::{Cursor, OffsetPage, Order, OrderFilter, OrderPage, OwnerFilter},
    ids::OrderId,
    time::Timestamp,
};
use tests::{Stack, on_both_stacks};

use super::{Fixture, expect_placed, market_order, no_limit, owners, with_amount};

on_both_stacks!(
    offset_pages_have_no_gap_or_repeat,
    cursor_pages_return_each_earlier_order_once_while_orders_arrive,
    filters_return_exactly_matching_orders,
    filter_without_match_returns_empty_last_page,
    time_filters_are_exact_to_the_microsecond,
    order_is_found_by_id,
    rare_order_is_found_among_many,
    matches_that_are_far_apart_are_on_one_page,
);

/// Places each order in its own batch, so that the intervals between their times vary. Returns the newest order first.
async fn place_many(fixture: &Fixture, count: usize) -> Vec<Order> {
    let mut orders = Vec::new();
    for n in 0..count {
        let currency = ["EUR", "GBP", "USD"][n % 3];
        orders.push(fixture.place_new(with_amount(currency, &format!("{}.0001", n % 7 + 1), market_order(n, 1))).await);
    }
    orders.reverse();
    orders
}

fn last_page(data: Vec<Order>) -> OrderPage {
    OrderPage { data, next_cursor: None }
}

/// Reads all pages of the orders of all owners.
async fn all_pages(fixture: &Fixture, filter: &OrderFilter, limit: u32) -> Vec<Order> {
    owners::all_pages(fixture, OwnerFilter::Everybody, filter, false, limit).await
}

async fn offset_pages_have_no_gap_or_repeat(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    assert_eq!(fixture.store.page_by_offset(OwnerFilter::Everybody, 0, 10).await.unwrap(), OffsetPage::default());
    let orders = place_many(&fixture, 10).await;
    for (start, size, expected, has_more) in [
        (0, 3, &orders[0..3], true),
        (3, 3, &orders[3..6], true),
        (9, 3, &orders[9..], false),
        (7, 3, &orders[7..], false),
        (6, 3, &orders[6..9], true),
        (0, 10, &orders[..], false),
        (0, 1000, &orders[..], false),
        (10, 3, &[], false),
        (u64::MAX, 3, &[], false),
        (u64::try_from(i64::MAX).unwrap() + 1, 1000, &[], false),
    ] {
        // No user has placed an order, so anonymous clients have the same pages.
        for owner in [OwnerFilter::Everybody, OwnerFilter::Anonymous] {
            let page = fixture.store.page_by_offset(owner, start, size).await.unwrap();
            assert_eq!(page, OffsetPage { data: expected.to_vec(), more: has_more }, "{owner}, {start} {size}");
        }
    }
}

async fn cursor_pages_return_each_earlier_order_once_while_orders_arrive(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let orders = place_many(&fixture, 20).await;
    let (mut seen, mut cursor, mut round) = (Vec::new(), None, 0);
    loop {
        let OrderPage { data: page, next_cursor: next } =
            fixture.store.page_by_cursor(OwnerFilter::Everybody, &OrderFilter::default(), cursor, 3).await.unwrap();
        seen.extend(page);
        cursor = next;
        if next.is_none() {
            break;
        }
        round += 1;
        let batch = [market_order(format!("new-{round}-a"), 1), market_order(format!("new-{round}-b"), 1)];
        fixture.place(&batch, no_limit()).await;
    }
    assert_eq!(seen, orders);
    for limit in [1, 7, 20, 1000] {
        let all = all_pages(&fixture, &OrderFilter::default(), limit).await;
        let ids: BTreeSet<_> = all.iter().map(|order| order.id).collect();
        assert_eq!((all.len(), ids.len()), (20 + 2 * round, 20 + 2 * round));
        assert!(all.windows(2).all(|pair| pair[0].created_at > pair[1].created_at));
    }
}

async fn filters_return_exactly_matching_orders(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let orders = place_many(&fixture, 24).await;
    let amount = |text: &str| Some(text.parse().unwrap());
    let currency = |text: &str| Some(text.parse().unwrap());
    let none = OrderFilter::default();
    let filters = [
        none,
        OrderFilter { currency: currency("GBP"), ..none },
        OrderFilter { min_amount: amount("3.0001"), ..none },
        OrderFilter { max_amount: amount("3.0001"), ..none },
        OrderFilter { min_amount: amount("3.0001"), max_amount: amount("3.0001"), ..none },
        OrderFilter { min_amount: amount("3.0002"), max_amount: amount("5"), ..none },
        OrderFilter { from: Some(orders[10].created_at), ..none },
        OrderFilter { to: Some(orders[10].created_at), ..none },
        OrderFilter { from: Some(orders[15].created_at), to: Some(orders[5].created_at), ..none },
        OrderFilter {
            currency: currency("EUR"),
            from: Some(orders[20].created_at),
            to: Some(orders[2].created_at),
            min_amount: amount("2"),
            max_amount: amount("6.5"),
        },
    ];
    for filter in filters {
        let matches = |order: &&Order| {
            filter.currency.is_none_or(|currency| order.currency == currency)
                && filter.from.is_none_or(|from| order.created_at >= from)
                && filter.to.is_none_or(|to| order.created_at < to)
                && filter.min_amount.is_none_or(|min| order.amount >= min)
                && filter.max_amount.is_none_or(|max| order.amount <= max)
        };
        let expected: Vec<_> = orders.iter().filter(matches).cloned().collect();
        assert!(!expected.is_empty(), "{filter:?} matches no order");
        for limit in [1, 2, 5, 1000] {
            assert_eq!(all_pages(&fixture, &filter, limit).await, expected, "{filter:?}, page size {limit}");
        }
    }
}

async fn filter_without_match_returns_empty_last_page(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let none = OrderFilter::default();
    assert_eq!(
        fixture.store.page_by_cursor(OwnerFilter::Everybody, &none, None, 10).await.unwrap(),
        OrderPage::default()
    );
    let orders = place_many(&fixture, 5).await;
    let newest = orders[0].created_at;
    let past: Timestamp = "0001-01-01T00:00:00Z".parse().unwrap();
    let future: Timestamp = "9999-12-31T23:59:59.999999Z".parse().unwrap();
    let after_newest = Timestamp::from_micros(newest.micros() + 1).unwrap();
    for filter in [
        OrderFilter { currency: Some("JPY".parse().unwrap()), ..none },
        OrderFilter { min_amount: Some("999999999.9999".parse().unwrap()), ..none },
        OrderFilter { max_amount: Some("0.0001".parse().unwrap()), ..none },
        OrderFilter { from: Some(future), ..none },
        OrderFilter { from: Some(after_newest), ..none },
        OrderFilter { to: Some(past), ..none },
        OrderFilter { to: Some(orders[4].created_at), ..none },
        // The end of the range is before its start.
        OrderFilter { from: Some(newest), to: Some(orders[4].created_at), ..none },
    ] {
        assert_eq!(
            fixture.store.page_by_cursor(OwnerFilter::Everybody, &filter, None, 10).await.unwrap(),
            OrderPage::default(),
            "{filter:?}"
        );
    }
    let all = OrderFilter { from: Some(past), to: Some(future), ..none };
    assert_eq!(
        fixture.store.page_by_cursor(OwnerFilter::Everybody, &all, None, 5).await.unwrap(),
        last_page(orders.clone())
    );
    // A cursor of the oldest order gives an empty last page. A cursor beyond the newest order starts at the newest
    // order.
    assert_eq!(
        fixture.store.page_by_cursor(OwnerFilter::Everybody, &none, Some(Cursor(1)), 5).await.unwrap(),
        OrderPage::default()
    );
    assert_eq!(
        fixture.store.page_by_cursor(OwnerFilter::Everybody, &none, Some(Cursor(i64::MAX)), 5).await.unwrap(),
        last_page(orders)
    );
}

async fn time_filters_are_exact_to_the_microsecond(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    // Orders of one batch have times one microsecond apart.
    let batch: Vec<_> = (0..50).map(|n| market_order(n, 1)).collect();
    let decisions = fixture.place(&batch, no_limit()).await;
    let orders: Vec<_> = decisions.iter().rev().map(|decision| expect_placed(decision).0.clone()).collect();
    assert_eq!(orders[0].created_at.micros() - orders[49].created_at.micros(), 49);
    for at in [0, 1, 17, 48, 49] {
        let time = Some(orders[at].created_at);
        let from = all_pages(&fixture, &OrderFilter { from: time, ..OrderFilter::default() }, 1000).await;
        let to = all_pages(&fixture, &OrderFilter { to: time, ..OrderFilter::default() }, 1000).await;
        assert_eq!((from, to), (orders[..=at].to_vec(), orders[at + 1..].to_vec()), "{at}");
    }
}

async fn order_is_found_by_id(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let orders = place_many(&fixture, 3).await;
    for order in &orders {
        assert_eq!(fixture.store.orders_by_id(&[order.id]).await.unwrap().pop().as_ref(), Some(order));
    }
    for unknown in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"] {
        assert_eq!(fixture.store.orders_by_id(&[unknown.parse::<OrderId>().unwrap()]).await.unwrap().pop(), None);
    }
}

/// Inserts rows as the writer would, with the sequence numbers from 2 to `last`, after the order `first`. The rows with
/// the sequence numbers `in_chf` are in Swiss francs, and all other rows in euros.
async fn insert_after(fixture: &Fixture, stack: Stack, first: &Order, last: i64, in_chf: &[i64]) {
    let start = first.created_at.micros();
    // PostgreSQL does not permit an empty list, and no order has the sequence number 0.
    let in_chf = [&[0], in_chf].concat().iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let rest = format!("case when i in ({in_chf}) then 'CHF' else 'EUR' end, 10000, 8400000000000, 1");
    fixture
        .query_text(&match stack {
            Stack::Embedded => format!(
                "insert into orders (
                    seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                    simulated, quote_id, price_state
                )
                with recursive n(i) as (select 2 union all select i + 1 from n where i < {last})
                select i, unhex(printf('%032x', i)), {start} + i, {rest}, {start}, 'alpha', 0, null, 'fresh' from n"
            ),
            Stack::Servers => format!(
                "insert into orders (
                    seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                    simulated, quote_id, price_state
                )
                select i, lpad(to_hex(i), 32, '0')::uuid, '{time}'::timestamptz + i * interval '1 microsecond', {rest},
                    '{time}', 'alpha', false, null, 'fresh'
                from generate_series(2, {last}) as i",
                time = first.created_at
            ),
        })
        .await;
    fixture.query_text(&format!("update order_totals set orders = {last}, bitcoin_sats = {last}")).await;
}

/// One call reads a bounded number of rows. A page without a matching order therefore possibly has a cursor for the
/// next rows.
async fn rare_order_is_found_among_many(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let rare = fixture.place_new(with_amount("JPY", "7", market_order("rare", 1))).await;
    insert_after(&fixture, stack, &rare, 520_000, &[]).await;
    let filter = OrderFilter { currency: Some("JPY".parse().unwrap()), ..OrderFilter::default() };
    let OrderPage { data: page, next_cursor: next } =
        fixture.store.page_by_cursor(OwnerFilter::Everybody, &filter, None, 10).await.unwrap();
    assert!(page.is_empty() && next.is_some(), "one page read all rows: {page:?}");
    assert_eq!(all_pages(&fixture, &filter, 10).await, [rare]);
}

/// One statement of a filtered page reads at most 50,000 rows. The matches in this test are in the rows of three
/// statements.
async fn matches_that_are_far_apart_are_on_one_page(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let first = fixture.place_new(market_order("first", 1)).await;
    let matches = [199_990, 140_000, 130_000, 120_000, 60_000];
    insert_after(&fixture, stack, &first, 200_000, &matches).await;
    let filter = OrderFilter { currency: Some("CHF".parse().unwrap()), ..OrderFilter::default() };
    let expected = matches.map(|seq| OrderId(uuid::Uuid::from_u128(seq.try_into().unwrap())));
    for limit in 1..7 {
        let page = fixture.store.page_by_cursor(OwnerFilter::Everybody, &filter, None, limit).await.unwrap();
        let found: Vec<_> = page.data.iter().map(|order| order.id).collect();
        assert_eq!(found, expected[..expected.len().min(limit as usize)], "page size {limit}");
        let all: Vec<_> = all_pages(&fixture, &filter, limit).await.iter().map(|order| order.id).collect();
        assert_eq!(all, expected, "page size {limit}");
    }
}
