//! Metrics of a writer.

use std::time::Duration;

use common::metrics::Metrics;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

/// Waiting commands, batch sizes, waiting times and failed attempts of one aggregate's writer.
#[derive(Clone)]
pub struct WriterMetrics {
    aggregate: &'static str,
    waiting: Gauge,
    sizes: Histogram,
    seconds: Histogram,
    failures: Counter,
}

impl WriterMetrics {
    /// Registers `AGGREGATE_waiting_commands`, `AGGREGATE_group_size`, `AGGREGATE_wait_seconds` and
    /// `AGGREGATE_commit_failures`.
    pub fn register(metrics: &Metrics, aggregate: &'static str) -> Self {
        let waiting = Gauge::default();
        metrics.register(&format!("{aggregate}_waiting_commands"), "Commands without a decision", waiting.clone());
        let sizes = Histogram::new([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]);
        let seconds = Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0]);
        let failures = Counter::default();
        metrics.register(&format!("{aggregate}_group_size"), "Commands of a batch when it was answered", sizes.clone());
        metrics.register(
            &format!("{aggregate}_wait_seconds"),
            "Time from the submission of the oldest command of a batch to the answer",
            seconds.clone(),
        );
        metrics.register(&format!("{aggregate}_commit_failures"), "Failed attempts to commit", failures.clone());
        Self { aggregate, waiting, sizes, seconds, failures }
    }

    pub(super) fn aggregate(&self) -> &'static str {
        self.aggregate
    }

    /// The metric of the number of commands that wait for a decision. Clones share its value.
    pub(super) fn waiting(&self) -> Gauge {
        self.waiting.clone()
    }

    pub fn record_submitted(&self, commands: usize) {
        self.waiting.inc_by(i64::try_from(commands).unwrap_or(i64::MAX));
    }

    /// Records that commands were decided or dropped.
    pub fn record_done(&self, commands: usize) {
        self.waiting.dec_by(i64::try_from(commands).unwrap_or(i64::MAX));
    }

    pub fn record_batch(&self, size: usize, waited: Duration) {
        self.sizes.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        self.seconds.observe(waited.as_secs_f64());
    }

    pub fn record_failure(&self) {
        self.failures.inc();
    }
}
