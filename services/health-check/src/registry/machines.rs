//! The machines on which services run, from the heartbeats of the services.

use std::collections::{BTreeMap, BTreeSet};

use common::api::health::{Machine, MachineHealth, Measurement};

use super::{Instance, ServiceRegistry};
use crate::clock::Instants;

/// A machine in the heartbeat of a running instance.
struct ReportedMachine<'a> {
    service: &'a str,
    last_seen: Instants,
    machine: &'a Machine,
}

impl ServiceRegistry {
    /// The machines of all running instances.
    pub(crate) fn machines(&self, now: Instants) -> Vec<MachineHealth> {
        let mut by_machine: BTreeMap<&str, Vec<ReportedMachine>> = BTreeMap::new();
        for (service, entry) in &self.services {
            for Instance { heartbeat, last_seen, .. } in entry.running(now) {
                if let Some(machine) = &heartbeat.machine {
                    let reported = ReportedMachine { service, last_seen: *last_seen, machine };
                    by_machine.entry(&machine.id).or_default().push(reported);
                }
            }
        }
        let mut machines: Vec<_> = by_machine.into_values().filter_map(machine_health).collect();
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        machines
    }
}

/// Merges the values that several instances reported about one machine. Of several values of one measurement, the
/// result contains the latest. `None` if the list is empty.
fn machine_health(mut reported: Vec<ReportedMachine<'_>>) -> Option<MachineHealth> {
    reported.sort_by_key(|reported| reported.last_seen.monotonic);
    let mut measurements: Vec<Measurement> = Vec::new();
    for measurement in reported.iter().flat_map(|reported| &reported.machine.measurements) {
        let is_same = |older: &&mut Measurement| older.name == measurement.name && older.subject == measurement.subject;
        match measurements.iter_mut().find(is_same) {
            Some(older) => *older = measurement.clone(),
            None => measurements.push(measurement.clone()),
        }
    }
    let services: BTreeSet<_> = reported.iter().map(|reported| reported.service.to_owned()).collect();
    let latest = reported.last()?;
    Some(MachineHealth {
        name: latest.machine.name.clone(),
        services: services.into_iter().collect(),
        last_seen: latest.last_seen.wall,
        measurements,
    })
}
