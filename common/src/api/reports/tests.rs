use super::*;

#[test]
fn oversized_report_is_truncated_and_keeps_its_request_id() {
    let data = serde_json::json!({ "request_id": "r-1", "body": "x".repeat(MAX_REPORT_DATA) });
    let report =
        Report { level: Level::Error, service: "x".to_owned(), status: "ü".repeat(MAX_STATUS + 1), data }.truncated();
    assert_eq!(report.status.chars().count(), MAX_STATUS);
    assert_eq!(report.data["request_id"], "r-1");
    assert!(json_len(&report.data) <= MAX_REPORT_DATA);
    let data = serde_json::json!({ "request_id": "r".repeat(MAX_REPORT_DATA), "at": "here" });
    let report = Report { data, ..report }.truncated();
    assert_eq!((report.data["request_id"].clone(), &report.data["at"]), (Value::Null, &"here".into()));
}

#[test]
fn only_canonical_cursors_are_accepted() {
    assert_eq!("r1f".parse::<ReportCursor>(), Ok(ReportCursor(31)));
    for invalid in ["", "r", "1f", "r0", "r-1", "r+1f", "r01f", "r1F", "o1f", "rfffffffffffffffff"] {
        assert_eq!(invalid.parse::<ReportCursor>(), Err(CursorError), "{invalid}");
    }
}
