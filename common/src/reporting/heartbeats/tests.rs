use std::sync::{Arc, Mutex};

use futures_util::FutureExt;

use super::*;
use crate::reporting::report_queue;

fn heartbeats(check_readiness: ReadinessCheck, interval: Duration) -> Heartbeats {
    Heartbeats { service: "x", port: Some(8001), check_readiness, interval }
}

#[tokio::test]
async fn heartbeats_repeat_and_the_last_one_reports_stopping() {
    let mut receiver = report_queue("x");
    let check: ReadinessCheck = Arc::new(|| async { vec![Component::not_ready("database", "unavailable")] }.boxed());
    let stop = CancellationToken::new();
    let heartbeats = heartbeats(check, Duration::from_millis(1));
    let task = tokio::spawn(heartbeats.send(receiver.queue(), stop.clone()));
    for _ in 0..3 {
        let report = receiver.next().await;
        let heartbeat: Heartbeat = serde_json::from_value(report.data).unwrap();
        assert_eq!((report.status.as_str(), heartbeat.ready, heartbeat.parts.len()), (Report::ALIVE, false, 1));
        assert_eq!((heartbeat.instance.as_str(), heartbeat.interval_secs), (instance_name(), 1));
        assert_eq!((heartbeat.port, heartbeat.update), (Some(8001), false));
    }
    stop.cancel();
    task.await.unwrap();
    // The last heartbeat replaces a queued heartbeat.
    assert_eq!(receiver.try_next().unwrap().status, Report::STOPPING);
    assert_eq!(receiver.try_next(), None);
}

fn limit_component(remaining: &str) -> Component {
    let limit = OrderLimitStatus {
        limit: "100".parse().unwrap(),
        remaining: remaining.parse().unwrap(),
        reserved: "0".parse().unwrap(),
        used: None,
    };
    Component { limit: Some(limit), ..Component::ready(Component::LIMIT) }
}

#[tokio::test(start_paused = true)]
async fn changed_limit_is_sent_before_the_next_regular_heartbeat() {
    let mut receiver = report_queue("x");
    let component = Arc::new(Mutex::new(limit_component("100")));
    let checked = component.clone();
    let check: ReadinessCheck = Arc::new(move || {
        let component = checked.lock().unwrap().clone();
        async { vec![component] }.boxed()
    });
    let stop = CancellationToken::new();
    let interval = Duration::from_secs(60);
    let task = tokio::spawn(heartbeats(check, interval).send(receiver.queue(), stop.clone()));
    let mut next = async || serde_json::from_value::<Heartbeat>(receiver.next().await.data).unwrap();
    assert!(!next().await.update);
    let start = tokio::time::Instant::now();
    *component.lock().unwrap() = limit_component("99.5");
    let update = next().await;
    assert!(update.update && start.elapsed() <= CHECK_INTERVAL, "{update:?} after {:?}", start.elapsed());
    assert_eq!(update.parts[0].limit.as_ref().unwrap().remaining, "99.5".parse().unwrap());
    // Updates do not replace the regular heartbeat.
    while next().await.update {}
    assert!(start.elapsed() <= interval + CHECK_INTERVAL, "{:?}", start.elapsed());
    stop.cancel();
    task.await.unwrap();
}

/// The cause of a failure is sometimes found after the failure was reported.
#[tokio::test(start_paused = true)]
async fn changed_reason_is_sent_before_the_next_regular_heartbeat() {
    let mut receiver = report_queue("x");
    let reason = Arc::new(Mutex::new("nothing has been written yet"));
    let checked = reason.clone();
    let check: ReadinessCheck = Arc::new(move || {
        let component = Component::not_ready("database", *checked.lock().unwrap());
        async { vec![component] }.boxed()
    });
    let stop = CancellationToken::new();
    let task = tokio::spawn(heartbeats(check, Duration::from_secs(60)).send(receiver.queue(), stop.clone()));
    let mut next = async || serde_json::from_value::<Heartbeat>(receiver.next().await.data).unwrap();
    assert!(!next().await.update);
    let start = tokio::time::Instant::now();
    *reason.lock().unwrap() = "PostgreSQL cannot be reached";
    let update = next().await;
    assert!(update.update && start.elapsed() <= CHECK_INTERVAL, "{update:?} after {:?}", start.elapsed());
    assert_eq!(update.parts[0].detail.as_deref(), Some("PostgreSQL cannot be reached"));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unchanged_heartbeat_is_sent_before_the_regular_one_only_if_it_reports_the_order_intake() {
    /// The first two heartbeats, and the time between them.
    async fn first_two(component: Component) -> (Heartbeat, Heartbeat, Duration) {
        let mut receiver = report_queue("x");
        let check: ReadinessCheck = Arc::new(move || {
            let component = component.clone();
            async { vec![component] }.boxed()
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(heartbeats(check, Duration::from_secs(60)).send(receiver.queue(), stop.clone()));
        let mut next = async || serde_json::from_value::<Heartbeat>(receiver.next().await.data).unwrap();
        let first = next().await;
        let start = tokio::time::Instant::now();
        let second = next().await;
        let elapsed = start.elapsed();
        stop.cancel();
        task.await.unwrap();
        (first, second, elapsed)
    }
    // The limit is a part of the order intake.
    let (first, second, elapsed) = first_two(limit_component("100")).await;
    let stated = Duration::from_secs(first.next_within_secs.unwrap());
    assert!(elapsed <= CHECK_INTERVAL && second.update, "{second:?} after {elapsed:?}");
    assert!(
        CHECK_INTERVAL + READINESS_TIMEOUT < stated,
        "`next_within_secs` is shorter than the check interval and a slow check"
    );
    let (first, second, elapsed) = first_two(Component::ready("database")).await;
    assert!(elapsed >= Duration::from_secs(60) && !second.update, "{second:?} after {elapsed:?}");
    assert_eq!(first.next_within_secs, None);
}
