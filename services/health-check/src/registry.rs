//! The registry of services: their instances, heartbeats and states.

mod machines;
mod platform;

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::health::{Component, Heartbeat, InfrastructureComponent, InstanceHealth, ServiceHealth, ServiceState},
    startup::STARTUP_GRACE,
};

use crate::clock::Instants;

/// Maximum number of services in the registry. The platform has fewer services, so more names mean that a caller is
/// faulty.
pub(crate) const MAX_SERVICES: usize = 32;
/// Maximum number of instances of one service.
pub(crate) const MAX_INSTANCES: usize = 32;
/// An instance is removed after this many heartbeat intervals without a heartbeat, if another instance of its service
/// is running.
const INSTANCE_RETENTION_INTERVALS: u32 = 10;
/// A service that is not expected is removed when its last heartbeat is this old.
const SERVICE_RETENTION: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("the maximum number of services is reached")]
    TooManyServices,
    #[error("the maximum number of instances of the service is reached")]
    TooManyInstances,
}

/// The time without a heartbeat after which an instance is missing: two and a half intervals.
fn missing_after(interval: Duration) -> Duration {
    interval.saturating_mul(5) / 2
}

/// The state and the readiness of a service. Each change of the condition is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) state: ServiceState,
    /// Whether each running instance has every component that it needs. True if no instance is running.
    pub(crate) ready: bool,
    /// Whether every degraded instance has just started. False if no instance is degraded.
    pub(crate) starting: bool,
}

/// A change of the condition of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateChange {
    pub(crate) service: String,
    pub(crate) from: Condition,
    pub(crate) to: Condition,
    /// The components that are not ready, of all running instances.
    pub(crate) not_ready: Vec<Component>,
}

/// The expected services, and other services that have sent heartbeats.
pub(crate) struct ServiceRegistry {
    /// The name of health-check itself. Its state is never missing, stopped or unknown, because health-check is
    /// running.
    own_name: &'static str,
    services: BTreeMap<String, ServiceEntry>,
}

struct ServiceEntry {
    /// An expected service is shown before its first heartbeat and is never removed.
    expected: bool,
    instances: BTreeMap<String, Instance>,
    /// The condition at the last update.
    condition: Condition,
}

struct Instance {
    heartbeat: Heartbeat,
    last_seen: Instants,
    stopped: bool,
}

impl Instance {
    fn interval(&self) -> Duration {
        Duration::from_secs(self.heartbeat.interval_secs)
    }

    /// The time within which the next heartbeat arrives, if the latest heartbeat states this time.
    fn stated_interval(&self) -> Option<Duration> {
        self.heartbeat.next_within_secs.map(Duration::from_secs)
    }

    fn missing_after(&self) -> Duration {
        missing_after(self.stated_interval().unwrap_or(Duration::MAX).min(self.interval()))
    }

    /// Whether the instance is running and no heartbeat is overdue, so that its latest heartbeat describes its present
    /// state.
    fn is_confirmed(&self, now: Instants) -> bool {
        self.is_running(now) && self.stated_interval().is_none_or(|stated| now.since(self.last_seen) < stated)
    }

    fn state(&self, now: Instants) -> ServiceState {
        if self.stopped {
            ServiceState::Stopped
        } else if now.since(self.last_seen) >= self.missing_after() {
            ServiceState::Missing
        } else if self.heartbeat.ready && self.heartbeat.parts.iter().all(|part| part.ready) {
            ServiceState::Alive
        } else {
            ServiceState::Degraded
        }
    }

    fn is_running(&self, now: Instants) -> bool {
        matches!(self.state(now), ServiceState::Alive | ServiceState::Degraded)
    }

    /// Whether the instance has every component that it needs.
    fn is_ready(&self) -> bool {
        self.heartbeat.ready && !self.heartbeat.parts.iter().any(Component::is_fatal)
    }

    /// Whether the instance has started so recently that its components may still be starting.
    fn is_starting(&self, now: Instants) -> bool {
        Duration::from_secs(self.heartbeat.uptime_secs) + now.since(self.last_seen) < STARTUP_GRACE
    }

    fn health(&self, now: Instants) -> InstanceHealth {
        let Heartbeat { instance, version, interval_secs, uptime_secs, parts, measurements, .. } =
            self.heartbeat.clone();
        let (state, last_seen) = (self.state(now), self.last_seen.wall);
        InstanceHealth { instance, state, last_seen, interval_secs, uptime_secs, version, parts, measurements }
    }
}

impl ServiceEntry {
    fn new(expected: bool) -> Self {
        let condition = Condition { state: ServiceState::Unknown, ready: true, starting: false };
        Self { expected, instances: BTreeMap::new(), condition }
    }

    fn running(&self, now: Instants) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.is_running(now))
    }

    /// The condition of the service. `state` is the state that [`ServiceRegistry::state_of`] returns.
    fn condition(&self, state: ServiceState, now: Instants) -> Condition {
        let is_degraded = |instance: &Instance| instance.state(now) == ServiceState::Degraded;
        Condition {
            state,
            ready: self.running(now).all(Instance::is_ready),
            starting: state == ServiceState::Degraded
                && self.running(now).any(is_degraded)
                && self.running(now).filter(|instance| is_degraded(instance)).all(|instance| instance.is_starting(now)),
        }
    }

    fn state(&self, now: Instants) -> ServiceState {
        let any = |state| self.instances.values().any(|instance| instance.state(now) == state);
        let (alive, degraded, missing) =
            (any(ServiceState::Alive), any(ServiceState::Degraded), any(ServiceState::Missing));
        if degraded || (alive && missing) {
            ServiceState::Degraded
        } else if alive {
            ServiceState::Alive
        } else {
            // No instance is running, so the instance with the latest heartbeat decides. If every instance counted, an
            // instance that became missing long ago would turn a normal stop into `Missing`.
            self.latest_instance().map_or(ServiceState::Unknown, |latest| latest.state(now))
        }
    }

    fn latest_instance(&self) -> Option<&Instance> {
        self.instances.values().max_by_key(|instance| instance.last_seen.monotonic)
    }

    /// The components of all running instances, one for each name: see [`merge_components`].
    fn components(&self, now: Instants) -> Vec<Component> {
        merge_components(self.running(now).flat_map(|instance| &instance.heartbeat.parts))
    }

    /// Removes instances without a recent heartbeat. Keeps all instances if none is running.
    fn remove_old_instances(&mut self, now: Instants) {
        if self.instances.values().any(|instance| instance.is_running(now)) {
            self.instances.retain(|_, instance| {
                now.since(instance.last_seen) < instance.interval().saturating_mul(INSTANCE_RETENTION_INTERVALS)
            });
        }
    }

    /// Removes the instances that `newer` has replaced: the instances that had the same host and port, and have sent
    /// nothing since `newer` started. A killed process does not report its end.
    fn remove_replaced(&mut self, newer: &Heartbeat, now: Instants) {
        let (Some(port), Some(host)) = (newer.port, host_of(&newer.instance)) else { return };
        let uptime = Duration::from_secs(newer.uptime_secs);
        self.instances.retain(|name, older| {
            let is_other = *name != newer.instance;
            let has_same_address = older.heartbeat.port == Some(port) && host_of(name) == Some(host);
            !(is_other && has_same_address && now.since(older.last_seen) >= uptime)
        });
    }

    /// Makes room for one more instance. If the limit is reached, removes the missing or stopped instance with the
    /// oldest heartbeat. Fails if every instance is running.
    fn make_room(&mut self, now: Instants) -> Result<(), RegistryError> {
        if self.instances.len() < MAX_INSTANCES {
            return Ok(());
        }
        let not_running = self.instances.iter().filter(|(_, instance)| !instance.is_running(now));
        let oldest = not_running.min_by_key(|(_, instance)| instance.last_seen.monotonic).map(|(name, _)| name.clone());
        oldest.and_then(|name| self.instances.remove(&name)).map(|_| ()).ok_or(RegistryError::TooManyInstances)
    }
}

/// The host in the name of an instance. `None` if the name does not consist of a host and a process id.
fn host_of(instance: &str) -> Option<&str> {
    let (host, process) = instance.rsplit_once('-')?;
    process.parse::<u32>().is_ok().then_some(host)
}

/// Keeps one of the components with the same name: the first fatal component. If no component is fatal, keeps the first
/// component that is not ready. If all components are ready, keeps the first component.
fn merge_components<'a>(components: impl Iterator<Item = &'a Component>) -> Vec<Component> {
    let mut merged: BTreeMap<&str, &Component> = BTreeMap::new();
    for component in components {
        let first = merged.entry(&component.name).or_insert(component);
        if (first.ready && !component.ready) || (!first.is_fatal() && component.is_fatal()) {
            *first = component;
        }
    }
    merged.into_values().cloned().collect()
}

/// A component in the heartbeat of an instance.
struct ReportedComponent<'a> {
    service: &'a str,
    instance: &'a Instance,
    component: &'a Component,
}

impl ServiceRegistry {
    pub(crate) fn new(own_name: &'static str, expected: &[&str]) -> Self {
        Self { own_name, services: expected.iter().map(|&name| (name.to_owned(), ServiceEntry::new(true))).collect() }
    }

    pub(crate) fn contains(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// Records a heartbeat. If `stopping` is true, the instance sends no further heartbeat.
    pub(crate) fn record_heartbeat(
        &mut self,
        service: &str,
        heartbeat: Heartbeat,
        stopping: bool,
        now: Instants,
    ) -> Result<(), RegistryError> {
        if !self.services.contains_key(service) && self.services.len() >= MAX_SERVICES {
            return Err(RegistryError::TooManyServices);
        }
        let entry = self.services.entry(service.to_owned()).or_insert_with(|| ServiceEntry::new(false));
        entry.remove_replaced(&heartbeat, now);
        if !entry.instances.contains_key(&heartbeat.instance) {
            entry.make_room(now)?;
        }
        let name = heartbeat.instance.clone();
        entry.instances.insert(name, Instance { heartbeat, last_seen: now, stopped: stopping });
        Ok(())
    }

    fn state_of(&self, name: &str, entry: &ServiceEntry, now: Instants) -> ServiceState {
        match entry.state(now) {
            ServiceState::Missing | ServiceState::Stopped | ServiceState::Unknown if name == self.own_name => {
                ServiceState::Alive
            }
            state => state,
        }
    }

    /// Removes old services and instances, and returns the changes of condition since the last update.
    pub(crate) fn update_states(&mut self, now: Instants) -> Vec<StateChange> {
        for entry in self.services.values_mut() {
            entry.remove_old_instances(now);
        }
        self.services.retain(|_, entry| {
            let latest = entry.latest_instance();
            entry.expected || latest.is_some_and(|latest| now.since(latest.last_seen) < SERVICE_RETENTION)
        });
        let states: Vec<_> = self.services.iter().map(|(name, entry)| self.state_of(name, entry, now)).collect();
        let mut changes = Vec::new();
        for ((name, entry), to) in self.services.iter_mut().zip(states) {
            let to = entry.condition(to, now);
            let from = std::mem::replace(&mut entry.condition, to);
            if from != to {
                let not_ready = entry.components(now).into_iter().filter(|component| !component.ready).collect();
                changes.push(StateChange { service: name.clone(), from, to, not_ready });
            }
        }
        changes
    }

    pub(crate) fn services(&self, now: Instants) -> Vec<ServiceHealth> {
        let health = |(name, entry): (&String, &ServiceEntry)| {
            let latest = entry.latest_instance();
            let own_time = (name == self.own_name).then_some(now.wall);
            let version = latest.map(|instance| instance.heartbeat.version.clone());
            ServiceHealth {
                service: name.clone(),
                state: self.state_of(name, entry, now),
                ready: entry.running(now).map(Instance::is_ready).reduce(|any, ready| any || ready),
                port: latest.and_then(|instance| instance.heartbeat.port),
                last_seen: own_time.or_else(|| latest.map(|instance| instance.last_seen.wall)),
                interval_secs: latest.map(|instance| instance.heartbeat.interval_secs),
                version: version.filter(|version| !version.is_empty()),
                parts: entry.components(now),
                instances: entry.instances.values().map(|instance| instance.health(now)).collect(),
            }
        };
        self.services.iter().map(health).collect()
    }

    /// The components that are not services of the platform, such as the database.
    pub(crate) fn infrastructure(&self, now: Instants) -> Vec<InfrastructureComponent> {
        let mut by_name: BTreeMap<&str, Vec<ReportedComponent>> = BTreeMap::new();
        for (service, entry) in &self.services {
            for instance in entry.instances.values() {
                let components = instance.heartbeat.parts.iter();
                for component in components.filter(|component| !self.services.contains_key(&component.name)) {
                    let reported = ReportedComponent { service, instance, component };
                    by_name.entry(&component.name).or_default().push(reported);
                }
            }
        }
        by_name.into_iter().map(|(name, reported)| infrastructure_component(name, &reported, now)).collect()
    }
}

fn infrastructure_component(name: &str, reported: &[ReportedComponent], now: Instants) -> InfrastructureComponent {
    let mut told_by: Vec<_> = reported.iter().map(|reported| reported.service.to_owned()).collect();
    told_by.dedup();
    // The last heartbeat of an instance that is not running may be outdated.
    let current = reported.iter().filter(|reported| reported.instance.is_running(now));
    let component = merge_components(current.map(|reported| reported.component)).pop();
    let component =
        component.unwrap_or_else(|| Component::not_ready(name, "no running instance reports this component"));
    let optional = component.optional && !reported.iter().any(|reported| !reported.component.optional);
    let Component { name, ready, detail, marks, measurements, .. } = component;
    InfrastructureComponent { name, ready, detail, marks, optional, told_by, measurements }
}

#[cfg(test)]
mod tests;
