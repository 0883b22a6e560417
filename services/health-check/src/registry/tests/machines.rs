use common::api::health::{Machine, Measurement};

use super::*;

fn on_machine(instance: &str, id: &str, measurements: Vec<Measurement>) -> Heartbeat {
    let machine = Machine { id: id.to_owned(), name: format!("host of {instance}"), measurements };
    Heartbeat { machine: Some(machine), ..heartbeat(instance, Vec::new()) }
}

fn load(percent: i64) -> Measurement {
    Measurement::new(Measurement::LOAD, percent, Measurement::PERCENT)
}

#[test]
fn machine_of_several_instances_is_shown_once_with_the_latest_values() {
    let mut registry = registry();
    let disk = |folder: &str| Measurement::new(Measurement::DISK_AVAILABLE, 1, Measurement::BYTES).with_subject(folder);
    let mut record = |service: &str, heartbeat, secs| {
        registry.record_heartbeat(service, heartbeat, false, instants_at(secs)).unwrap();
    };
    record("rates", on_machine("b", "m1", vec![load(20), disk("/b")]), 2);
    record("users", on_machine("a", "m1", vec![load(10), disk("/a")]), 1);
    record("users", on_machine("c", "m2", vec![load(30)]), 1);
    record("users", heartbeat("d", Vec::new()), 1);
    let machines = registry.machines(instants_at(3));
    let [first, second] = machines.as_slice() else { panic!("{machines:?}") };
    assert_eq!(
        (first.name.as_str(), &first.services[..]),
        ("host of b", &["rates".to_owned(), "users".to_owned()][..])
    );
    assert_eq!(first.measurements, [load(20), disk("/a"), disk("/b")]);
    assert_eq!((second.name.as_str(), second.measurements.as_slice()), ("host of c", &[load(30)][..]));
    // A machine without running instances is not shown, because its last measurements may be outdated.
    assert_eq!(registry.machines(instants_at(1000)), []);
}
