use common::api::reports::Report;
use serde_json::Value;

use super::*;
use crate::clock::tests::instants_at;

fn store(reports: &[(u64, Level, &str)]) -> ReportStore {
    let mut store = ReportStore::new();
    for (secs, level, status) in reports {
        let report = Report { level: *level, service: "x".to_owned(), status: (*status).to_owned(), data: Value::Null };
        store.add_report(report, instants_at(*secs));
    }
    store
}

#[test]
fn reports_that_differ_only_in_numbers_and_ids_are_one_group() {
    let store = store(&[
        (1, Level::Warning, "the request 0190a6e2-7c1b-7c3a took 15 ms"),
        (2, Level::Warning, "another message"),
        (3, Level::Warning, "the request 0190a6e2-7c1b-8888 took 1500 ms"),
        (4, Level::Error, "the request 0190a6e2-7c1b-9999 took 7 ms"),
    ]);
    let groups = store.groups(&ReportFilter::default(), 100);
    let shown: Vec<_> =
        groups.iter().map(|group| (group.count, group.latest.level, group.latest.status.as_str())).collect();
    assert_eq!(
        shown,
        [
            (1, Level::Error, "the request 0190a6e2-7c1b-9999 took 7 ms"),
            (2, Level::Warning, "the request 0190a6e2-7c1b-8888 took 1500 ms"),
            (1, Level::Warning, "another message"),
        ]
    );
    assert_eq!((groups[1].first_at, groups[1].last_at), (instants_at(1).wall, instants_at(3).wall));
    assert_eq!(store.groups(&ReportFilter::default(), 2).len(), 2);
    assert_eq!(store.groups(&ReportFilter { level: Some(Level::Error), ..ReportFilter::default() }, 100).len(), 1);
}

#[test]
fn pattern_of_a_message_keeps_its_words_and_its_punctuation() {
    for (message, pattern) in [
        ("a: 1.5 b (x9)", "a: # b (#)"),
        ("db-proxy at 127.0.0.1:8010 is unavailable", "db-proxy at #:# is unavailable"),
        ("", ""),
        ("Größe: 7 €", "Größe: # €"),
    ] {
        assert_eq!(message_pattern(message), pattern);
    }
}
