//! The limit of all orders, to the satoshi, and the limit of each client's rate.

use std::collections::BTreeSet;

use tests::{Platform, Stack, client::send, on_both_stacks, platform::Instance, platform::order, reconciliation};
use tokio::task::JoinSet;

on_both_stacks!(
    refused_order_reports_remaining_and_smaller_one_fits,
    order_over_total_supply_is_refused_with_remaining,
    concurrent_orders_fill_limit_exactly,
    replay_is_returned_when_limit_is_full,
    client_over_rate_limit_is_refused,
    forwarded_client_address_is_used_from_trusted_proxy_only,
    default_rate_limit_is_sixty_orders_per_minute,
);

const AT_ONCE: usize = 200;

async fn refused_order_reports_remaining_and_smaller_one_fits(stack: Stack) {
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
    platform.put_prices(&[("EUR", "0.00000001")], tests::platform::TTL, std::time::Duration::ZERO).await;
    let refused = platform.place(order("EUR", "999999999")).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "100.00000000");
}

async fn place_all(platform: &Platform, services: [&Instance; 2], amounts: Vec<i64>) -> Vec<tests::Response> {
    let mut waiting = JoinSet::new();
    for (n, amount) in amounts.into_iter().enumerate() {
        let url = services[n % 2].url("/api/v1/orders");
        waiting.spawn(send(platform.client.json(url, order("USD", &amount.to_string()))));
    }
    waiting.join_all().await
}

async fn concurrent_orders_fill_limit_exactly(stack: Stack) {
    const LIMIT: i64 = 3000;
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00003000").start().await;
    // Through two instances of each service on the way.
    let other_db_proxy = platform.db_proxy.another(&[]);
    other_db_proxy.start().await;
    other_db_proxy.wait_until_ready().await;
    let other = platform.create_order.another(&[("DB_PROXY_URL", &other_db_proxy.url(""))]);
    other.start().await;
    let services = [&platform.create_order, &other];

    // One dollar is one satoshi: 5 to 54 each, 5900 in all.
    let amounts = (0..i64::try_from(AT_ONCE).unwrap()).map(|n| n * 37 % 50 + 5).collect();
    let responses = place_all(&platform, services, amounts).await;
    let (placed, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
    let mut placed: Vec<_> = placed.iter().map(|response| response.json(201)).collect();
    assert!(!placed.is_empty() && !refused.is_empty());
    for response in refused {
        let remaining = reconciliation::sats(&response.problem(409, "limit_exceeded")["remaining_bitcoin"]);
        assert!((0..54).contains(&remaining), "refused while {remaining} were left");
    }
    reconciliation::assert_reconciled(&platform, &placed).await;
    let left = LIMIT - reconciliation::total_sats(&placed);
    assert!((0..54).contains(&left), "{left} are left");

    let amounts = vec![1; usize::try_from(left).unwrap() + 10];
    let responses = place_all(&platform, services, amounts).await;
    placed.extend(responses.iter().filter(|response| response.status == 201).map(|response| response.json(201)));
    assert_eq!(reconciliation::total_sats(&placed), LIMIT);
    reconciliation::assert_reconciled(&platform, &placed).await;
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

async fn client_over_rate_limit_is_refused(stack: Stack) {
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "3").start().await;
    let mut remaining = BTreeSet::new();
    // What is wrong counts as much as what is right.
    for (body, status) in [(order("EUR", "1"), 201), (order("EUR", "-1"), 422), ("{".to_owned(), 400)] {
        let response = platform.place(body).await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("ratelimit-limit"), Some("3"));
        remaining.insert(response.header("ratelimit-remaining").unwrap().to_owned());
        assert!(response.header("ratelimit-reset").unwrap().parse::<u32>().unwrap() <= 60);
    }
    assert_eq!(remaining.into_iter().collect::<Vec<_>>(), ["0", "1", "2"]);
    for path in ["/api/v1/orders", "/place_order"] {
        let response = platform.client.post(platform.create_order.url(path), order("EUR", "1")).await;
        response.problem(429, "too_many_requests");
        let wait: u32 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
        assert_eq!(response.header("ratelimit-remaining"), Some("0"));
    }
    assert_eq!(platform.summary().await["count"], 1);
    // Reading is free.
    for path in ["/livez", "/docs", "/metrics", "/openapi.json"] {
        assert_eq!(platform.client.get(platform.create_order.url(path)).await.status, 200);
    }
}

async fn forwarded_client_address_is_used_from_trusted_proxy_only(stack: Stack) {
    let place_as = async |platform: &Platform, client: &str| {
        let request = platform.client.json(platform.create_order.url("/api/v1/orders"), order("EUR", "1"));
        send(request.header("x-forwarded-for", client)).await.status
    };
    let open = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "1").start().await;
    assert_eq!(place_as(&open, "192.0.2.1").await, 201);
    assert_eq!(place_as(&open, "192.0.2.2").await, 429);
    let behind = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "1").set("TRUSTED_PROXIES", "127.0.0.1");
    let behind = behind.start().await;
    assert_eq!(place_as(&behind, "192.0.2.1").await, 201);
    assert_eq!(place_as(&behind, "192.0.2.2").await, 201);
    assert_eq!(place_as(&behind, "192.0.2.1").await, 429);
}

async fn default_rate_limit_is_sixty_orders_per_minute(stack: Stack) {
    // An empty variable counts as not set.
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "").start().await;
    let (mut placed, mut waiting) = (0, JoinSet::new());
    for _ in 0..70 {
        waiting.spawn(send(platform.client.json(platform.create_order.url("/api/v1/orders"), order("EUR", "1"))));
    }
    for response in waiting.join_all().await {
        match response.status {
            201 => placed += 1,
            _ => drop(response.problem(429, "too_many_requests")),
        }
    }
    // One a second comes back while they are sent.
    assert!((60..65).contains(&placed), "{placed}");
}
