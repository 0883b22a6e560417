//! What the writer measures of itself.

use std::time::Duration;

use common::metrics::Metrics;
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

/// Sizes of groups, commit times and failures.
#[derive(Clone)]
pub struct WriterMetrics {
    groups: Histogram,
    seconds: Histogram,
    failures: Counter,
}

impl WriterMetrics {
    pub fn register(metrics: &Metrics) -> Self {
        let groups = Histogram::new([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]);
        let seconds = Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0]);
        let failures = Counter::default();
        metrics.register("order_group_size", "Orders committed in one transaction", groups.clone());
        metrics.register(
            "order_wait_seconds",
            "Time from the queue to the commit, of the oldest of a group",
            seconds.clone(),
        );
        metrics.register("order_commit_failures", "Tries to commit a group that failed", failures.clone());
        Self { groups, seconds, failures }
    }

    pub fn group(&self, size: usize, waited: Duration) {
        self.groups.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        self.seconds.observe(waited.as_secs_f64());
    }

    pub fn failed(&self) {
        self.failures.inc();
    }
}
