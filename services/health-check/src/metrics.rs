//! What Prometheus is told beside the usual.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use common::{
    api::health::{ServiceHealth, ServiceState},
    level::Level,
    metrics::Metrics,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabel {
    level: &'static str,
}

/// Bounded by the number of services that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    name: String,
    state: &'static str,
}

pub(crate) struct HealthMetrics {
    reports: Family<LevelLabel, Counter>,
    states: Family<StateLabels, Gauge>,
    /// The services that have a state there.
    shown: Mutex<BTreeSet<String>>,
}

impl HealthMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self { reports: Family::default(), states: Family::default(), shown: Mutex::default() };
        metrics.register("reports", "Reports received", new.reports.clone());
        metrics.register("service_state", "1 for the state that a service is in", new.states.clone());
        new
    }

    pub(crate) fn count(&self, level: Level) {
        self.reports.get_or_create(&LevelLabel { level: level.as_str() }).inc();
    }

    pub(crate) fn show(&self, services: &[ServiceHealth]) {
        for service in services {
            for state in ServiceState::ALL {
                self.states.get_or_create(&labels(&service.service, state)).set(i64::from(service.state == state));
            }
        }
        let known = services.iter().map(|service| service.service.clone()).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for forgotten in shown.difference(&known) {
            for state in ServiceState::ALL {
                self.states.remove(&labels(forgotten, state));
            }
        }
        *shown = known;
    }
}

fn labels(name: &str, state: ServiceState) -> StateLabels {
    StateLabels { name: name.to_owned(), state: state.as_str() }
}
