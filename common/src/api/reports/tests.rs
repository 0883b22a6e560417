use super::*;

#[test]
fn levels_are_read_in_any_case_and_ordered_from_the_worst() {
    for level in Level::ALL {
        assert_eq!(level.to_string().to_uppercase().parse(), Ok(level));
    }
    assert_eq!("warn".parse(), Ok(Level::Warning));
    assert_eq!("fatal".parse::<Level>(), Err(LevelError));
    assert!(Level::Critical < Level::Debug);
}

#[test]
fn a_report_that_is_too_large_is_cut_and_keeps_what_finds_it() {
    let data = serde_json::json!({ "request_id": "r-1", "body": "x".repeat(MAX_REPORT_DATA) });
    let report =
        Report { level: Level::Error, service: "x".to_owned(), status: "ü".repeat(MAX_STATUS + 1), data }.bounded();
    assert_eq!(report.status.chars().count(), MAX_STATUS);
    assert_eq!(report.data["request_id"], "r-1");
    assert!(data_len(&report.data) <= MAX_REPORT_DATA);
}

#[test]
fn only_cursors_that_we_gave_are_read() {
    assert_eq!("r1f".parse::<ReportCursor>(), Ok(ReportCursor(31)));
    for bad in ["", "r", "1f", "r0", "r-1", "r+1f", "r01f", "r1F", "o1f", "rfffffffffffffffff"] {
        assert_eq!(bad.parse::<ReportCursor>(), Err(ReportCursorError), "{bad}");
    }
}
