//! Metrics in the text format of Prometheus. Amounts of money are exact; see [`Units`].

mod exact;
mod process;

use std::sync::{Arc, RwLock};

use prometheus_client::{
    collector::Collector,
    encoding::text::encode,
    registry::{Metric, Registry},
};

use tokio::runtime::Handle;

pub use self::exact::{ExactCounter, ExactGauge, Units};
use self::process::{ProcessCollector, RuntimeCollector};
pub(crate) use self::process::{max_open_files, open_files, resident_memory};

/// The prefix of every metric except those of the process.
const PREFIX: &str = "buydesk";

/// The metrics of one service. Each service has its own metrics, even if all services run in one process.
#[derive(Clone)]
pub struct Metrics(Arc<RwLock<Registry>>);

impl Metrics {
    /// `service` becomes the label `service` of every metric.
    pub fn new(service: &'static str) -> Self {
        let labels = std::iter::once(("service".into(), service.into()));
        Self(Arc::new(RwLock::new(Registry::with_labels(labels))))
    }

    /// Registers a metric. Its full name is `buydesk_` followed by `name`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.with_prefix(|registry| registry.register(name, help, metric));
    }

    /// Registers a collector, which determines its values whenever the metrics are read. The prefix and the label `service` are
    /// added to its metrics.
    pub fn register_collector(&self, collector: impl Collector) {
        self.with_prefix(|registry| registry.register_collector(Box::new(collector)));
    }

    /// Registers the metrics of this process, without the prefix, and the metrics of the current asynchronous runtime,
    /// if there is one.
    pub fn register_process(&self) {
        let mut registry = self.0.write().expect("the lock of the metrics is not poisoned");
        registry.register_collector(Box::new(ProcessCollector::new()));
        drop(registry);
        if let Ok(runtime) = Handle::try_current() {
            self.register_collector(RuntimeCollector { runtime: runtime.metrics() });
        }
    }

    fn with_prefix(&self, register: impl FnOnce(&mut Registry)) {
        let mut registry = self.0.write().expect("the lock of the metrics is not poisoned");
        register(registry.sub_registry_with_prefix(PREFIX));
    }

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.read().expect("the lock of the metrics is not poisoned"))
            .expect("writing to a string does not fail");
        text
    }
}
