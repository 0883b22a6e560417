use super::*;
use crate::{api::reports::MAX_STATUS, level::Level, reporting::report_queue, time::Timestamp};

fn record(message: &str) -> LogRecord {
    LogRecord {
        at: Timestamp::now(),
        level: Level::Warning,
        service: "create-order".to_owned(),
        request_id: Some("r-1".to_owned()),
        trace_id: Some("t-1".to_owned()),
        message: message.to_owned(),
        fields: Map::from_iter([("error".to_owned(), "no such host".into())]),
        target: module_path!(),
    }
}

#[test]
fn report_of_a_warning_contains_service_request_fields_and_instance() {
    let report = into_report(record("request\nfailed"));
    assert_eq!((report.service.as_str(), report.status.as_str()), ("create-order", "request\nfailed"));
    assert_eq!((&report.data["request_id"], &report.data["trace_id"]), (&"r-1".into(), &"t-1".into()));
    assert_eq!(report.data["fields"]["error"], "no such host");
    assert_eq!(report.data["instance"], instance_name());
}

#[test]
fn long_message_is_truncated() {
    let mut receiver = report_queue("buydesk");
    (warning_sink(receiver.queue()).receive)(record(&"m".repeat(4096)));
    assert_eq!(receiver.try_next().unwrap().status.len(), MAX_STATUS);
}
