use common::api::health::{
    HealthStatus,
    ServiceState::{Alive, Degraded, Missing, Stopped, Unknown},
};

use super::*;
use crate::clock::tests::instants_at;

mod machines;

const OWN: &str = "health-check";

fn registry() -> ServiceRegistry {
    ServiceRegistry::new(OWN, &["create-order", OWN])
}

fn heartbeat(instance: &str, parts: Vec<Component>) -> Heartbeat {
    Heartbeat {
        instance: instance.to_owned(),
        version: "1.2.3".to_owned(),
        interval_secs: 60,
        uptime_secs: 5,
        ready: parts.iter().all(|part| part.ready),
        parts,
        port: None,
        update: false,
        next_within_secs: None,
        measurements: Vec::new(),
        machine: None,
    }
}

fn record_alive(registry: &mut ServiceRegistry, service: &str, instance: &str, secs: u64) {
    registry.record_heartbeat(service, heartbeat(instance, Vec::new()), false, instants_at(secs)).unwrap();
}

fn record_stopping(registry: &mut ServiceRegistry, service: &str, instance: &str, secs: u64) {
    registry.record_heartbeat(service, heartbeat(instance, Vec::new()), true, instants_at(secs)).unwrap();
}

fn state(registry: &ServiceRegistry, service: &str, secs: u64) -> ServiceState {
    registry.services(instants_at(secs)).into_iter().find(|s| s.service == service).unwrap().state
}

/// The service, the previous and the new state of one change.
type Change = (String, ServiceState, ServiceState);

fn changes(registry: &mut ServiceRegistry, secs: u64) -> Vec<Change> {
    registry.update_states(instants_at(secs)).into_iter().map(|c| (c.service, c.from.state, c.to.state)).collect()
}

#[test]
fn service_is_missing_two_and_a_half_intervals_after_its_last_heartbeat() {
    let mut registry = registry();
    assert_eq!(state(&registry, "create-order", 0), Unknown);
    record_alive(&mut registry, "create-order", "a", 0);
    record_alive(&mut registry, "create-order", "a", 60);
    assert_eq!(state(&registry, "create-order", 60 + 149), Alive);
    assert_eq!(state(&registry, "create-order", 60 + 150), Missing);
    assert_eq!(registry.status(instants_at(60 + 150)), HealthStatus::Failing);
    record_alive(&mut registry, "create-order", "a", 300);
    assert_eq!(state(&registry, "create-order", 300), Alive);
    assert_eq!(registry.status(instants_at(300)), HealthStatus::Ok);
}

#[test]
fn each_state_change_is_returned_once() {
    let mut registry = registry();
    let change = |from, to| vec![("create-order".to_owned(), from, to)];
    assert_eq!(changes(&mut registry, 0), [(OWN.to_owned(), Unknown, Alive)]);
    record_alive(&mut registry, "create-order", "a", 0);
    assert_eq!(changes(&mut registry, 1), change(Unknown, Alive));
    assert_eq!(changes(&mut registry, 149), []);
    assert_eq!(changes(&mut registry, 150), change(Alive, Missing));
    assert_eq!(changes(&mut registry, 10_000), []);
    record_alive(&mut registry, "create-order", "a", 10_001);
    assert_eq!(changes(&mut registry, 10_001), change(Missing, Alive));
    record_stopping(&mut registry, "create-order", "a", 10_002);
    assert_eq!(changes(&mut registry, 10_002), change(Alive, Stopped));
    assert_eq!(changes(&mut registry, 20_000), []);
    assert_eq!(registry.status(instants_at(20_000)), HealthStatus::Degraded);
}

#[test]
fn unready_component_is_reported_in_the_change_and_as_infrastructure() {
    let mut registry = registry();
    let now = instants_at(0);
    let cache = Component { marks: vec!["prolonged".to_owned()], ..Component::ready("cache") };
    let parts = vec![Component::not_ready("database", "no route"), Component::ready(OWN), cache];
    registry.record_heartbeat("create-order", heartbeat("a", parts), false, now).unwrap();
    let parts = vec![Component::ready("database")];
    registry.record_heartbeat("create-order", heartbeat("b", parts), false, now).unwrap();
    let change = registry.update_states(now).remove(0);
    assert_eq!((change.to.state, change.not_ready), (Degraded, vec![Component::not_ready("database", "no route")]));
    let infrastructure = registry.infrastructure(instants_at(1));
    let shown: Vec<_> = infrastructure.iter().map(|c| (c.name.as_str(), c.ready, c.told_by.join(","))).collect();
    let by = || "create-order".to_owned();
    assert_eq!(shown, [("cache", true, by()), ("database", false, by())], "a service is not infrastructure");
    assert_eq!((infrastructure[0].marks.join(" ").as_str(), infrastructure[1].marks.len()), ("prolonged", 0));
    let outdated = registry.infrastructure(instants_at(200));
    assert!(
        outdated.iter().all(|component| !component.ready),
        "a component is ready, although no running instance reports it: {outdated:?}"
    );
}

#[test]
fn missing_instance_degrades_its_service_until_it_is_removed() {
    let mut registry = registry();
    record_alive(&mut registry, "create-order", "a", 0);
    for secs in (0..=600).step_by(60) {
        record_alive(&mut registry, "create-order", "b", secs);
    }
    assert_eq!(state(&registry, "create-order", 600), Degraded);
    registry.update_states(instants_at(600));
    assert_eq!(state(&registry, "create-order", 600), Alive);
    // Instance b is kept, because no instance is running.
    registry.update_states(instants_at(600_000));
    assert_eq!(state(&registry, "create-order", 600_000), Missing);
}

#[test]
fn stopped_instance_does_not_count_while_another_instance_runs() {
    let mut registry = registry();
    record_stopping(&mut registry, "create-order", "old", 0);
    record_alive(&mut registry, "create-order", "new", 1);
    assert_eq!(state(&registry, "create-order", 1), Alive);
    assert_eq!(state(&registry, "create-order", 1000), Missing);
    record_alive(&mut registry, "create-order", "newer", 1000);
    record_stopping(&mut registry, "create-order", "newer", 1001);
    assert_eq!(state(&registry, "create-order", 1001), Stopped, "the missing instance \"new\" does not count");
}

#[test]
fn health_check_itself_is_always_alive() {
    let mut registry = registry();
    assert_eq!(state(&registry, OWN, 0), Alive);
    record_stopping(&mut registry, OWN, "a", 0);
    assert_eq!(state(&registry, OWN, 1_000_000), Alive);
}

#[test]
fn service_beyond_the_limit_is_refused_until_an_old_service_is_removed() {
    let mut registry = registry();
    for n in 0..MAX_SERVICES - 2 {
        record_alive(&mut registry, &format!("s{n}"), "a", 0);
    }
    let refused = registry.record_heartbeat("one-more", heartbeat("a", Vec::new()), false, instants_at(0));
    assert_eq!(refused, Err(RegistryError::TooManyServices));
    registry.update_states(instants_at(90_000));
    assert_eq!(registry.services.len(), 2, "a service that is not expected is removed after a day");
    record_alive(&mut registry, "one-more", "a", 90_000);
}

#[test]
fn instance_beyond_the_limit_replaces_a_missing_instance() {
    let mut registry = registry();
    for n in 0..MAX_INSTANCES {
        record_alive(&mut registry, "create-order", &n.to_string(), 100);
    }
    let record_one_more = |registry: &mut ServiceRegistry, secs| {
        registry.record_heartbeat("create-order", heartbeat("more", Vec::new()), false, instants_at(secs))
    };
    assert_eq!(record_one_more(&mut registry, 100), Err(RegistryError::TooManyInstances));
    assert_eq!(record_one_more(&mut registry, 100 + 150), Ok(()));
    assert_eq!(registry.services["create-order"].instances.len(), MAX_INSTANCES);
}

#[test]
fn instance_is_missing_after_two_and_a_half_intervals() {
    assert_eq!(missing_after(Duration::from_secs(10)), Duration::from_secs(25));
}

#[test]
fn unready_component_degrades_its_service_and_makes_it_unready_unless_optional() {
    let mut registry = registry();
    let long_running = |parts| Heartbeat { uptime_secs: 1000, ..heartbeat("a", parts) };
    let cache = || Component::not_ready("cache", "no answer").optional();
    let mut record = |parts: Vec<Component>| {
        let ready = !parts.iter().any(Component::is_fatal);
        let heartbeat = Heartbeat { ready, ..long_running(parts) };
        registry.record_heartbeat("create-order", heartbeat, false, instants_at(0)).unwrap();
        let service = registry.services(instants_at(1)).into_iter().find(|s| s.service == "create-order").unwrap();
        let infrastructure: Vec<_> =
            registry.infrastructure(instants_at(1)).into_iter().map(|c| (c.name, c.ready, c.optional)).collect();
        (service.state, service.ready, registry.status(instants_at(1)), infrastructure)
    };
    let infrastructure = |name: &str, optional| (name.to_owned(), false, optional);
    let expected = (Degraded, Some(true), HealthStatus::Degraded, vec![infrastructure("cache", true)]);
    assert_eq!(record(vec![cache()]), expected);
    let expected = (
        Degraded,
        Some(false),
        HealthStatus::Failing,
        vec![infrastructure("cache", true), infrastructure("database", false)],
    );
    assert_eq!(record(vec![cache(), Component::not_ready("database", "no answer")]), expected);
}

/// The heartbeat of a process that has run for `uptime_secs`.
fn heartbeat_of_process(instance: &str, port: u16, uptime_secs: u64) -> Heartbeat {
    Heartbeat { port: Some(port), uptime_secs, ..heartbeat(instance, Vec::new()) }
}

#[test]
fn order_intake_is_unknown_as_soon_as_the_stated_time_has_passed_without_a_heartbeat() {
    let mut registry = registry();
    let stated = Heartbeat { next_within_secs: Some(8), ..heartbeat("a", Vec::new()) };
    registry.record_heartbeat("create-order", stated, false, instants_at(100)).unwrap();
    assert!(registry.order_intake(instants_at(107)).accepted);
    assert_eq!(registry.status(instants_at(107)), HealthStatus::Ok);
    let overdue = registry.order_intake(instants_at(108));
    assert!(!overdue.accepted && overdue.reason.unwrap().contains("has not reported since"));
    assert_eq!(registry.status(instants_at(108)), HealthStatus::Failing);
    assert_eq!(state(&registry, "create-order", 119), Alive);
    assert_eq!(state(&registry, "create-order", 120), Missing);
    assert!(registry.order_intake(instants_at(120)).reason.unwrap().contains("has not reported since"));
    // Without `next_within_secs`, the order intake is known until the instance is missing.
    record_alive(&mut registry, "create-order", "a", 200);
    assert!(registry.order_intake(instants_at(349)).accepted);
}

#[test]
fn killed_instance_is_removed_when_another_instance_starts_at_its_address() {
    let mut registry = registry();
    let mut record = |instance: &str, port, uptime, secs| {
        let heartbeat = heartbeat_of_process(instance, port, uptime);
        registry.record_heartbeat("create-order", heartbeat, false, instants_at(secs)).unwrap();
        registry.services["create-order"].instances.keys().cloned().collect::<Vec<_>>()
    };
    record("host-1-17", 8000, 500, 100);
    assert_eq!(record("host-1-20", 8001, 0, 101), ["host-1-17", "host-1-20"], "another port");
    assert_eq!(record("host-2-20", 8000, 0, 101), ["host-1-17", "host-1-20", "host-2-20"], "another host");
    assert_eq!(record("host-1-21", 8000, 0, 105), ["host-1-20", "host-1-21", "host-2-20"]);
    // Two processes that use the same port on different IP addresses of one host are both shown.
    record("host-1-17", 8000, 560, 160);
    let all = ["host-1-17", "host-1-20", "host-1-21", "host-2-20"];
    assert_eq!(record("host-1-21", 8000, 60, 165), all);
}

#[test]
fn platform_without_create_order_fails_after_the_startup_grace() {
    let mut registry = registry();
    assert_eq!(registry.status(instants_at(STARTUP_GRACE.as_secs() - 1)), HealthStatus::Degraded);
    assert_eq!(registry.status(instants_at(STARTUP_GRACE.as_secs())), HealthStatus::Failing);
    record_alive(&mut registry, "create-order", "a", 20);
    assert_eq!(registry.status(instants_at(20)), HealthStatus::Ok);
}

#[test]
fn platform_is_degraded_as_soon_as_one_of_several_instances_of_create_order_is_silent() {
    let mut registry = registry();
    let mut record = |instance: &str, secs| {
        let stated = Heartbeat { next_within_secs: Some(8), ..heartbeat(instance, Vec::new()) };
        registry.record_heartbeat("create-order", stated, false, instants_at(secs)).unwrap();
    };
    record("a", 100);
    record("b", 100);
    record("b", 106);
    assert_eq!(registry.status(instants_at(107)), HealthStatus::Ok);
    assert_eq!(state(&registry, "create-order", 108), Alive);
    assert!(registry.order_intake(instants_at(108)).accepted);
    assert_eq!(registry.status(instants_at(108)), HealthStatus::Degraded);
}

#[test]
fn platform_fails_as_soon_as_the_last_price_has_expired() {
    let mut registry = registry();
    let price = |expires: u64| {
        let price = serde_json::json!({
            "price": "84000.12", "state": "prolonged", "simulated": true, "as_of": instants_at(0).wall,
            "expires_at": instants_at(expires).wall,
        });
        Component { price: serde_json::from_value(price).unwrap(), ..Component::ready("price:EUR") }.optional()
    };
    let ready = Heartbeat { uptime_secs: 1000, ..heartbeat("a", vec![price(102)]) };
    registry.record_heartbeat("create-order", ready, false, instants_at(100)).unwrap();
    assert_eq!(registry.status(instants_at(101)), HealthStatus::Ok);
    assert!(!registry.order_intake(instants_at(102)).accepted);
    assert_eq!(registry.status(instants_at(102)), HealthStatus::Failing);
}
