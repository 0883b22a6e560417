//! Metrics of HTTP requests.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use crate::metrics::Metrics;

/// The operation is an operation id or `none`, and never a raw path, so clients cannot create label values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// Count and duration of the answered requests.
#[derive(Clone)]
pub(super) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabel, Histogram>,
}

/// The upper bounds of the histogram in seconds. The last bound is the deadline of a request.
const SECONDS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl HttpMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let requests = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        metrics.register("http_requests", "Answered HTTP requests", requests.clone());
        metrics.register("http_request_seconds", "Time to answer an HTTP request", seconds.clone());
        Self { requests, seconds }
    }

    pub(super) fn observe(&self, operation: &'static str, status: u16, elapsed: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        self.seconds.get_or_create(&OperationLabel { operation }).observe(elapsed.as_secs_f64());
    }
}
