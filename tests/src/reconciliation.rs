//! Checks that the stored orders are exactly the acknowledged orders, and that the summary agrees with the orders.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Platform;

/// Parses a bitcoin amount as the API shows it, and returns satoshi.
pub fn sats(amount: &Value) -> i64 {
    amount.as_str().unwrap().parse::<common::money::Sats>().unwrap().get()
}

/// The sum of the bitcoin of these orders, in satoshi.
pub fn total_sats<'a>(orders: impl IntoIterator<Item = &'a Value>) -> i64 {
    orders.into_iter().map(|order| sats(&order["bitcoin_amount"])).sum()
}

/// Indexes orders by id. Panics when an id occurs twice.
#[track_caller]
pub fn by_id(orders: &[Value]) -> BTreeMap<&str, &Value> {
    let map: BTreeMap<_, _> = orders.iter().map(|order| (order["id"].as_str().unwrap(), order)).collect();
    assert_eq!(map.len(), orders.len(), "an order id occurs twice");
    map
}

/// Asserts that exactly the acknowledged orders are stored, each with the fields that were acknowledged, and that the
/// summary counts and sums them. Orders with an owner are not read.
pub async fn assert_reconciled(platform: &Platform, acknowledged: &[Value]) {
    let stored = platform.all_pages("/api/v1/orders?limit=1000").await;
    let (stored, acknowledged) = (by_id(&stored), by_id(acknowledged));
    for (id, order) in &acknowledged {
        assert_eq!(stored.get(id), Some(order), "an acknowledged order is missing or was stored differently");
    }
    for (id, order) in &stored {
        assert!(acknowledged.contains_key(id), "a stored order was never acknowledged: {order}");
    }
    let summary = platform.summary().await;
    assert_eq!(summary["count"], acknowledged.len());
    assert_eq!(sats(&summary["bitcoin_amount"]), total_sats(acknowledged.into_values()));
}
