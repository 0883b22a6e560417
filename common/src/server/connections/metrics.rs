//! Metrics of connections.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use super::activity::Timeout;
use crate::metrics::Metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TimeoutLabel {
    timeout: &'static str,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionMetrics {
    pub(super) open: Gauge,
    pub(super) refused: Counter,
    pub(super) accept_errors: Counter,
    timed_out: Family<TimeoutLabel, Counter>,
}

impl ConnectionMetrics {
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.register("http_connections", "Open HTTP connections", self.open.clone());
        metrics.register(
            "http_connections_refused",
            "HTTP connections refused because of the maximum number of connections",
            self.refused.clone(),
        );
        metrics.register(
            "http_accept_errors",
            "Errors while accepting a connection, for example because no file descriptor is free",
            self.accept_errors.clone(),
        );
        metrics.register(
            "http_connections_timed_out",
            "HTTP connections closed because of a timeout",
            self.timed_out.clone(),
        );
    }

    pub(super) fn count_timeout(&self, timeout: Timeout) {
        let timeout = match timeout {
            Timeout::Head => "head",
            Timeout::Idle => "idle",
            Timeout::Write => "write",
        };
        self.timed_out.get_or_create(&TimeoutLabel { timeout }).inc();
    }
}
