//! The rate limit of each client.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{
    Platform, Response, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, order},
};
use tokio::{net::TcpListener, task::JoinSet};

on_both_stacks!(
    client_over_rate_limit_is_refused,
    forwarded_client_address_is_used_from_trusted_proxy_only,
    default_rate_limit_is_sixty_orders_per_minute,
);

/// Sends GETs to a path of the service and returns the statuses.
async fn read_statuses(platform: &Platform, service: &Instance, path: &str, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(platform.client.get(service.url(path)).await.status);
    }
    statuses
}

#[tokio::test]
async fn reads_over_the_rate_limit_are_refused_by_fetch_orders_rates_and_create_order() {
    let platform = Platform::builder(Stack::Embedded).start().await;
    let limited = [("FETCH_RATE_LIMIT_PER_MINUTE", "3"), ("RATES_RATE_LIMIT_PER_MINUTE", "3")];
    let fetch_orders = platform.fetch_orders.another(&limited);
    let rates = platform.rates.another(&limited);
    let create_order = platform.create_order.another(&[("QUOTE_READ_RATE_LIMIT_PER_MINUTE", "3")]);
    let quote = format!("/api/v1/quotes/{}", uuid::Uuid::now_v7());
    for (service, path) in [(&fetch_orders, ORDERS_PATH), (&rates, "/api/v1/courses"), (&create_order, quote.as_str())]
    {
        service.start().await;
        let statuses = read_statuses(&platform, service, path, 4).await;
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1, "{}: {statuses:?}", service.name);
        assert_eq!(statuses[3], 429, "{}: {statuses:?}", service.name);
        // The rate limit does not apply to monitoring.
        assert_eq!(read_statuses(&platform, service, "/livez", 4).await, [200; 4]);
    }
}

#[tokio::test]
async fn exports_above_the_maximum_are_refused() {
    let platform = Platform::builder(Stack::Embedded).start().await;
    // A db-proxy that accepts connections and never answers, so that exports stay in progress.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let db_proxy_url = format!("http://{}", silent.local_addr().unwrap());
    for (max_exports, refusal, code) in [("1", 503, "overloaded"), ("8", 429, "too_many_requests")] {
        let service = platform.fetch_orders.another(&[("DB_PROXY_URL", &db_proxy_url), ("MAX_EXPORTS", max_exports)]);
        service.start().await;
        // One client can run at most two exports at the same time.
        let allowed = if max_exports == "1" { 1 } else { 2 };
        let mut exports = JoinSet::new();
        for _ in 0..=allowed {
            let url = service.url("/api/v1/orders/export?format=csv");
            exports.spawn(send(platform.client.request("GET", url)));
        }
        let responses = exports.join_all().await;
        let is_refusal = |response: &&Response| {
            response.status == refusal && serde_json::from_slice::<Value>(&response.body).unwrap()["code"] == code
        };
        assert_eq!(responses.iter().filter(is_refusal).count(), 1, "{max_exports}: {responses:?}");
    }
}

async fn client_over_rate_limit_is_refused(stack: Stack) {
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "3").start().await;
    let mut remaining = BTreeSet::new();
    // Invalid requests are counted too.
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
    // Requests for monitoring and documentation are not limited.
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
    // An empty variable counts as not set.
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
    // While the requests are sent, the limit allows one more request each second.
    assert!((60..65).contains(&placed), "{placed}");
}
