//! The limit over all orders is enforced to the satoshi.

use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, Validity, order},
    reconciliation::{assert_reconciled, sats, total_sats},
};
use tokio::task::JoinSet;

on_both_stacks!(
    refused_order_reports_remaining_and_smaller_order_is_placed,
    order_over_total_supply_is_refused_with_remaining,
    concurrent_orders_fill_limit_exactly,
    replay_is_returned_when_limit_is_full,
);

const CONCURRENT_ORDERS: i64 = 200;

async fn refused_order_reports_remaining_and_smaller_order_is_placed(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00001000").start().await;
    platform.place(order("USD", "600")).await.json(201);
    let refused = platform.place(order("USD", "400.0001")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "0.00000400");
    assert!(refused["detail"].as_str().unwrap().contains("0.00000400"), "{refused}");
    platform.place(order("USD", "399")).await.json(201);
    platform.place(order("USD", "0.0001")).await.json(201);
    let refused = platform.place(order("USD", "0.0001")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "0.00000000");
    let summary = platform.summary().await;
    assert_eq!(summary["bitcoin_amount"], "0.00001000");
    assert_eq!(summary["remaining"], "0.00000000");
    assert_eq!(summary["limit"], "0.00001000");
    assert_eq!(summary["count"], 3);
}

async fn order_over_total_supply_is_refused_with_remaining(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    platform.put_prices(&[("EUR", "0.00000001")], Validity::default()).await;
    let refused = platform.place(order("EUR", "999999999")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "100.00000000");
}

/// Places orders of these dollar amounts at once, through two create-orders in turn.
async fn place_concurrently(platform: &Platform, services: [&Instance; 2], amounts: Vec<i64>) -> Vec<Response> {
    let mut requests = JoinSet::new();
    for (n, amount) in amounts.into_iter().enumerate() {
        let url = services[n % 2].url(ORDERS_PATH);
        requests.spawn(send(platform.client.json(url, order("USD", &amount.to_string()))));
    }
    requests.join_all().await
}

async fn concurrent_orders_fill_limit_exactly(stack: Stack) {
    const LIMIT: i64 = 3000;
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00003000").start().await;
    let second_db_proxy = platform.start_db_proxy_beside(stack).await;
    let second_db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy);
    let second_create_order = platform.start_second_create_order(second_db_proxy).await;
    let services = [&platform.create_order, &second_create_order];

    // One dollar buys one satoshi. An order buys 5 to 54 satoshi, and all orders together would buy 5900.
    let amounts = (0..CONCURRENT_ORDERS).map(|n| n * 37 % 50 + 5).collect();
    let responses = place_concurrently(&platform, services, amounts).await;
    let (placed, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
    let mut placed: Vec<_> = placed.iter().map(|response| response.json(201)).collect();
    assert!(!placed.is_empty() && !refused.is_empty());
    for response in refused {
        let remaining = sats(&response.problem(409, "limit_exceeded")["remaining_bitcoin"]);
        assert!((0..54).contains(&remaining), "an order was refused while {remaining} satoshi remained");
    }
    assert_reconciled(&platform, &placed).await;
    let remaining = LIMIT - total_sats(&placed);
    assert!((0..54).contains(&remaining), "{remaining} satoshi remain");

    let amounts = vec![1; usize::try_from(remaining).unwrap() + 10];
    let responses = place_concurrently(&platform, services, amounts).await;
    placed.extend(responses.iter().filter(|response| response.status == 201).map(|response| response.json(201)));
    assert_eq!(total_sats(&placed), LIMIT);
    assert_reconciled(&platform, &placed).await;
    let refused = platform.place(order("USD", "0.0001")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "0.00000000");
}

async fn replay_is_returned_when_limit_is_full(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00000001").start().await;
    let first = platform.place_with_key("a-key", order("USD", "1")).await.json(201);
    platform.place_with_key("another", order("USD", "1")).await.problem(409, "limit_exceeded");
    assert_eq!(platform.place_with_key("a-key", order("USD", "1")).await.json(201), first);
    platform.place_with_key("a-key", order("USD", "2")).await.problem(422, "idempotency_key_reused");
}
