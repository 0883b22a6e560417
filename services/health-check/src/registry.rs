//! The services and their calls.

use std::{collections::BTreeMap, time::Duration};

use common::api::health::{
    Component, HealthStatus, Heartbeat, InfrastructureComponent, InstanceHealth, ServiceHealth, ServiceState,
    missing_after,
};

use crate::clock::Instants;

/// Most services, and most instances of one, that are kept. Ours are fewer; more would be a caller gone wrong.
pub(crate) const MAX_SERVICES: usize = 32;
pub(crate) const MAX_INSTANCES: usize = 32;
/// After so many of its intervals an instance that does not call is forgotten, where others of its service do.
const FORGET_INTERVALS: u32 = 10;
/// For how long a service is remembered that is not expected and does not call.
const FORGET_SERVICE: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("too many services are known")]
    TooManyServices,
    #[error("too many instances of the service call")]
    TooManyInstances,
}

/// That a service stands otherwise than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateChange {
    pub(crate) service: String,
    pub(crate) from: ServiceState,
    pub(crate) to: ServiceState,
    /// What is missing of what it needs.
    pub(crate) missing: Vec<Component>,
}

/// All services that are expected or were heard of. `own` is the one that keeps it, which is alive as long as anybody asks.
pub(crate) struct ServiceRegistry {
    own: &'static str,
    services: BTreeMap<String, ServiceEntry>,
}

struct ServiceEntry {
    expected: bool,
    instances: BTreeMap<String, Instance>,
    /// As it was last looked at.
    state: ServiceState,
}

struct Instance {
    call: Heartbeat,
    last_seen: Instants,
    stopped: bool,
}

impl Instance {
    fn interval(&self) -> Duration {
        Duration::from_secs(self.call.interval_secs)
    }

    fn state(&self, now: Instants) -> ServiceState {
        if self.stopped {
            ServiceState::Stopped
        } else if now.since(self.last_seen) >= missing_after(self.interval()) {
            ServiceState::Missing
        } else if self.call.ready && self.call.parts.iter().all(|part| part.ready) {
            ServiceState::Alive
        } else {
            ServiceState::Degraded
        }
    }

    fn calls(&self, now: Instants) -> bool {
        matches!(self.state(now), ServiceState::Alive | ServiceState::Degraded)
    }
}

impl ServiceEntry {
    fn new(expected: bool) -> Self {
        Self { expected, instances: BTreeMap::new(), state: ServiceState::Unknown }
    }

    fn state(&self, now: Instants) -> ServiceState {
        let has = |state| self.instances.values().any(|instance| instance.state(now) == state);
        match (has(ServiceState::Alive), has(ServiceState::Degraded), has(ServiceState::Missing)) {
            (true, false, false) => ServiceState::Alive,
            (true, ..) | (_, true, _) => ServiceState::Degraded,
            // Where nobody calls, it stands as the one does who called last: an instance that was lost long ago does not make
            // a stop in good order look like a loss.
            (false, false, _) => self.latest().map_or(ServiceState::Unknown, |latest| latest.state(now)),
        }
    }

    fn latest(&self) -> Option<&Instance> {
        self.instances.values().max_by_key(|instance| instance.last_seen.steady)
    }

    /// What it needs, by those of its instances that call.
    fn parts(&self, now: Instants) -> Vec<Component> {
        let calling = self.instances.values().filter(|instance| instance.calls(now));
        merged(calling.flat_map(|instance| &instance.call.parts))
    }

    fn forget(&mut self, now: Instants) {
        if self.instances.values().any(|instance| instance.calls(now)) {
            self.instances.retain(|_, instance| {
                now.since(instance.last_seen) < instance.interval().saturating_mul(FORGET_INTERVALS)
            });
        }
    }

    /// Makes room for one more instance, at the cost of the one that has been away longest.
    fn make_room(&mut self, now: Instants) -> Result<(), RegistryError> {
        if self.instances.len() < MAX_INSTANCES {
            return Ok(());
        }
        let away = self.instances.iter().filter(|(_, instance)| !instance.calls(now));
        let oldest = away.min_by_key(|(_, instance)| instance.last_seen.steady).map(|(name, _)| name.clone());
        oldest.and_then(|name| self.instances.remove(&name)).map(|_| ()).ok_or(RegistryError::TooManyInstances)
    }
}

/// Each part once: ready where it is for everybody, else with the first reason that was given.
fn merged<'a>(parts: impl Iterator<Item = &'a Component>) -> Vec<Component> {
    let mut merged: BTreeMap<&str, &Component> = BTreeMap::new();
    for part in parts {
        let known = merged.entry(&part.name).or_insert(part);
        if known.ready && !part.ready {
            *known = part;
        }
    }
    merged.into_values().cloned().collect()
}

impl ServiceRegistry {
    pub(crate) fn new(own: &'static str, expected: &[&str]) -> Self {
        Self { own, services: expected.iter().map(|&name| (name.to_owned(), ServiceEntry::new(true))).collect() }
    }

    /// Takes a call; `stops` where it is the last one.
    pub(crate) fn record_heartbeat(
        &mut self,
        service: &str,
        call: Heartbeat,
        stops: bool,
        now: Instants,
    ) -> Result<(), RegistryError> {
        if !self.services.contains_key(service) {
            if self.services.len() >= MAX_SERVICES {
                return Err(RegistryError::TooManyServices);
            }
            self.services.insert(service.to_owned(), ServiceEntry::new(false));
        }
        let known = self.services.entry(service.to_owned()).or_insert_with(|| ServiceEntry::new(false));
        if !known.instances.contains_key(&call.instance) {
            known.make_room(now)?;
        }
        known.instances.insert(call.instance.clone(), Instance { call, last_seen: now, stopped: stops });
        Ok(())
    }

    fn state_of(&self, name: &str, known: &ServiceEntry, now: Instants) -> ServiceState {
        match known.state(now) {
            ServiceState::Missing | ServiceState::Stopped | ServiceState::Unknown if name == self.own => {
                ServiceState::Alive
            }
            state => state,
        }
    }

    /// Looks at every service again, forgets who has been away for long, and tells what changed since the last look.
    pub(crate) fn tick(&mut self, now: Instants) -> Vec<StateChange> {
        for known in self.services.values_mut() {
            known.forget(now);
        }
        self.services.retain(|_, known| {
            known.expected || known.latest().is_some_and(|latest| now.since(latest.last_seen) < FORGET_SERVICE)
        });
        let mut changes = Vec::new();
        let states: Vec<_> = self.services.iter().map(|(name, known)| self.state_of(name, known, now)).collect();
        for ((name, known), to) in self.services.iter_mut().zip(states) {
            let from = std::mem::replace(&mut known.state, to);
            if from != to {
                let missing = known.parts(now).into_iter().filter(|part| !part.ready).collect();
                changes.push(StateChange { service: name.clone(), from, to, missing });
            }
        }
        changes
    }

    pub(crate) fn services(&self, now: Instants) -> Vec<ServiceHealth> {
        let health = |(name, known): (&String, &ServiceEntry)| {
            let latest = known.latest();
            let own = (name == self.own).then_some(now.at);
            ServiceHealth {
                service: name.clone(),
                state: self.state_of(name, known, now),
                last_seen: own.or_else(|| latest.map(|instance| instance.last_seen.at)),
                interval_secs: latest.map(|instance| instance.call.interval_secs),
                version: latest.map(|instance| instance.call.version.clone()).filter(|version| !version.is_empty()),
                parts: known.parts(now),
                instances: known.instances.values().map(|instance| instance_health(instance, now)).collect(),
            }
        };
        self.services.iter().map(health).collect()
    }

    /// What the services need that is no service itself.
    pub(crate) fn infrastructure(&self, now: Instants) -> Vec<InfrastructureComponent> {
        let mut tellers: BTreeMap<&str, Vec<(&String, &Instance, &Component)>> = BTreeMap::new();
        for (service, known) in &self.services {
            for instance in known.instances.values() {
                for part in instance.call.parts.iter().filter(|part| !self.services.contains_key(&part.name)) {
                    tellers.entry(&part.name).or_default().push((service, instance, part));
                }
            }
        }
        let tell = |(name, tellers): (&str, Vec<(&String, &Instance, &Component)>)| {
            let mut told_by: Vec<_> = tellers.iter().map(|(service, ..)| (*service).clone()).collect();
            told_by.dedup();
            let calling = tellers.iter().filter(|(_, instance, _)| instance.calls(now)).map(|(.., part)| *part);
            // What somebody said who has gone is not known to be true any more.
            let part =
                merged(calling).pop().unwrap_or_else(|| Component::missing(name, "nobody calls who tells of it"));
            InfrastructureComponent { name: part.name, ready: part.ready, detail: part.detail, told_by }
        };
        tellers.into_iter().map(tell).collect()
    }

    pub(crate) fn status(&self, now: Instants) -> HealthStatus {
        let worst = self.services.iter().map(|(name, known)| match self.state_of(name, known, now) {
            ServiceState::Alive => HealthStatus::Ok,
            // Nobody waits for it.
            ServiceState::Stopped | ServiceState::Unknown if !known.expected => HealthStatus::Ok,
            ServiceState::Degraded | ServiceState::Stopped | ServiceState::Unknown => HealthStatus::Degraded,
            ServiceState::Missing => HealthStatus::Failing,
        });
        worst.max().unwrap_or(HealthStatus::Ok)
    }
}

fn instance_health(instance: &Instance, now: Instants) -> InstanceHealth {
    let Instance { call, last_seen, .. } = instance;
    InstanceHealth {
        instance: call.instance.clone(),
        state: instance.state(now),
        last_seen: last_seen.at,
        interval_secs: call.interval_secs,
        uptime_secs: call.uptime_secs,
        version: call.version.clone(),
        parts: call.parts.clone(),
    }
}

#[cfg(test)]
mod tests;
