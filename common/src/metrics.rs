//! Measurements, in the text format of Prometheus. The one place where floats are right: nothing here is money.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Metric, Registry},
};

/// The measurements of one service. Each service has its own, also where all run in one process.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    http: HttpMetrics,
}

impl Metrics {
    /// `service` becomes a label of every measurement.
    pub fn new(service: &'static str) -> Self {
        let mut registry =
            Registry::with_prefix_and_labels("buydesk", std::iter::once(("service".into(), service.into())));
        let http = HttpMetrics::register(&mut registry);
        Self { registry: Arc::new(RwLock::new(registry)), http }
    }

    /// Adds a measurement under `name`, which becomes `buydesk_name`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.write().expect("no holder of this lock panics").register(name, help, metric);
    }

    pub fn http(&self) -> HttpMetrics {
        self.http.clone()
    }

    /// All measurements as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry.read().expect("no holder of this lock panics"))
            .expect("writing to a string does not fail");
        text
    }
}

/// Labels are operation ids, never raw paths, so that a client cannot make new ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// How many requests were answered, how, and how long they took.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: Family<HttpLabels, Counter>,
    seconds: Family<OperationLabel, Histogram>,
}

/// Upper bounds in seconds: from an answer out of memory to the deadline of a request.
const SECONDS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl HttpMetrics {
    fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_seconds", "Time to answer a request", seconds.clone());
        Self { requests, seconds }
    }

    pub(crate) fn observe(&self, operation: &'static str, status: u16, elapsed: Duration) {
        self.requests.get_or_create(&HttpLabels { operation, status }).inc();
        self.seconds.get_or_create(&OperationLabel { operation }).observe(elapsed.as_secs_f64());
    }
}
