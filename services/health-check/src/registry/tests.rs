use common::api::health::ServiceState::{Alive, Degraded, Missing, Stopped, Unknown};

use super::*;
use crate::clock::instants_at;

const OWN: &str = "health-check";

fn registry() -> ServiceRegistry {
    ServiceRegistry::new(OWN, &["create-order", OWN])
}

fn call(instance: &str, parts: Vec<Component>) -> Heartbeat {
    Heartbeat {
        instance: instance.to_owned(),
        version: "1.2.3".to_owned(),
        interval_secs: 60,
        uptime_secs: 5,
        ready: parts.iter().all(|part| part.ready),
        parts,
    }
}

fn alive(registry: &mut ServiceRegistry, service: &str, instance: &str, secs: u64) {
    registry.record_heartbeat(service, call(instance, Vec::new()), false, instants_at(secs)).unwrap();
}

fn state(registry: &ServiceRegistry, service: &str, secs: u64) -> ServiceState {
    registry.services(instants_at(secs)).into_iter().find(|s| s.service == service).unwrap().state
}

fn changes(registry: &mut ServiceRegistry, secs: u64) -> Vec<(String, ServiceState, ServiceState)> {
    registry.tick(instants_at(secs)).into_iter().map(|c| (c.service, c.from, c.to)).collect()
}

#[test]
fn a_service_is_missing_two_and_a_half_intervals_after_its_last_call_and_no_earlier() {
    let mut registry = registry();
    assert_eq!(state(&registry, "create-order", 0), Unknown);
    alive(&mut registry, "create-order", "a", 0);
    alive(&mut registry, "create-order", "a", 60);
    assert_eq!(state(&registry, "create-order", 60 + 149), Alive);
    assert_eq!(state(&registry, "create-order", 60 + 150), Missing);
    assert_eq!(registry.status(instants_at(60 + 150)), HealthStatus::Failing);
    alive(&mut registry, "create-order", "a", 300);
    assert_eq!(state(&registry, "create-order", 300), Alive);
    assert_eq!(registry.status(instants_at(300)), HealthStatus::Ok);
}

#[test]
fn each_change_is_told_once() {
    let mut registry = registry();
    let change = |from, to| vec![("create-order".to_owned(), from, to)];
    assert_eq!(changes(&mut registry, 0), [(OWN.to_owned(), Unknown, Alive)]);
    alive(&mut registry, "create-order", "a", 0);
    assert_eq!(changes(&mut registry, 1), change(Unknown, Alive));
    assert_eq!(changes(&mut registry, 149), []);
    assert_eq!(changes(&mut registry, 150), change(Alive, Missing));
    assert_eq!(changes(&mut registry, 10_000), []);
    alive(&mut registry, "create-order", "a", 10_001);
    assert_eq!(changes(&mut registry, 10_001), change(Missing, Alive));
    registry.record_heartbeat("create-order", call("a", Vec::new()), true, instants_at(10_002)).unwrap();
    assert_eq!(changes(&mut registry, 10_002), change(Alive, Stopped));
    assert_eq!(changes(&mut registry, 20_000), []);
    assert_eq!(registry.status(instants_at(20_000)), HealthStatus::Degraded);
}

#[test]
fn a_part_that_is_missing_makes_its_service_degraded_and_is_told() {
    let mut registry = registry();
    let parts = vec![Component::missing("database", "no route"), Component::ready(OWN), Component::ready("cache")];
    registry.record_heartbeat("create-order", call("a", parts), false, instants_at(0)).unwrap();
    registry
        .record_heartbeat("create-order", call("b", vec![Component::ready("database")]), false, instants_at(0))
        .unwrap();
    let change = registry.tick(instants_at(0)).remove(0);
    assert_eq!((change.to, change.missing), (Degraded, vec![Component::missing("database", "no route")]));
    let told = registry.infrastructure(instants_at(1));
    let told: Vec<_> = told.iter().map(|part| (part.name.as_str(), part.ready, part.told_by.join(","))).collect();
    let by = || "create-order".to_owned();
    assert_eq!(told, [("cache", true, by()), ("database", false, by())], "a service is no infrastructure");
    let told = registry.infrastructure(instants_at(200));
    assert!(told.iter().all(|part| !part.ready), "who told of it has gone: {told:?}");
}

#[test]
fn one_instance_of_several_that_goes_degrades_until_it_is_forgotten() {
    let mut registry = registry();
    alive(&mut registry, "create-order", "a", 0);
    for secs in (0..=600).step_by(60) {
        alive(&mut registry, "create-order", "b", secs);
    }
    assert_eq!(state(&registry, "create-order", 600), Degraded);
    registry.tick(instants_at(600));
    assert_eq!(state(&registry, "create-order", 600), Alive);
    // The only one is kept, whatever became of it.
    registry.tick(instants_at(600_000));
    assert_eq!(state(&registry, "create-order", 600_000), Missing);
}

#[test]
fn an_instance_that_stopped_does_not_count_where_another_goes_on() {
    let mut registry = registry();
    registry.record_heartbeat("create-order", call("old", Vec::new()), true, instants_at(0)).unwrap();
    alive(&mut registry, "create-order", "new", 1);
    assert_eq!(state(&registry, "create-order", 1), Alive);
    assert_eq!(state(&registry, "create-order", 1000), Missing);
    alive(&mut registry, "create-order", "newer", 1000);
    registry.record_heartbeat("create-order", call("newer", Vec::new()), true, instants_at(1001)).unwrap();
    assert_eq!(state(&registry, "create-order", 1001), Stopped, "one was lost long before");
}

#[test]
fn the_keeper_is_alive_whatever_it_says_of_itself() {
    let mut registry = registry();
    assert_eq!(state(&registry, OWN, 0), Alive);
    registry.record_heartbeat(OWN, call("a", Vec::new()), true, instants_at(0)).unwrap();
    assert_eq!(state(&registry, OWN, 1_000_000), Alive);
}

#[test]
fn names_without_end_are_refused_and_old_ones_make_room() {
    let mut registry = registry();
    for n in 0..MAX_SERVICES - 2 {
        alive(&mut registry, &format!("s{n}"), "a", 0);
    }
    let refused = registry.record_heartbeat("one-more", call("a", Vec::new()), false, instants_at(0));
    assert_eq!(refused, Err(RegistryError::TooManyServices));
    for n in 0..MAX_INSTANCES {
        alive(&mut registry, "create-order", &n.to_string(), 100);
    }
    let more = |registry: &mut ServiceRegistry, secs| {
        registry.record_heartbeat("create-order", call("more", Vec::new()), false, instants_at(secs))
    };
    assert_eq!(more(&mut registry, 100), Err(RegistryError::TooManyInstances));
    assert_eq!(more(&mut registry, 100 + 150), Ok(()));
    assert_eq!(registry.services["create-order"].instances.len(), MAX_INSTANCES);
    registry.tick(instants_at(90_000));
    assert_eq!(registry.services.len(), 2, "who was not expected and has been away for a day is forgotten");
}
