//! Heartbeats: the regular reports that a service is alive.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ReportQueue, instance_name,
    machine::{self, Sample},
};
use crate::{
    api::{
        health::{Component, Heartbeat, OrderLimitStatus, OrderPriceStatus, Readiness},
        reports::Report,
    },
    level::Level,
    server::ReadinessCheck,
    startup::STARTUP_GRACE,
};

/// Deadline of the readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of the readiness checks between two heartbeats.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// health-check shows the order intake as unknown if no heartbeat has confirmed it for this time. Longer than
/// [`CHECK_INTERVAL`], to allow for a slow check and for the sending.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(8);
/// Interval of the readiness checks while a service that has just started is not ready yet.
const STARTING_CHECK_INTERVAL: Duration = Duration::from_millis(200);

pub struct Heartbeats {
    pub service: &'static str,
    /// The port on which the service listens.
    pub port: Option<u16>,
    pub check_readiness: ReadinessCheck,
    /// The time between two regular heartbeats.
    pub interval: Duration,
}

/// The part of a component's state whose change causes an early heartbeat.
#[derive(PartialEq, Eq)]
struct ComponentState {
    ready: bool,
    /// Why the component is not ready. The cause is often known only some seconds after the failure.
    reason: Option<String>,
    price: Option<OrderPriceStatus>,
    limit: Option<OrderLimitStatus>,
}

impl ComponentState {
    fn of(component: &Component) -> Self {
        let Component { ready, detail, price, limit, .. } = component.clone();
        Self { ready, reason: detail.filter(|_| !ready), price, limit }
    }
}

impl Heartbeats {
    /// Queues a heartbeat immediately, then every interval, and whenever a `ComponentState` changes. A service that
    /// reports the order intake queues a heartbeat at each check, so that health-check notices within seconds if the
    /// service stops.
    ///
    /// When `stop` is cancelled, queues a last report that the service is stopping, and returns.
    pub async fn send(self, queue: ReportQueue, stop: CancellationToken) {
        let start = Instant::now();
        tokio::select! { biased; () = stop.cancelled() => {}, () = self.send_until_dropped(&queue, start) => {} }
        let status = Readiness { ready: false, parts: Vec::new() };
        queue.push(self.report(Report::STOPPING, status, start, false, None));
    }

    async fn send_until_dropped(&self, queue: &ReportQueue, start: Instant) {
        let mut regular_at: Option<Instant> = None;
        let mut last_sent: Vec<ComponentState> = Vec::new();
        loop {
            let result = tokio::time::timeout(READINESS_TIMEOUT, (self.check_readiness)()).await;
            let parts = result.unwrap_or_else(|_| vec![Component::not_ready("readiness", "the check timed out")]);
            let states: Vec<_> = parts.iter().map(ComponentState::of).collect();
            let is_ready = |states: &[ComponentState]| states.iter().map(|state| state.ready).collect::<Vec<_>>();
            let all_ready = states.iter().all(|state| state.ready);
            let regular =
                regular_at.is_none_or(|at| at.elapsed() >= self.interval) || is_ready(&states) != is_ready(&last_sent);
            if regular || states != last_sent || reports_order_intake(&parts) {
                // The sample reads files, so it can block.
                let sample = tokio::task::spawn_blocking(machine::sample).await.ok();
                queue.push(self.report(Report::ALIVE, parts.into(), start, !regular, sample));
                last_sent = states;
            }
            if regular {
                regular_at = Some(Instant::now());
            }
            let starting = !all_ready && start.elapsed() < STARTUP_GRACE;
            let pause = if starting { STARTING_CHECK_INTERVAL } else { CHECK_INTERVAL };
            tokio::time::sleep(pause.min(self.interval)).await;
        }
    }

    fn report(
        &self,
        status: &str,
        Readiness { ready, parts }: Readiness,
        start: Instant,
        update: bool,
        sample: Option<Sample>,
    ) -> Report {
        let next_within_secs = reports_order_intake(&parts).then_some(CONFIRMED_WITHIN.as_secs());
        let (measurements, machine) = match sample {
            Some(Sample { process, machine }) => (process, Some(machine)),
            None => (Vec::new(), None),
        };
        let heartbeat = Heartbeat {
            instance: instance_name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval_secs: self.interval.as_secs().max(1),
            uptime_secs: start.elapsed().as_secs(),
            ready,
            parts,
            port: self.port,
            update,
            next_within_secs,
            measurements,
            machine,
        };
        let data = serde_json::to_value(heartbeat.bounded()).unwrap_or_default();
        Report { level: Level::Info, service: self.service.to_owned(), status: status.to_owned(), data }
    }
}

/// Whether the components contain the price or the limit of orders.
fn reports_order_intake(parts: &[Component]) -> bool {
    parts.iter().any(|part| part.price.is_some() || part.limit.is_some())
}

#[cfg(test)]
mod tests;
