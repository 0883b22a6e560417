//! Services as real processes that are killed or shut down: each acknowledged order is stored exactly once.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tests::{
    Platform, Stack,
    client::try_send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    on_both_stacks,
    platform::order,
    reconciliation::assert_reconciled,
};
use tokio::task::JoinSet;

use crate::orders::payments::DbProxyWallets;

on_both_stacks!(
    acknowledged_orders_survive_kill_of_all_services,
    orders_survive_repeated_db_proxy_kills,
    orders_survive_create_order_kills,
    graceful_shutdown_loses_no_order,
    health_check_kill_does_not_affect_orders,
    orders_and_their_payments_are_stored_together_despite_kills_of_db_proxy,
);

/// The number of orders to wait for before and after a fault.
const ORDERS: usize = 20;

async fn acknowledged_orders_survive_kill_of_all_services(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    let mut orders = Vec::new();
    for number in 0..2 {
        let key = format!("key-{number}");
        let first = platform.place_with_key(&key, order("EUR", "69")).await.json(201);
        for service in platform.order_services() {
            service.kill().await;
        }
        platform.start_order_services().await;
        platform.put_default_prices().await;
        let again = platform.place_with_key(&key, order("EUR", "69")).await;
        assert_eq!(again.json(201), first);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        platform.place_with_key(&key, order("EUR", "70")).await.problem(422, "idempotency_key_reused");
        orders.push(first);
    }
    assert_reconciled(&platform, &orders).await;
}

async fn orders_survive_repeated_db_proxy_kills(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    for _ in 0..4 {
        load.wait_for_orders(ORDERS).await;
        platform.db_proxy.kill().await;
        platform.db_proxy.start().await;
    }
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
}

async fn orders_survive_create_order_kills(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Allowed);
    for _ in 0..3 {
        load.wait_for_orders(ORDERS).await;
        platform.create_order.kill().await;
        load.wait_for_failures(1).await;
        platform.create_order.start().await;
    }
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
}

async fn graceful_shutdown_loses_no_order(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    // Without health-check, each service would try for a second to send its last reports.
    platform.health_check.start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Allowed);
    for _ in 0..2 {
        load.wait_for_orders(ORDERS).await;
        // Each service must exit within its time limit and with exit status 0, although orders are in flight.
        for service in [&platform.create_order, &platform.db_proxy, &platform.fetch_orders, &platform.price_cache] {
            service.stop().await;
        }
        load.wait_for_failures(1).await;
        platform.start_order_services().await;
        platform.put_default_prices().await;
    }
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
}

async fn health_check_kill_does_not_affect_orders(stack: Stack) {
    let platform = Platform::builder(stack).set("ALIVE_INTERVAL_SECS", "1").in_processes().start().await;
    platform.health_check.start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    platform.health_check.kill().await;
    load.wait_for_orders(ORDERS).await;
    platform.health_check.start().await;
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
}

/// Sends the request until the order is placed.
async fn place_until_placed(request: RequestBuilder) -> Value {
    loop {
        match try_send(request.try_clone().expect("the body is in memory")).await {
            Ok(response) if response.status == 201 => return response.json(201),
            Ok(response) => assert_eq!(response.status, 503, "{}", response.text()),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn orders_and_their_payments_are_stored_together_despite_kills_of_db_proxy(stack: Stack) {
    const PAID_ORDERS: usize = 60;
    let platform = Platform::builder(stack).in_processes().start().await;
    let wallets = DbProxyWallets::of(&platform);
    let (euro, btc) = (wallets.create("EUR").await, wallets.create("BTC").await);
    wallets.deposit(&euro, "1000").await;
    let mut requests = JoinSet::new();
    for n in 0..PAID_ORDERS {
        let order = json!({ "currency": "EUR", "amount": "10", "wallet_id": euro, "credit_wallet_id": btc });
        let request = platform.order_request(order.to_string()).header("idempotency-key", format!("key-{n}"));
        requests.spawn(place_until_placed(request));
    }
    let mut placed = Vec::new();
    while let Some(order) = requests.join_next().await {
        placed.push(order.unwrap());
        if placed.len().is_multiple_of(PAID_ORDERS / 4) && placed.len() < PAID_ORDERS {
            platform.db_proxy.kill().await;
            platform.db_proxy.start().await;
        }
    }
    let satoshi: i64 = placed
        .iter()
        .map(|order| order["bitcoin_amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap())
        .sum();
    assert_eq!(wallets.balance(&euro).await, "400.00");
    assert_eq!(wallets.balance(&btc).await.replace('.', "").parse::<i64>().unwrap(), satoshi);
    wallets.verify().await;
    assert_reconciled(&platform, &placed).await;
}
