//! The limit of all orders is enforced exactly, to the satoshi.

use common::time::Timestamp;
use serde_json::{Value, json};
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, Validity, order},
    reconciliation::{assert_reconciled, sats, total_sats},
};
use tokio::task::JoinSet;

on_both_stacks!(
    refused_order_reports_the_remaining_limit_and_a_smaller_order_is_placed,
    order_above_the_total_supply_is_refused_with_the_remaining_limit,
    concurrent_orders_reach_the_limit_exactly,
    replay_succeeds_when_the_limit_is_reached,
    limit_that_an_operator_sets_applies_immediately_in_every_instance,
    setting_applies_until_an_operator_sets_the_limit,
);

const CONCURRENT_ORDERS: i64 = 200;

async fn refused_order_reports_the_remaining_limit_and_a_smaller_order_is_placed(stack: Stack) {
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

async fn order_above_the_total_supply_is_refused_with_the_remaining_limit(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    platform.put_prices(&[("EUR", "0.00000001")], Validity::default()).await;
    let refused = platform.place(order("EUR", "999999999")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "100.00000000");
}

/// Places orders of these dollar amounts concurrently, alternately through two instances of create-order.
async fn place_concurrently(platform: &Platform, services: [&Instance; 2], amounts: Vec<i64>) -> Vec<Response> {
    let mut requests = JoinSet::new();
    for (n, amount) in amounts.into_iter().enumerate() {
        let url = services[n % 2].url(ORDERS_PATH);
        requests.spawn(send(platform.client.json(url, order("USD", &amount.to_string()))));
    }
    requests.join_all().await
}

async fn concurrent_orders_reach_the_limit_exactly(stack: Stack) {
    const LIMIT: i64 = 3000;
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00003000").start().await;
    let second_db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
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

async fn replay_succeeds_when_the_limit_is_reached(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00000001").start().await;
    let first = platform.place_with_key("a-key", order("USD", "1")).await.json(201);
    platform.place_with_key("another", order("USD", "1")).await.problem(409, "limit_exceeded");
    assert_eq!(platform.place_with_key("a-key", order("USD", "1")).await.json(201), first);
    platform.place_with_key("a-key", order("USD", "2")).await.problem(422, "idempotency_key_reused");
}

/// Sets the limit of all orders through this create-order. Returns the response.
async fn set_limit(platform: &Platform, create_order: &Instance, limit: &str) -> Value {
    let body = json!({ "limit": limit, "changed_by": "ada" }).to_string();
    let request = platform.client.request("PUT", create_order.url("/api/v1/limit"));
    let request = request.header("content-type", "application/json").body(body);
    send(platform.as_operator(create_order, request)).await.json(200)
}

/// Places an order of this many satoshi through this create-order. Returns the remaining satoshi if the order is refused.
async fn place_order_of(platform: &Platform, create_order: &Instance, satoshi: i64) -> Result<Value, i64> {
    let order = order("USD", &satoshi.to_string());
    let response = send(platform.client.json(create_order.url(ORDERS_PATH), order)).await;
    if response.status == 201 {
        return Ok(response.json(201));
    }
    Err(sats(&response.problem(409, "limit_exceeded")["remaining_bitcoin"]))
}

async fn limit_that_an_operator_sets_applies_immediately_in_every_instance(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00001000").start().await;
    let second_db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
    let second_db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy);
    let second_create_order = platform.start_second_create_order(second_db_proxy).await;
    let (first, second) = (&platform.create_order, &second_create_order);
    let replayed = platform.place_with_key("a-key", order("USD", "1")).await.json(201);

    // The limit changes during concurrent orders. The sum of the orders must not exceed the larger limit.
    let amounts: Vec<_> = (0..CONCURRENT_ORDERS).map(|n| n * 37 % 50 + 5).collect();
    let (_, raised) = tokio::join!(
        place_concurrently(&platform, [first, second], amounts.clone()),
        set_limit(&platform, first, "0.00002000")
    );
    assert_eq!((&raised["limit"], &raised["source"]), (&json!("0.00002000"), &json!("operator")));
    let placed = sats(&platform.summary().await["bitcoin_amount"]);
    assert!(placed <= 2000, "{placed} satoshi were sold");
    let (_, lowered) = tokio::join!(
        place_concurrently(&platform, [second, first], amounts),
        set_limit(&platform, second, "0.00001900")
    );
    assert_eq!(lowered["limit"], "0.00001900");
    let placed = sats(&platform.summary().await["bitcoin_amount"]);
    assert!(placed <= 2000, "{placed} satoshi were sold");

    // With a limit below the sum of all orders, new orders are refused and replays succeed.
    set_limit(&platform, first, "0.00000001").await;
    assert_eq!(place_order_of(&platform, second, 1).await.unwrap_err(), 0);
    assert_eq!(platform.place_with_key("a-key", order("USD", "1")).await.json(201), replayed);
    let summary = platform.summary().await;
    assert_eq!((&summary["limit"], &summary["remaining"]), (&json!("0.00000001"), &json!("0.00000000")));

    // The second instance accepts orders exactly up to the raised limit.
    set_limit(&platform, first, &format!("0.{:08}", placed + 3)).await;
    assert_eq!(place_order_of(&platform, second, 4).await.unwrap_err(), 3);
    place_order_of(&platform, second, 3).await.unwrap();
    assert_eq!(place_order_of(&platform, second, 1).await.unwrap_err(), 0);
    assert_eq!(sats(&platform.summary().await["bitcoin_amount"]), placed + 3);
}

async fn setting_applies_until_an_operator_sets_the_limit(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00000010").start().await;
    let read = async || {
        let request = platform.client.request("GET", platform.create_order.url("/api/v1/limit"));
        send(platform.as_operator(&platform.create_order, request)).await.json(200)
    };
    let limit = read().await;
    assert_eq!((&limit["limit"], &limit["source"]), (&json!("0.00000010"), &json!("setting")));
    assert_eq!(limit["changes"], json!([]));
    let start = Timestamp::now();
    set_limit(&platform, &platform.create_order, "0.00000020").await;

    // db-proxy starts with another `BTC_LIMIT`, but the limit of the operator applies.
    platform.db_proxy.stop().await;
    let restarted = platform.db_proxy.another(&[("BTC_LIMIT", "0.00000030")]);
    restarted.start().await;
    restarted.wait_until_ready().await;
    let create_order = platform.start_second_create_order(&restarted).await;
    let request = platform.client.request("GET", create_order.url("/api/v1/limit"));
    let limit = send(platform.as_operator(&create_order, request)).await.json(200);
    assert_eq!((&limit["limit"], &limit["source"]), (&json!("0.00000020"), &json!("operator")));
    assert_eq!(limit["setting"], "0.00000030");
    let [change] = &limit["changes"].as_array().unwrap()[..] else { panic!("{limit}") };
    assert_eq!((&change["old_limit"], &change["new_limit"]), (&json!("0.00000010"), &json!("0.00000020")));
    assert_eq!(change["changed_by"], "ada");
    let changed_at: Timestamp = change["changed_at"].as_str().unwrap().parse().unwrap();
    assert!(changed_at >= start.minus(std::time::Duration::from_secs(5)));

    for (body, field) in
        [(json!({ "limit": "-1", "changed_by": "ada" }), "limit"), (json!({ "limit": "1" }), "changed_by")]
    {
        let request = platform.client.request("PUT", create_order.url("/api/v1/limit"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let problem = send(platform.as_operator(&create_order, request)).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}
