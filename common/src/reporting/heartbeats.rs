//! Heartbeats: the regular reports that a service is alive.

use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{ReportQueue, instance_name};
use crate::{
    api::{
        health::{Component, Heartbeat, Readiness},
        reports::Report,
    },
    level::Level,
    server::ReadinessCheck,
};

/// Deadline of the readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often readiness is checked between two heartbeats.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Queues a heartbeat at once, then every `interval` and whenever the readiness of a component changes. When `stop` is
/// cancelled, queues a last report that the service is stopping, and returns.
pub async fn send_heartbeats(
    service: &'static str,
    check_readiness: ReadinessCheck,
    interval: Duration,
    queue: ReportQueue,
    stop: CancellationToken,
) {
    let start = Instant::now();
    let push = |status: &str, ready: bool, parts: Vec<Component>| {
        let heartbeat = Heartbeat {
            instance: instance_name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval_secs: interval.as_secs().max(1),
            uptime_secs: start.elapsed().as_secs(),
            ready,
            parts,
        };
        let data = serde_json::to_value(heartbeat.bounded()).unwrap_or_default();
        queue.push(Report { level: Level::Info, service: service.to_owned(), status: status.to_owned(), data });
    };
    let mut checks = tokio::time::interval(interval.min(CHECK_INTERVAL));
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let heartbeats = async {
        let mut last_sent: Option<(Instant, Vec<bool>)> = None;
        loop {
            checks.tick().await;
            let result = tokio::time::timeout(READINESS_TIMEOUT, check_readiness()).await;
            let parts = result.unwrap_or_else(|_| vec![Component::not_ready("readiness", "the check timed out")]);
            let ready: Vec<bool> = parts.iter().map(|part| part.ready).collect();
            if last_sent.as_ref().is_some_and(|(at, before)| at.elapsed() < interval && *before == ready) {
                continue;
            }
            let readiness = Readiness::from(parts);
            push(Report::ALIVE, readiness.ready, readiness.parts);
            last_sent = Some((Instant::now(), ready));
        }
    };
    tokio::select! { biased; () = stop.cancelled() => {}, () = heartbeats => {} }
    push(Report::STOPPING, false, Vec::new());
}

#[cfg(test)]
mod tests;
