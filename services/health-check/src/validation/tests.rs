use common::level::Level;
use serde_json::json;

use super::*;

fn invalid_fields(result: Result<impl Sized, Error>) -> Vec<String> {
    match result.map(|_| ()) {
        Err(Error::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn report(service: &str, status: &str, data: Value) -> Report {
    Report { level: Level::Info, service: service.to_owned(), status: status.to_owned(), data }
}

#[test]
fn every_invalid_field_is_named() {
    assert!(check_report(&report("create-order", "ok", json!({"any": ["thing"]}))).is_ok());
    assert_eq!(invalid_fields(check_report(&report("", "", Value::Null))), ["service", "status"]);
    assert_eq!(invalid_fields(check_report(&report("<b>", &"ü".repeat(1025), Value::Null))), ["service", "status"]);
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
fn every_invalid_heartbeat_field_is_named() {
    assert_eq!(invalid_fields(parse_heartbeat(&json!("alive"))), ["data"]);
    assert_eq!(invalid_fields(parse_heartbeat(&json!({"interval_secs": "often"}))), ["data"]);
    let invalid = json!({"instance": "a b", "interval_secs": 0, "version": "v".repeat(65),
            "parts": vec![json!({"name": "", "ready": true}); 65]});
    let expected = ["data.instance", "data.version", "data.interval_secs", "data.parts", "data.parts"];
    assert_eq!(invalid_fields(parse_heartbeat(&invalid)), expected);
}
