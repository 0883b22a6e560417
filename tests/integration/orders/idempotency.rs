//! A request that is repeated with its idempotency key returns the same order, even if the requests are concurrent. A
//! different order with this key is refused.

use std::collections::BTreeSet;

use tests::{
    Platform, Stack,
    client::send,
    on_both_stacks,
    platform::{ORDERS_PATH, Validity, order},
};
use tokio::task::JoinSet;
use uuid::Uuid;

on_both_stacks!(
    repeated_request_returns_same_response,
    same_order_in_another_notation_is_a_replay,
    key_reused_for_other_order_is_refused,
    concurrent_requests_with_one_key_place_one_order,
    concurrent_different_orders_with_one_key_place_one_order,
    replay_survives_restart_of_the_order_services,
    refused_order_leaves_key_unused,
);

const CONCURRENT_REQUESTS: usize = 50;

async fn repeated_request_returns_same_response(stack: Stack) {
    let platform = Platform::start(stack).await;
    for path in ["/api/v1/orders", "/place_order"] {
        let key = Uuid::new_v4().to_string();
        let place = async || {
            let request = platform.client.json(platform.create_order.url(path), order("EUR", "69"));
            send(request.header("Idempotency-Key", &key)).await
        };
        let first = place().await;
        assert_eq!(first.header("idempotency-replayed"), Some("false"));
        assert_eq!(first.header("idempotency-key"), Some(key.as_str()));
        for _ in 0..3 {
            let again = place().await;
            assert_eq!(again.json(201), first.json(201));
            assert_eq!(again.body, first.body);
            assert_eq!(again.header("location"), first.header("location"));
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
        }
    }
    assert_eq!(platform.summary().await["count"], 2);
}

async fn same_order_in_another_notation_is_a_replay(stack: Stack) {
    let platform = Platform::start(stack).await;
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    for body in [
        r#"{"currency":"EUR","amount":69}"#,
        r#"{"amount":"69.00","currency":"eur"}"#,
        r#"{"amount":6.9e1,"currency":"Eur"}"#,
    ] {
        let again = platform.place_with_key("a-key", body).await;
        assert_eq!(again.json(201), first);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    // The unversioned endpoint accepts the same keys.
    let url = platform.create_order.url("/place_order?currency=eur&amount=69");
    let unversioned = send(platform.client.request("POST", url).header("idempotency-key", "a-key")).await;
    assert_eq!(unversioned.json(201)["order"], first);
    assert_eq!(platform.summary().await["count"], 1);
}

async fn key_reused_for_other_order_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    for (currency, amount) in [("EUR", "69.0001"), ("EUR", "96"), ("USD", "69")] {
        let refused = platform.place_with_key("a-key", order(currency, amount)).await;
        let problem = refused.problem(422, "idempotency_key_reused");
        assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    }
    // An invalid order is reported as invalid even if its key was used.
    platform.place_with_key("a-key", order("EUR", "-1")).await.invalid_fields(&["amount"]);
    assert_eq!(platform.place_with_key("a-key", order("EUR", "69")).await.json(201), first);
    // Keys are case-sensitive.
    assert_ne!(platform.place_with_key("A-key", order("EUR", "69")).await.json(201)["id"], first["id"]);
    assert_eq!(platform.summary().await["count"], 2);
}

async fn concurrent_requests_with_one_key_place_one_order(stack: Stack) {
    let platform = Platform::start(stack).await;
    let second_db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
    let second_db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy);
    let second_create_order = platform.start_second_create_order(second_db_proxy).await;
    let mut requests = JoinSet::new();
    for n in 0..CONCURRENT_REQUESTS {
        let service = if n % 2 == 0 { &platform.create_order } else { &second_create_order };
        let request = platform.client.json(service.url(ORDERS_PATH), order("EUR", "69"));
        requests.spawn(send(request.header("idempotency-key", "one-key")));
    }
    let responses = requests.join_all().await;
    let bodies: BTreeSet<_> = responses.iter().map(|response| response.json(201).to_string()).collect();
    assert_eq!(bodies.len(), 1);
    let created = responses.iter().filter(|response| response.header("idempotency-replayed") == Some("false")).count();
    assert_eq!(created, 1);
    assert_eq!(platform.summary().await["count"], 1);
}

async fn concurrent_different_orders_with_one_key_place_one_order(stack: Stack) {
    let platform = Platform::start(stack).await;
    let mut requests = JoinSet::new();
    for n in 1..=CONCURRENT_REQUESTS {
        let request = platform.order_request(order("EUR", &n.to_string()));
        requests.spawn(send(request.header("idempotency-key", "one-key")));
    }
    let (placed, refused): (Vec<_>, Vec<_>) =
        requests.join_all().await.into_iter().partition(|response| response.status == 201);
    assert_eq!((placed.len(), refused.len()), (1, CONCURRENT_REQUESTS - 1));
    for response in refused {
        response.problem(422, "idempotency_key_reused");
    }
    assert_eq!(platform.all_pages("/get_orders").await, [placed[0].json(201)]);
}

async fn replay_survives_restart_of_the_order_services(stack: Stack) {
    let platform = Platform::start(stack).await;
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    for service in platform.order_services() {
        service.stop().await;
    }
    platform.start_order_services().await;
    platform.put_prices(&[("EUR", "1000")], Validity::default()).await;
    let again = platform.place_with_key("a-key", order("EUR", "69")).await;
    assert_eq!(again.json(201), first);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(platform.all_pages("/get_orders").await, [first]);
}

async fn refused_order_leaves_key_unused(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00000100").start().await;
    platform.place_with_key("a-key", order("USD", "101")).await.problem(409, "limit_exceeded");
    assert_eq!(platform.place_with_key("a-key", order("USD", "100")).await.json(201)["amount"], "100.00");
}
