//! Services that are replaced while requests arrive.

use std::time::Duration;

use common::api::health::Component;
use serde_json::Value;
use tests::{
    Platform, Stack,
    platform::ORDERS_PATH,
    rolling_restarts::{self, Plan},
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(10);
/// The longest permitted delay. The test does not wait until the delay ends.
const LONG_DELAY: (&str, &str) = ("SHUTDOWN_DELAY_SECS", "300");

#[tokio::test]
async fn stopping_service_is_not_ready_and_serves_until_its_delay_ends() {
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let service = platform.fetch_orders.another(&[LONG_DELAY]);
    service.start().await;
    service.wait_until_ready().await;
    service.begin_stop().await;
    let stopping = wait_until("the service is not ready", LIMIT, async || {
        let component = service.component(Component::SHUTDOWN).await;
        (component != Value::Null).then_some(component)
    });
    assert_eq!(stopping.await["ready"], false);
    assert_eq!(platform.client.get(service.url("/readyz")).await.status, 503);
    let page = platform.client.get(service.url(ORDERS_PATH)).await;
    page.json(200);
    assert_eq!(page.header("connection"), Some("close"));
    // A second signal ends the delay.
    service.stop().await;
}

/// `tests/load/rolling-restarts` runs longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_is_safe_to_repeat_fails_while_parts_are_replaced() {
    let report = rolling_restarts::run(Plan { rate: 40, rounds: 1 }, |line| eprintln!("{line}")).await;
    eprintln!("{}", report.figures);
    assert_eq!(report.failed, 0, "{}", report.failures.join("\n"));
    assert_eq!(report.violations.len(), 0, "{}", report.violations.join("\n"));
    assert!(report.acknowledged > 100, "{} orders and movements", report.acknowledged);
}
