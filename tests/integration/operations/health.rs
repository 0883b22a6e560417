//! health-check, told by the real binaries.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Platform, Stack, client::send, on_both_stacks, platform::order, wait_until};

on_both_stacks!(silent_service_is_reported_missing, service_errors_are_reported);

/// Two and a half intervals of a second, and what a busy machine adds.
const MISSING_AFTER: Duration = Duration::from_millis(2500);
const LIMIT: Duration = Duration::from_secs(10);

async fn watched(stack: Stack) -> Platform {
    let platform = Platform::builder(stack).set("ALIVE_INTERVAL_SECS", "1").in_processes().start().await;
    platform.health_check.start().await;
    platform
}

async fn health(platform: &Platform) -> Value {
    platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200)
}

async fn state_of(platform: &Platform, service: &str) -> String {
    let health = health(platform).await;
    let one = health["services"].as_array().unwrap().iter().find(|one| one["service"] == service);
    one.map_or("not known".to_owned(), |one| one["state"].as_str().unwrap().to_owned())
}

async fn becomes(platform: &Platform, service: &str, state: &str) {
    wait_until(&format!("{service} is {state}"), LIMIT, async || {
        (state_of(platform, service).await == state).then_some(())
    })
    .await;
}

async fn silent_service_is_reported_missing(stack: Stack) {
    let platform = watched(stack).await;
    for service in platform.order_services() {
        becomes(&platform, service.name, "alive").await;
    }
    let killed = Instant::now();
    platform.db_proxy.kill().await;
    becomes(&platform, "db-proxy", "missing").await;
    // It may have called just before, and a second more is for the clocks of both.
    assert!(killed.elapsed() < MISSING_AFTER + Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!(health(&platform).await["status"], "failing");
    // Who needs it says so.
    becomes(&platform, "fetch-orders", "degraded").await;
    platform.db_proxy.start().await;
    becomes(&platform, "db-proxy", "alive").await;
    becomes(&platform, "fetch-orders", "alive").await;
    // Who goes in good order is not missed.
    platform.fetch_orders.stop().await;
    becomes(&platform, "fetch-orders", "stopped").await;
    // People see the same.
    let page = platform.client.get(platform.health_check.url("/")).await;
    assert!(page.status == 200 && page.text().contains("fetch-orders") && page.text().contains("stopped"));
}

async fn service_errors_are_reported(stack: Stack) {
    let platform = watched(stack).await;
    platform.db_proxy.kill().await;
    let request = platform.client.json(platform.create_order.url("/api/v1/orders"), order("EUR", "1"));
    send(request.header("x-request-id", "in-trouble-1")).await.problem(503, "upstream_unavailable");
    let url = platform.health_check.url("/api/v1/reports?level=warning&service=create-order&text=in-trouble-1");
    let report = wait_until("the report of a request is there", LIMIT, async || {
        let page = platform.client.get(&url).await.json(200);
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(report["service"], "create-order");
    // It says what is wrong, and no secret.
    assert!(report.to_string().contains("db-proxy"), "{report}");
}
