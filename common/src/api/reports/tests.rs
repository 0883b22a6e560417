use super::*;

#[test]
fn a_report_that_is_too_large_is_cut_and_keeps_what_finds_it() {
    let data = serde_json::json!({ "request_id": "r-1", "body": "x".repeat(MAX_REPORT_DATA) });
    let report =
        Report { level: Level::Error, service: "x".to_owned(), status: "ü".repeat(MAX_STATUS + 1), data }.truncated();
    assert_eq!(report.status.chars().count(), MAX_STATUS);
    assert_eq!(report.data["request_id"], "r-1");
    assert!(json_len(&report.data) <= MAX_REPORT_DATA);
}

#[test]
fn only_cursors_that_we_gave_are_read() {
    assert_eq!("r1f".parse::<ReportCursor>(), Ok(ReportCursor(31)));
    for bad in ["", "r", "1f", "r0", "r-1", "r+1f", "r01f", "r1F", "o1f", "rfffffffffffffffff"] {
        assert_eq!(bad.parse::<ReportCursor>(), Err(CursorError), "{bad}");
    }
}
