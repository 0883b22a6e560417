//! Values at the ends of their ranges are stored exactly and shown exactly by the readable view. Stored orders survive
//! a repeated migration and are visible to another process.

use common::{
    api::orders::{OffsetPage, Order, OwnerFilter},
    money::Sats,
    time::Timestamp,
};
use db_proxy::orders::OrderStore;
use tests::{Stack, on_both_stacks};

use super::{Fixture, TestOrder, market_order, with_amount};

on_both_stacks!(
    boundary_values_are_stored_exactly,
    readable_view_matches_api_values,
    repeated_migration_changes_nothing,
    committed_orders_are_visible_to_another_process,
);

struct BoundaryValues {
    amount: &'static str,
    exchange_rate: &'static str,
    satoshi: i64,
}

const fn boundary(amount: &'static str, exchange_rate: &'static str, satoshi: i64) -> BoundaryValues {
    BoundaryValues { amount, exchange_rate, satoshi }
}

const BOUNDARIES: [BoundaryValues; 7] = [
    boundary("0.0001", "9999999999.99999999", 1),
    boundary("999999999.9999", "84000.12345678", 1),
    boundary("999999999.9999", "47.61904762", 2_099_999_999_998_950),
    boundary("0.0001", "0.00000001", 1_000_000_000_000),
    boundary("1000", "0.00001", 10_000_000_000_000_000),
    boundary("12.34", "84000.10", 14_691),
    boundary("600", "84000", 714_286),
];

/// An order with the boundary values at index `n`. Its bitcoin amount is at most the total supply.
fn boundary_order(n: usize) -> TestOrder {
    let BoundaryValues { amount, exchange_rate, satoshi } = BOUNDARIES[n];
    let satoshi = satoshi.min(2_100_000_000_000_000);
    let mut order = with_amount("GBP", amount, market_order(n, satoshi));
    let price = order.price.as_mut().unwrap();
    price.exchange_rate = exchange_rate.parse().unwrap();
    price.simulated = n % 2 == 1;
    price.as_of = "2009-01-03T18:15:05.000001Z".parse().unwrap();
    order
}

/// Places one order in its own database, because the sum of all orders exceeds the total supply.
async fn place_alone(stack: Stack, n: usize) -> (Fixture, Order) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(boundary_order(n)).await;
    (fixture, order)
}

async fn boundary_values_are_stored_exactly(stack: Stack) {
    for n in 0..BOUNDARIES.len() {
        let (fixture, order) = place_alone(stack, n).await;
        let expected = boundary_order(n);
        let price = expected.price.unwrap();
        assert_eq!((order.currency, order.amount), (expected.currency, expected.amount));
        assert_eq!(
            (order.exchange_rate, order.bitcoin_amount, order.price_as_of, order.simulated),
            (price.exchange_rate, price.bitcoin_amount, price.as_of, price.simulated)
        );
        assert_eq!(fixture.store.orders_by_id(&[order.id]).await.unwrap().pop(), Some(order.clone()));
        assert_eq!(
            fixture.store.page_by_offset(OwnerFilter::Everybody, 0, 1).await.unwrap(),
            OffsetPage { data: vec![order.clone()], more: false }
        );
        assert_eq!(fixture.store.totals().await.unwrap().bitcoin, order.bitcoin_amount);
        assert_eq!(fixture.store.totals().await.unwrap().last_created_at, order.created_at);
    }
}

async fn readable_view_matches_api_values(stack: Stack) {
    let texts = [
        ("0.0001", "9999999999.99999999", "0.00000001"),
        ("999999999.9999", "84000.12345678", "0.00000001"),
        ("999999999.9999", "47.61904762", "20999999.99998950"),
        ("0.0001", "0.00000001", "10000.00000000"),
        ("1000.0000", "0.00001000", "21000000.00000000"),
        ("12.3400", "84000.10000000", "0.00014691"),
        ("600.0000", "84000.00000000", "0.00714286"),
    ];
    for (n, (amount, rate, bitcoin)) in texts.into_iter().enumerate() {
        let (fixture, order) = place_alone(stack, n).await;
        let row = fixture
            .query_text(
                "select cast(id as text), currency, cast(amount as text), cast(exchange_rate as text),
                    cast(bitcoin_amount as text), price_sources, cast(seq as text)
                from orders_readable",
            )
            .await
            .remove(0);
        assert_eq!(row, [order.id.to_string().as_str(), "GBP", amount, rate, bitcoin, "alpha,beta", "1"]);
        let times = "select cast(created_at as text), cast(price_as_of as text) from orders_readable";
        let times = fixture.query_text(times).await.remove(0);
        for (shown, time) in times.iter().zip([order.created_at, order.price_as_of]) {
            assert_eq!(parse_time(shown), time, "{shown}");
        }
    }
}

/// Parses a time as SQLite or PostgreSQL shows it. PostgreSQL shows `2009-01-03 18:15:05.000001+00`.
fn parse_time(shown: &str) -> Timestamp {
    let text = shown.replace(' ', "T");
    let text = text.strip_suffix("+00").map_or(text.clone(), |text| format!("{text}Z"));
    text.parse().unwrap()
}

async fn repeated_migration_changes_nothing(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(market_order("a", 10)).await;
    fixture.connections.migrate().await.unwrap();
    let connections = fixture.reconnect().await;
    connections.migrate().await.unwrap();
    let store = OrderStore::new(&connections);
    assert_eq!(store.orders_by_id(&[order.id]).await.unwrap().pop(), Some(order));
    assert_eq!(store.totals().await.unwrap().bitcoin, Sats::new(10).unwrap());
}

async fn committed_orders_are_visible_to_another_process(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(market_order("a", 10)).await;
    // The first store stays open.
    let store = fixture.another_store().await;
    assert_eq!(store.page_by_offset(OwnerFilter::Everybody, 0, 10).await.unwrap().data, [order]);
}
