//! The rate limit of each client.

use std::collections::BTreeSet;

use tests::{Platform, Stack, client::send, on_both_stacks, platform::order};
use tokio::task::JoinSet;

on_both_stacks!(
    client_over_rate_limit_is_refused,
    forwarded_client_address_is_used_from_trusted_proxy_only,
    default_rate_limit_is_sixty_orders_per_minute,
);

async fn client_over_rate_limit_is_refused(stack: Stack) {
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "3").start().await;
    let mut remaining = BTreeSet::new();
    // Invalid requests count as well.
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
        let retry_after: u32 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&retry_after), "{retry_after}");
        assert_eq!(response.header("ratelimit-remaining"), Some("0"));
    }
    assert_eq!(platform.summary().await["count"], 1);
    // Operations endpoints and documentation are not limited.
    for path in ["/livez", "/docs", "/metrics", "/openapi.json"] {
        assert_eq!(platform.client.get(platform.create_order.url(path)).await.status, 200);
    }
}

async fn forwarded_client_address_is_used_from_trusted_proxy_only(stack: Stack) {
    let place_as = async |platform: &Platform, client: &str| {
        let request = platform.order_request(order("EUR", "1"));
        send(request.header("x-forwarded-for", client)).await.status
    };
    let direct = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "1").start().await;
    assert_eq!(place_as(&direct, "192.0.2.1").await, 201);
    assert_eq!(place_as(&direct, "192.0.2.2").await, 429);
    let proxied = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "1").set("TRUSTED_PROXIES", "127.0.0.1");
    let proxied = proxied.start().await;
    assert_eq!(place_as(&proxied, "192.0.2.1").await, 201);
    assert_eq!(place_as(&proxied, "192.0.2.2").await, 201);
    assert_eq!(place_as(&proxied, "192.0.2.1").await, 429);
}

async fn default_rate_limit_is_sixty_orders_per_minute(stack: Stack) {
    // An empty variable is the same as one that is not set.
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "").start().await;
    let (mut placed, mut requests) = (0, JoinSet::new());
    for _ in 0..70 {
        requests.spawn(send(platform.order_request(order("EUR", "1"))));
    }
    for response in requests.join_all().await {
        match response.status {
            201 => placed += 1,
            _ => drop(response.problem(429, "too_many_requests")),
        }
    }
    // While the requests are sent, the limit allows one more each second.
    assert!((60..65).contains(&placed), "{placed}");
}
