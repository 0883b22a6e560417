use serde_json::{Value, json};

use super::*;
use crate::clock::tests::instants_at;

fn report(level: Level, status: &str) -> Report {
    Report { level, service: "x".to_owned(), status: status.to_owned(), data: Value::Null }
}

fn statuses(page: &ReportPage) -> Vec<&str> {
    page.data.iter().map(|report| report.status.as_str()).collect()
}

#[test]
fn pages_by_cursor_contain_each_report_once_while_new_reports_arrive() {
    let mut reports = ReportStore::new();
    for n in 0..10 {
        let level = if n % 3 == 0 { Level::Error } else { Level::Info };
        // The ids must differ although all reports have the same time.
        reports.add_report(report(level, &n.to_string()), instants_at(7));
    }
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = reports.page(&ReportFilter::default(), cursor, 3);
        seen.extend(page.data.into_iter().map(|report| report.status));
        reports.add_report(report(Level::Error, "new"), instants_at(8));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..10).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(reports.page(&ReportFilter::default(), None, 14).next_cursor, None, "the store has 14 reports");
}

#[test]
fn filters_select_matching_reports() {
    let mut reports = ReportStore::new();
    for (secs, level) in Level::ALL.into_iter().enumerate() {
        reports.add_report(report(level, &format!("{level} it IS")), instants_at(secs as u64));
    }
    let other = Report { service: "y".to_owned(), data: json!({"request_id": "r-1"}), ..report(Level::Error, "z") };
    reports.add_report(other, instants_at(9));
    // The first letter of each found status, newest first.
    let page = |filter: ReportFilter| {
        statuses(&reports.page(&filter, None, 100)).iter().map(|s| s[..1].to_owned()).collect::<String>()
    };
    let all = ReportFilter::default;
    assert_eq!(page(all()), "zdiwec");
    assert_eq!(page(ReportFilter { level: Some(Level::Error), ..all() }), "zec");
    assert_eq!(page(ReportFilter { service: Some("y".to_owned()), ..all() }), "z");
    assert_eq!(page(ReportFilter { from: Some(instants_at(1).wall), to: Some(instants_at(3).wall), ..all() }), "we");
    assert_eq!(page(ReportFilter { text: Some("G It is".to_owned()), ..all() }), "dw");
    assert_eq!(page(ReportFilter { text: Some("r-1".to_owned()), ..all() }), "z");
    let with_source =
        Report { data: json!({"fields": {"source": "kraken"}}), ..report(Level::Warning, "source fails") };
    reports.add_report(with_source, instants_at(9));
    let of_source = reports.page(&ReportFilter { text: Some("kraken".to_owned()), ..all() }, None, 100);
    assert_eq!(of_source.data.iter().map(|report| report.source.as_deref()).collect::<Vec<_>>(), [Some("kraken")]);
}

#[test]
fn heartbeats_do_not_displace_warnings() {
    let mut reports = ReportStore::new();
    reports.add_report(report(Level::Warning, "wrong"), instants_at(0));
    for _ in 0..ROUTINE_RETENTION.reports + 5 {
        reports.add_report(report(Level::Info, "alive"), instants_at(1));
    }
    assert_eq!(reports.routine.reports.len(), ROUTINE_RETENTION.reports);
    let page = reports.page(&ReportFilter { level: Some(Level::Warning), ..ReportFilter::default() }, None, 10);
    assert_eq!(statuses(&page), ["wrong"]);
}

#[test]
fn total_size_is_limited() {
    let mut reports = ReportStore::new();
    let large = Report { data: json!("x".repeat(1024 * 1024)), ..report(Level::Info, "large") };
    for _ in 0..8 {
        reports.add_report(large.clone(), instants_at(2));
    }
    assert!(reports.routine.reports.len() < 4 && reports.routine.bytes <= ROUTINE_RETENTION.bytes);
}

#[test]
fn size_of_a_report_includes_its_source() {
    let bytes_of = |source: &str| {
        let mut reports = ReportStore::new();
        let data = json!({"fields": {"source": source}});
        reports.add_report(Report { data, ..report(Level::Info, "alive") }, instants_at(1));
        reports.routine.bytes
    };
    // The source is stored in the data and in a field of the report.
    assert_eq!(bytes_of(&"x".repeat(1001)), bytes_of("x") + 2000);
}

#[test]
fn counts_cover_the_last_hour() {
    let mut reports = ReportStore::new();
    reports.add_report(report(Level::Error, "a"), instants_at(10));
    reports.add_report(report(Level::Error, "b"), instants_at(1800));
    reports.add_report(report(Level::Debug, "c"), instants_at(3599));
    let counts = |secs| reports.last_hour(instants_at(secs));
    assert_eq!((counts(3599).error, counts(3599).debug, counts(3599).critical), (2, 1, 0));
    assert_eq!(counts(3600).error, 1);
    assert_eq!(counts(100_000), LevelCounts::default());
}

#[test]
fn reports_of_one_request_and_of_one_user_are_found() {
    let mut reports = ReportStore::new();
    for (status, data) in [
        ("a", json!({"request_id": "r-1", "fields": {"user": "u-1"}})),
        ("b", json!({"request_id": "r-11", "user": "u-1"})),
        ("c", json!({"fields": {"user": "u-2"}})),
    ] {
        reports.add_report(Report { data, ..report(Level::Error, status) }, instants_at(1));
    }
    let page = |filter: ReportFilter| statuses(&reports.page(&filter, None, 100)).join(" ");
    assert_eq!(page(ReportFilter { request_id: Some("r-1".to_owned()), ..ReportFilter::default() }), "a");
    assert_eq!(page(ReportFilter { user: Some("u-1".to_owned()), ..ReportFilter::default() }), "b a");
    assert_eq!(page(ReportFilter { user: Some("u".to_owned()), ..ReportFilter::default() }), "");
}
