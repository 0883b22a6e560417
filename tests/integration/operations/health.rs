//! health-check with the services as real processes.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Platform, Stack, client::send, on_both_stacks, platform::order, wait_until};

on_both_stacks!(killed_service_is_missing_and_gracefully_stopped_service_is_stopped, service_errors_are_reported);

/// A service is missing after two and a half heartbeat intervals. The interval is one second here.
const MISSING_AFTER: Duration = Duration::from_millis(2500);
const LIMIT: Duration = Duration::from_secs(10);

async fn start_with_health_check(stack: Stack) -> Platform {
    let platform = Platform::builder(stack).set("ALIVE_INTERVAL_SECS", "1").in_processes().start().await;
    platform.health_check.start().await;
    platform
}

async fn health(platform: &Platform) -> Value {
    platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200)
}

async fn state_of(platform: &Platform, service: &str) -> String {
    let health = health(platform).await;
    let services = health["services"].as_array().unwrap();
    let entry = services.iter().find(|entry| entry["service"] == service);
    entry.map_or("not known".to_owned(), |entry| entry["state"].as_str().unwrap().to_owned())
}

async fn wait_for_state(platform: &Platform, service: &str, state: &str) {
    wait_until(&format!("{service} is {state}"), LIMIT, async || {
        (state_of(platform, service).await == state).then_some(())
    })
    .await;
}

async fn killed_service_is_missing_and_gracefully_stopped_service_is_stopped(stack: Stack) {
    let platform = start_with_health_check(stack).await;
    for service in platform.order_services() {
        wait_for_state(&platform, service.name, "alive").await;
    }
    let killed = Instant::now();
    platform.db_proxy.kill().await;
    wait_for_state(&platform, "db-proxy", "missing").await;
    // MISSING_AFTER counts from the last heartbeat. Two seconds are added for a busy machine.
    assert!(killed.elapsed() < MISSING_AFTER + Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!(health(&platform).await["status"], "failing");
    // A service that needs db-proxy is degraded.
    wait_for_state(&platform, "fetch-orders", "degraded").await;
    platform.db_proxy.start().await;
    wait_for_state(&platform, "db-proxy", "alive").await;
    wait_for_state(&platform, "fetch-orders", "alive").await;
    // A service that shuts down gracefully is stopped, not missing.
    platform.fetch_orders.stop().await;
    wait_for_state(&platform, "fetch-orders", "stopped").await;
    // The status page shows the same state.
    let page = platform.client.get(platform.health_check.url("/")).await;
    assert!(page.status == 200 && page.text().contains("fetch-orders") && page.text().contains("stopped"));
}

async fn service_errors_are_reported(stack: Stack) {
    let platform = start_with_health_check(stack).await;
    platform.db_proxy.kill().await;
    let request = platform.order_request(order("EUR", "1"));
    send(request.header("x-request-id", "failing-request-1")).await.problem(503, "upstream_unavailable");
    let url = platform.health_check.url("/api/v1/reports?level=warning&service=create-order&text=failing-request-1");
    let report = wait_until("the failed request is reported", LIMIT, async || {
        let page = platform.client.get(&url).await.json(200);
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(report["service"], "create-order");
    assert!(report.to_string().contains("db-proxy"), "{report}");
}
