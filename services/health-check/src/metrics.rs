//! The Prometheus metrics of health-check, in addition to the metrics that every service has.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use common::{
    api::{
        alerts::{Alert, AlertState},
        health::{InfrastructureComponent, ServiceHealth, ServiceState},
    },
    level::Level,
    metrics::Metrics,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::alerts::rules::Rule;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabel {
    level: &'static str,
}

/// The registry limits the number of services, and therefore the number of label values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    name: String,
    state: &'static str,
}

/// The number of label values is limited, because the registry limits the number of instances, and each heartbeat has a
/// limited number of components.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabel {
    name: String,
}

/// Each firing alert has a gauge, and so has each rule without a firing alert. The number of firing alerts and rules
/// therefore limits the number of label values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct AlertLabels {
    alert: String,
    subject: String,
}

pub(crate) struct HealthMetrics {
    alerts: Family<AlertLabels, Gauge>,
    components: Family<ComponentLabel, Gauge>,
    reports: Family<LevelLabel, Counter>,
    states: Family<StateLabels, Gauge>,
    /// The alerts for which `alerts` has gauges.
    alert_labels: Mutex<BTreeSet<AlertLabels>>,
    /// The services for which `states` has gauges.
    services: Mutex<BTreeSet<String>>,
    /// The components for which `components` has gauges.
    component_names: Mutex<BTreeSet<String>>,
}

impl HealthMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self {
            alerts: Family::default(),
            components: Family::default(),
            reports: Family::default(),
            states: Family::default(),
            alert_labels: Mutex::default(),
            services: Mutex::default(),
            component_names: Mutex::default(),
        };
        metrics.register("alert_firing", "1 for each alert that fires, silenced or not", new.alerts.clone());
        metrics.register("component_ready", "1 if the component is ready, 0 if it is not", new.components.clone());
        metrics.register("reports", "Reports that were stored since the start", new.reports.clone());
        metrics.register(
            "service_state",
            "1 for the current state of a service, 0 for other states",
            new.states.clone(),
        );
        new.set_alerts(&[]);
        new
    }

    pub(crate) fn count_report(&self, level: Level) {
        self.reports.get_or_create(&LevelLabel { level: level.as_str() }).inc();
    }

    /// Sets a gauge for each firing alert. For each rule without a firing alert, sets a gauge with an empty subject to
    /// 0, so that the metric is never absent. Removes all other gauges.
    pub(crate) fn set_alerts(&self, alerts: &[Alert]) {
        let firing = alerts.iter().filter(|alert| alert.state == AlertState::Firing);
        let firing =
            firing.map(|Alert { name, subject, .. }| AlertLabels { alert: name.clone(), subject: subject.clone() });
        let mut labels: BTreeSet<_> = firing.collect();
        for firing in &labels {
            self.alerts.get_or_create(firing).set(1);
        }
        let is_firing = |name: &str| labels.iter().any(|firing| firing.alert == name);
        let inactive_rules = Rule::ALL.iter().map(|rule| rule.name()).filter(|name| !is_firing(name));
        let inactive: Vec<_> =
            inactive_rules.map(|name| AlertLabels { alert: name.to_owned(), subject: String::new() }).collect();
        for label in &inactive {
            self.alerts.get_or_create(label).set(0);
        }
        labels.extend(inactive);
        for removed in replace_labels(&self.alert_labels, labels) {
            self.alerts.remove(&removed);
        }
    }

    /// Sets the gauges of these services and removes the gauges of all other services.
    pub(crate) fn set_states(&self, services: &[ServiceHealth]) {
        for service in services {
            for state in ServiceState::ALL {
                self.states
                    .get_or_create(&state_labels(&service.service, state))
                    .set(i64::from(service.state == state));
            }
        }
        let names = services.iter().map(|service| service.service.clone());
        for removed in replace_labels(&self.services, names.collect()) {
            for state in ServiceState::ALL {
                self.states.remove(&state_labels(&removed, state));
            }
        }
    }

    /// Sets the gauges of these components and removes the gauges of all other components.
    pub(crate) fn set_components(&self, components: &[InfrastructureComponent]) {
        for component in components {
            let label = ComponentLabel { name: component.name.clone() };
            self.components.get_or_create(&label).set(i64::from(component.ready));
        }
        let names = components.iter().map(|component| component.name.clone());
        for name in replace_labels(&self.component_names, names.collect()) {
            self.components.remove(&ComponentLabel { name });
        }
    }
}

/// Replaces the labels. Returns the old labels that are not among the new labels; the caller removes their gauges.
fn replace_labels<T: Ord + Clone>(labels: &Mutex<BTreeSet<T>>, new: BTreeSet<T>) -> Vec<T> {
    let mut current = labels.lock().unwrap_or_else(PoisonError::into_inner);
    let removed = current.difference(&new).cloned().collect();
    *current = new;
    removed
}

fn state_labels(name: &str, state: ServiceState) -> StateLabels {
    StateLabels { name: name.to_owned(), state: state.as_str() }
}

#[cfg(test)]
mod tests;
