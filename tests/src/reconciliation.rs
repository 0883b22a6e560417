//! Whether what users were told and what is kept is the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Platform;

/// An amount of bitcoin as it is shown, in satoshi.
pub fn sats(amount: &Value) -> i64 {
    amount.as_str().unwrap().parse::<common::money::Sats>().unwrap().get()
}

/// The sum of the bitcoin of these orders, in satoshi.
pub fn total_sats<'a>(orders: impl IntoIterator<Item = &'a Value>) -> i64 {
    orders.into_iter().map(|order| sats(&order["bitcoin_amount"])).sum()
}

/// Orders by their id, each there once.
#[track_caller]
pub fn by_id(orders: &[Value]) -> BTreeMap<&str, &Value> {
    let map: BTreeMap<_, _> = orders.iter().map(|order| (order["id"].as_str().unwrap(), order)).collect();
    assert_eq!(map.len(), orders.len(), "an order is there twice");
    map
}

/// `told` are exactly the orders that are kept, and the total is their sum.
pub async fn assert_reconciled(platform: &Platform, told: &[Value]) {
    let kept = platform.all_pages("/api/v1/orders?limit=1000").await;
    let (kept, told) = (by_id(&kept), by_id(told));
    for (id, order) in &told {
        assert_eq!(kept.get(id), Some(order), "an order that was answered with 201 is not kept as it was told");
    }
    for (id, order) in &kept {
        assert!(told.contains_key(id), "an order is kept that nobody was told of: {order}");
    }
    let summary = platform.summary().await;
    assert_eq!(summary["count"], told.len());
    assert_eq!(sats(&summary["bitcoin_amount"]), total_sats(told.into_values()));
}
