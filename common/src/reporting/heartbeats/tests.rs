use std::sync::Arc;

use futures_util::FutureExt;

use super::*;
use crate::reporting::report_queue;

#[tokio::test]
async fn heartbeats_repeat_and_the_last_one_reports_stopping() {
    let mut receiver = report_queue("x");
    let ready: ReadinessCheck = Arc::new(|| async { vec![Component::not_ready("database", "unavailable")] }.boxed());
    let stop = CancellationToken::new();
    let task = tokio::spawn(send_heartbeats("x", ready, Duration::from_millis(1), receiver.queue(), stop.clone()));
    for _ in 0..3 {
        let report = receiver.next().await;
        let heartbeat: Heartbeat = serde_json::from_value(report.data).unwrap();
        assert_eq!((report.status.as_str(), heartbeat.ready, heartbeat.parts.len()), (Report::ALIVE, false, 1));
        assert_eq!((heartbeat.instance.as_str(), heartbeat.interval_secs), (instance_name(), 1));
    }
    stop.cancel();
    task.await.unwrap();
    // The last heartbeat replaces a queued one.
    assert_eq!(receiver.try_next().unwrap().status, Report::STOPPING);
    assert_eq!(receiver.try_next(), None);
}
