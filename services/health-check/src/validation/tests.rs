use common::level::Level;
use serde_json::json;

use super::*;

/// The fields that the error of a report names.
fn refused_fields(report: &Report) -> Vec<String> {
    match check_report(report) {
        Err(Error::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn refused_data(data: &Value) -> Vec<String> {
    parse_heartbeat(data).unwrap_err().into_iter().map(|error| error.field).collect()
}

fn report(service: &str, status: &str, data: Value) -> Report {
    Report { level: Level::Info, service: service.to_owned(), status: status.to_owned(), data }
}

#[test]
fn every_invalid_field_is_named() {
    assert!(check_report(&report("create-order", "ok", json!({"any": ["thing"]}))).is_ok());
    assert_eq!(refused_fields(&report("", "", Value::Null)), ["service", "status"]);
    assert_eq!(refused_fields(&report("<b>", &"ü".repeat(1025), Value::Null)), ["service", "status"]);
    let parts = json!([{"name": "database", "ready": true}, 7, {"name": "cache", "ready": "no"}]);
    let heartbeat = json!({"interval_secs": "often", "ready": 1, "parts": parts, "port": 70_000});
    assert_eq!(
        refused_fields(&report("a b", Report::ALIVE, heartbeat)),
        ["service", "data.interval_secs", "data.parts[1]", "data.parts[2].ready", "data.port", "data.ready"]
    );
}

#[test]
fn large_data_is_refused() {
    let large = json!("x".repeat(MAX_REPORT_DATA));
    assert_eq!(check_report(&report("x", "x", large)), Err(Error::DataTooLarge));
}

#[test]
fn omitted_heartbeat_fields_get_defaults() {
    let bare = parse_heartbeat(&Value::Null).unwrap();
    assert_eq!((bare.instance.as_str(), bare.interval_secs, bare.ready), (DEFAULT_INSTANCE, 60, true));
    assert_eq!(parse_heartbeat(&json!({})).unwrap(), bare);
}

#[test]
fn heartbeat_with_an_invalid_field_is_refused() {
    assert_eq!(refused_data(&json!("alive")), ["data"]);
    assert_eq!(refused_data(&json!({"interval_secs": "often"})), ["data.interval_secs"]);
    assert_eq!(refused_data(&json!({"instance": "a b"})), ["data.instance"]);
}

#[test]
fn heartbeat_beyond_the_limits_is_cut() {
    let part = json!({"name": "n".repeat(65), "ready": false, "detail": "d".repeat(1025)});
    let mut parts = vec![part; 65];
    parts.push(json!({"name": "", "ready": true}));
    let data = json!({"instance": "i".repeat(65), "version": "v".repeat(65), "interval_secs": 0, "parts": parts});
    let alive = |data: &Value| report("x", Report::ALIVE, data.clone());
    assert!(check_report(&alive(&data)).is_ok(), "`check_report` does not limit the data of a heartbeat");
    let heartbeat = parse_heartbeat(&data).unwrap();
    assert_eq!((heartbeat.instance.len(), heartbeat.version.chars().count(), heartbeat.interval_secs), (64, 64, 1));
    assert_eq!(heartbeat.parts.len(), 64);
    assert!(heartbeat.parts.iter().all(|part| !part.ready && part.name.chars().count() == 64));
    let cut = serde_json::to_value(&heartbeat).unwrap();
    assert!(json_len(&cut) <= MAX_REPORT_DATA);
}
