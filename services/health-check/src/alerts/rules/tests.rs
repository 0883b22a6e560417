use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:05.000000Z";

fn health(services: &[Value], orders: &Value) -> Health {
    serde_json::from_value(json!({
        "status": "ok", "at": NOW, "orders": orders, "services": services, "infrastructure": [],
        "reports_last_hour": { "critical": 0, "error": 0, "warning": 0, "info": 0, "debug": 0 },
    }))
    .unwrap()
}

fn accepted() -> Value {
    json!({ "accepted": true, "prices": [] })
}

/// A service with one running instance.
fn service(name: &str, parts: &Value, measurements: &[Measurement]) -> Value {
    let instance = json!({
        "instance": "host-1-42", "state": "alive", "last_seen": NOW, "interval_secs": 60, "uptime_secs": 1,
        "version": "1", "parts": parts, "measurements": measurements,
    });
    json!({ "service": name, "state": "alive", "parts": parts, "instances": [instance] })
}

/// The rules and the subjects of the faults.
fn found(health: &Health) -> Vec<String> {
    let faults = find_faults(health, Thresholds::default());
    faults.iter().map(|fault| format!("{} {}", fault.rule.name(), fault.subject)).collect()
}

fn found_in_component(service_name: &str, component: &Value) -> Vec<String> {
    found(&health(&[service(service_name, &json!([component]), &[])], &accepted()))
}

#[test]
fn healthy_platform_has_no_fault() {
    let disk =
        Measurement::new(Measurement::DISK_AVAILABLE, 10, Measurement::BYTES).with_max(100).with_subject("/data");
    let component = json!({ "name": "database", "ready": true, "measurements": [disk] });
    assert_eq!(found_in_component("db-proxy", &component), [""; 0]);
}

#[test]
fn fault_of_a_service_that_may_be_starting_has_a_longer_pending_period() {
    let fault_of = |state: &str| {
        let service = json!({ "service": "rates", "state": state, "parts": [], "instances": [] });
        find_faults(&health(&[service], &accepted()), Thresholds::default()).into_iter().next()
    };
    for (state, rule, pending_period) in [
        ("missing", Rule::ServiceMissing, BROKEN_PENDING_PERIOD),
        ("stopped", Rule::ServiceMissing, STOPPED_PENDING_PERIOD),
        ("unknown", Rule::ServiceMissing, STOPPED_PENDING_PERIOD),
        ("degraded", Rule::ServiceDegraded, DEGRADED_PENDING_PERIOD),
    ] {
        let fault = fault_of(state).unwrap();
        assert_eq!(
            (fault.rule, fault.pending_period, fault.service.as_deref()),
            (rule, pending_period, Some("rates")),
            "{state}"
        );
    }
    assert_eq!(fault_of("alive"), None);
}

#[test]
fn unready_component_causes_the_fault_of_its_rule() {
    for (service, component, expected) in [
        ("db-proxy", "database", "CommitsFail database"),
        ("db-proxy", "journal", "CommitsFail journal"),
        ("db-proxy", "durability", "CommitsNotDurable durability"),
        ("db-proxy", "clock", "ClockWrong clock"),
        ("price-cache-proxy", "cache", "RedisUnavailable cache"),
        ("price-updater", "source:kraken", "PriceSourceSilent kraken"),
        ("health-check", "nginx", "NginxUnavailable nginx"),
        ("health-check", "nginx-2", "NginxUnavailable nginx-2"),
    ] {
        let component = json!({ "name": component, "ready": false, "detail": "it is broken" });
        assert_eq!(found_in_component(service, &component), [expected]);
    }
    // No rule is about this component.
    assert_eq!(found_in_component("create-order", &json!({ "name": "db-proxy", "ready": false })), [""; 0]);
}

#[test]
fn measurement_beyond_its_threshold_is_a_fault() {
    let measured = |measurement: Measurement| {
        found_in_component("db-proxy", &json!({ "name": "x", "ready": true, "measurements": [measurement] }))
    };
    let none = [""; 0];
    let disk =
        |available: i64| Measurement::new(Measurement::DISK_AVAILABLE, available, Measurement::BYTES).with_max(1000);
    assert_eq!(
        (measured(disk(100)), measured(disk(99))),
        (none.map(str::to_owned).into(), vec!["DiskNearlyFull x".to_owned()])
    );
    let offset = |millis: i64| Measurement::new(Measurement::CLOCK_OFFSET, millis, Measurement::MILLISECONDS);
    assert_eq!(measured(offset(-2000)), none);
    assert_eq!(measured(offset(-2001)), ["ClockWrong x"]);
    assert_eq!(measured(offset(i64::MIN)), ["ClockWrong x"]);
    let counted = |name: &str, value: i64| Measurement::new(name, value, "things");
    assert_eq!(measured(counted(Measurement::WAITING_COMMANDS, 1001)), ["QueueGrows x"]);
    assert_eq!(measured(counted(Measurement::REPLICATION_LAG, 10_001)), ["ReplicationLags x"]);
    assert_eq!(measured(counted(Measurement::CONNECTIONS_USED, 91).with_max(100)), ["DatabaseConnectionsUsedUp x"]);
    assert_eq!(measured(counted(Measurement::CONNECTIONS_USED, 90).with_max(100)), none);
    let files = Measurement::new(Measurement::OPEN_FILES, 81, "files").with_max(100);
    let process = service("rates", &json!([]), &[files]);
    assert_eq!(found(&health(&[process], &accepted())), ["FileDescriptorsUsedUp host-1-42"]);
}

#[test]
fn instance_that_is_not_running_causes_no_fault() {
    let mut stopped = service("db-proxy", &json!([{ "name": "database", "ready": false }]), &[]);
    stopped["instances"][0]["state"] = "missing".into();
    assert_eq!(found(&health(&[stopped], &accepted())), [""; 0]);
}

#[test]
fn thresholds_of_machines_are_settings_and_zero_turns_them_off() {
    let mut health = health(&[], &accepted());
    let memory = Measurement::new(Measurement::MEMORY_AVAILABLE, 4, Measurement::BYTES).with_max(100);
    health.machines = serde_json::from_value(json!([
        { "name": "host-1", "services": [], "last_seen": NOW, "measurements": [memory] },
    ]))
    .unwrap();
    assert_eq!(found(&health), ["MemoryNearlyUsedUp host-1"]);
    let off = Thresholds { memory_percent: 0, disk_percent: 0 };
    assert_eq!(find_faults(&health, off), []);
}

#[test]
fn refused_orders_unusable_prices_and_a_nearly_reached_limit_are_faults() {
    let price =
        |state: &str| json!({ "price": "1.00", "state": state, "simulated": false, "as_of": NOW, "expires_at": NOW });
    let orders = json!({
        "accepted": false, "reason": "the limit is reached",
        "prices": [
            { "currency": "EUR", "accepted": false },
            // The price is too old for orders.
            { "currency": "CHF", "accepted": false, "price": price("prolonged") },
            { "currency": "GBP", "accepted": true, "price": price("prolonged") },
            { "currency": "USD", "accepted": true, "price": price("fresh") },
        ],
        "limit": { "limit": "100.00000000", "remaining": "9.99999999", "reserved": "0.00000000" },
    });
    let expected = [
        "OrdersRefused orders",
        "NoPriceInCurrency EUR",
        "NoPriceInCurrency CHF",
        "PriceProlonged CHF",
        "PriceProlonged GBP",
        "LimitNearlyReached limit",
    ];
    let health = health(&[], &orders);
    assert_eq!(found(&health), expected);
    let faults = find_faults(&health, Thresholds::default());
    let summary = |subject: &str| {
        let mut prolonged = faults.iter().filter(|fault| fault.rule == Rule::PriceProlonged);
        prolonged.find(|fault| fault.subject == subject).map(|fault| fault.summary.clone()).unwrap()
    };
    assert!(summary("GBP").starts_with("Orders in GBP use the last good price"), "{}", summary("GBP"));
    assert!(summary("CHF").starts_with("The price in CHF is the last good price"), "{}", summary("CHF"));
}

#[test]
fn subjects_contain_every_possible_subject_of_a_fault() {
    let parts = json!([
        { "name": "journal", "ready": true }, { "name": "source:kraken", "ready": true }, { "name": "price:GBP", "ready": true },
    ]);
    let orders = json!({ "accepted": true, "prices": [{ "currency": "EUR", "accepted": true }] });
    let names: Vec<_> = subjects(&health(&[service("rates", &parts, &[])], &orders)).collect();
    for name in ["rates", "host-1-42", "kraken", "GBP", "EUR", "orders", "limit", "database", "cache"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains(':')), "{names:?}");
}
