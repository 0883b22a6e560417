//! Connections that break while a request is in flight, before or after the request was processed.

use std::time::Duration;

use tests::{
    Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    on_both_stacks,
    platform::{ORDERS_PATH, order},
    reconciliation::assert_reconciled,
    servers::Database,
    tcp_proxy::{Lost, TcpProxy},
    wait_until,
};

on_both_stacks!(lost_db_proxy_response_places_no_second_order, lost_db_proxy_request_is_retried);

const CUT_LIMIT: Duration = Duration::from_secs(10);

/// Places orders without an idempotency key. The connection to db-proxy is cut once for each order.
async fn place_with_cut_connections(stack: Stack, lost: Lost) {
    let builder = Platform::builder(stack);
    let proxy = TcpProxy::start(builder.address_of("db-proxy")).await;
    let platform = builder.set("DB_PROXY_URL", proxy.url()).start().await;
    let mut orders = Vec::new();
    for n in 1..=5 {
        proxy.cut_at(b"POST /orders", lost);
        orders.push(platform.place(order("USD", &n.to_string())).await.json(201));
        assert_eq!(proxy.cuts(), n);
    }
    assert_reconciled(&platform, &orders).await;
}

async fn lost_db_proxy_response_places_no_second_order(stack: Stack) {
    place_with_cut_connections(stack, Lost::Response).await;
}

async fn lost_db_proxy_request_is_retried(stack: Stack) {
    place_with_cut_connections(stack, Lost::Request).await;
}

/// The test runs on one stack only, because it waits for the deadline of create-order and does not depend on the
/// database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unconfirmed_order_is_reported_as_outcome_unknown() {
    let builder = Platform::builder(Stack::Embedded);
    let proxy = TcpProxy::start(builder.address_of("db-proxy")).await;
    let platform = builder.start().await;
    let create_order = platform.create_order.another(&[("DB_PROXY_URL", &proxy.url())]);
    create_order.start().await;

    proxy.cut_at_and_block(b"POST /orders");
    // The client sends no idempotency key. The problem contains the key that create-order generated.
    let response = platform.client.post(create_order.url(ORDERS_PATH), order("EUR", "69")).await;
    let problem = response.problem(503, "outcome_unknown");
    let stored = platform.all_pages("/get_orders").await;
    assert_eq!(stored.len(), 1, "the number of stored orders");

    proxy.unblock();
    let request = platform.client.json(create_order.url(ORDERS_PATH), order("EUR", "69"));
    let again = send(request.header("idempotency-key", problem["idempotency_key"].as_str().unwrap())).await;
    assert_eq!(again.json(201), stored[0]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_reconciled(&platform, &stored).await;
}

/// Cuts the connection to PostgreSQL at commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_of_interrupted_commit_is_determined() {
    let database = Database::postgres().await;
    let proxy = TcpProxy::start(database.server_address()).await;
    let platform = Platform::builder(Stack::Servers).database(database.url_at(proxy.address()));
    let platform = platform.start().await;

    // A single order is acknowledged as if the connection had not been cut.
    for (n, lost) in [Lost::Response, Lost::Request].into_iter().enumerate() {
        proxy.cut_at(b"COMMIT", lost);
        let response = platform.place_with_key(&format!("alone-{n}"), order("USD", "1")).await;
        assert_eq!(proxy.cuts(), n + 1);
        response.json(201);
        assert_eq!(response.header("idempotency-replayed"), Some("false"));
    }
    let alone = platform.all_pages("/get_orders").await;
    assert_eq!(alone.len(), 2);

    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    for n in 3..=8 {
        load.wait_for_orders(10).await;
        proxy.cut_at(b"COMMIT", if n % 2 == 0 { Lost::Response } else { Lost::Request });
        wait_until("the connection is cut", CUT_LIMIT, async || (proxy.cuts() == n).then_some(())).await;
    }
    load.wait_for_orders(10).await;
    let mut sent = load.stop().await;
    // The pages show the newest order first.
    for (n, order) in alone.into_iter().enumerate() {
        sent.acknowledged.insert(format!("alone-{}", 1 - n), order);
    }
    retry_and_reconcile(&platform, sent).await;
}
