//! Connections that break in the worst moment: when the work is done and the answer is on its way, and just before.

use tests::{
    Platform, Stack,
    client::send,
    load::{Load, Silence, settle},
    on_both,
    platform::order,
    servers::Database,
    tcp_proxy::Wire,
    until,
};

on_both!(lost_db_proxy_response_places_no_second_order, lost_db_proxy_request_is_retried,);

const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Places orders with no key of the client's, each with the wire to db-proxy cut once.
async fn cut_each(stack: Stack, arrives: bool) {
    let builder = Platform::builder(stack);
    let wire = Wire::to(builder.address_of("db-proxy")).await;
    let platform = builder.set("DB_PROXY_URL", wire.url()).start().await;
    let mut orders = Vec::new();
    for n in 1..=5 {
        wire.cut_at(b"POST /orders", arrives);
        orders.push(platform.place(order("USD", &n.to_string())).await.json(201));
        assert_eq!(wire.cuts(), n);
    }
    tests::reconciliation::agree(&platform, &orders).await;
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
    let wire = Wire::to(builder.address_of("db-proxy")).await;
    let platform = builder.start().await;
    let create_order = platform.create_order.another(&[("DB_PROXY_URL", &wire.url())]);
    create_order.start().await;

    wire.cut_for_good_at(b"POST /orders");
    // With no key of the client's: it is told the one that was made for it.
    let answer = platform.client.post(create_order.url("/api/v1/orders"), order("EUR", "69")).await;
    let problem = answer.problem(503, "outcome_unknown");
    let kept = platform.walk("/get_orders").await;
    assert_eq!(kept.len(), 1, "it was placed all the same");

    wire.mend();
    let request = platform.client.json(create_order.url("/api/v1/orders"), order("EUR", "69"));
    let again = send(request.header("idempotency-key", problem["idempotency_key"].as_str().unwrap())).await;
    assert_eq!(again.json(201), kept[0]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    tests::reconciliation::agree(&platform, &kept).await;
}

/// Orders through a wire to PostgreSQL that is cut at the commit, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interrupted_commit_outcome_is_resolved() {
    let database = Database::postgres().await;
    let direct = database.url();
    let (_, target) = direct.rsplit_once('@').unwrap();
    let (target, _) = target.split_once('/').unwrap();
    let wire = Wire::to(target.to_owned()).await;
    let platform = Platform::builder(Stack::Servers).database(direct.replace(target, wire.address())).start().await;

    // One alone: it is answered as if nothing had been.
    for (n, arrives) in [true, false].into_iter().enumerate() {
        wire.cut_at(b"COMMIT", arrives);
        let answer = platform.place_under(&format!("alone-{n}"), order("USD", "1")).await;
        assert_eq!(wire.cuts(), n + 1);
        answer.json(201);
        assert_eq!(answer.header("idempotency-replayed"), Some("false"));
    }
    let alone = platform.walk("/get_orders").await;
    assert_eq!(alone.len(), 2);

    let load = Load::start(&platform, Silence::Fails);
    for n in 3..=8 {
        load.placed(10).await;
        wire.cut_at(b"COMMIT", n % 2 == 0);
        until("the wire is cut", LIMIT, async || (wire.cuts() == n).then_some(())).await;
    }
    load.placed(10).await;
    let mut sent = load.stop().await;
    for (n, order) in alone.into_iter().enumerate() {
        sent.placed.insert(format!("alone-{}", 1 - n), order);
    }
    settle(&platform, sent).await;
}
