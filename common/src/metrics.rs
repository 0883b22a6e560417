//! Metrics in the text format of Prometheus. Amounts of money are exact; see [`Units`].

mod exact;

use std::sync::{Arc, RwLock};

use prometheus_client::{
    collector::Collector,
    encoding::text::encode,
    registry::{Metric, Registry},
};

pub use self::exact::{ExactCounter, ExactGauge, Units};

/// The metrics of one service. Each service has its own metrics, even if all services run in one process.
#[derive(Clone)]
pub struct Metrics(Arc<RwLock<Registry>>);

impl Metrics {
    /// `service` becomes the label `service` of every metric.
    pub fn new(service: &'static str) -> Self {
        let labels = std::iter::once(("service".into(), service.into()));
        Self(Arc::new(RwLock::new(Registry::with_prefix_and_labels("buydesk", labels))))
    }

    /// Registers a metric. Its full name is `buydesk_` followed by `name`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.0.write().expect("the lock of the metrics is not poisoned").register(name, help, metric);
    }

    /// Registers a collector, which determines its values whenever the metrics are read. The prefix and the label `service` are
    /// added to its metrics.
    pub fn register_collector(&self, collector: impl Collector) {
        self.0.write().expect("the lock of the metrics is not poisoned").register_collector(Box::new(collector));
    }

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.read().expect("the lock of the metrics is not poisoned"))
            .expect("writing to a string does not fail");
        text
    }
}
