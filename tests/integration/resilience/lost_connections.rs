//! Connections that break in the worst moment: when the work is done and the answer is on its way, and just before.

use tests::{
    Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    on_both_stacks,
    platform::order,
    servers::Database,
    tcp_proxy::TcpProxy,
    wait_until,
};

on_both_stacks!(lost_db_proxy_response_places_no_second_order, lost_db_proxy_request_is_retried,);

const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Places orders with no key of the client's, each with the wire to db-proxy cut once.
async fn cut_each(stack: Stack, arrives: bool) {
    let builder = Platform::builder(stack);
    let proxy = TcpProxy::to(builder.address_of("db-proxy")).await;
    let platform = builder.set("DB_PROXY_URL", proxy.url()).start().await;
    let mut orders = Vec::new();
    for n in 1..=5 {
        proxy.cut_at(b"POST /orders", arrives);
        orders.push(platform.place(order("USD", &n.to_string())).await.json(201));
        assert_eq!(proxy.cuts(), n);
    }
    tests::reconciliation::assert_reconciled(&platform, &orders).await;
}

async fn lost_db_proxy_response_places_no_second_order(stack: Stack) {
    cut_each(stack, true).await;
}

async fn lost_db_proxy_request_is_retried(stack: Stack) {
    cut_each(stack, false).await;
}

/// Takes the whole of create-order's patience, whatever is behind db-proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unconfirmed_order_is_reported_as_outcome_unknown() {
    let builder = Platform::builder(Stack::Embedded);
    let proxy = TcpProxy::to(builder.address_of("db-proxy")).await;
    let platform = builder.start().await;
    let create_order = platform.create_order.another(&[("DB_PROXY_URL", &proxy.url())]);
    create_order.start().await;

    proxy.cut_for_good_at(b"POST /orders");
    // With no key of the client's: it is told the one that was made for it.
    let response = platform.client.post(create_order.url("/api/v1/orders"), order("EUR", "69")).await;
    let problem = response.problem(503, "outcome_unknown");
    let kept = platform.all_pages("/get_orders").await;
    assert_eq!(kept.len(), 1, "it was placed all the same");

    proxy.mend();
    let request = platform.client.json(create_order.url("/api/v1/orders"), order("EUR", "69"));
    let again = send(request.header("idempotency-key", problem["idempotency_key"].as_str().unwrap())).await;
    assert_eq!(again.json(201), kept[0]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    tests::reconciliation::assert_reconciled(&platform, &kept).await;
}

/// Orders through a wire to PostgreSQL that is cut at the commit, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interrupted_commit_outcome_is_resolved() {
    let database = Database::postgres().await;
    let direct = database.url();
    let (_, target) = direct.rsplit_once('@').unwrap();
    let (target, _) = target.split_once('/').unwrap();
    let proxy = TcpProxy::to(target.to_owned()).await;
    let platform = Platform::builder(Stack::Servers).database(direct.replace(target, proxy.address())).start().await;

    // One alone: it is answered as if nothing had been.
    for (n, arrives) in [true, false].into_iter().enumerate() {
        proxy.cut_at(b"COMMIT", arrives);
        let response = platform.place_with_key(&format!("alone-{n}"), order("USD", "1")).await;
        assert_eq!(proxy.cuts(), n + 1);
        response.json(201);
        assert_eq!(response.header("idempotency-replayed"), Some("false"));
    }
    let alone = platform.all_pages("/get_orders").await;
    assert_eq!(alone.len(), 2);

    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    for n in 3..=8 {
        load.wait_for_placed(10).await;
        proxy.cut_at(b"COMMIT", n % 2 == 0);
        wait_until("the wire is cut", LIMIT, async || (proxy.cuts() == n).then_some(())).await;
    }
    load.wait_for_placed(10).await;
    let mut sent = load.stop().await;
    for (n, order) in alone.into_iter().enumerate() {
        sent.placed.insert(format!("alone-{}", 1 - n), order);
    }
    retry_and_reconcile(&platform, sent).await;
}
