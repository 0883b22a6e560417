use common::{
    api::{
        history::{HistoryKind, HistoryPeriod},
        reports::StoredReport,
    },
    startup::STARTUP_GRACE,
    time::Timestamp,
};

use super::*;
use crate::{
    clock::tests::instants_at,
    history::HistoryConfig,
    registry::{Condition, MAX_SERVICES},
};

fn report(status: &str) -> Report {
    Report { level: Level::Info, service: "db-proxy".to_owned(), status: status.to_owned(), data: ().into() }
}

#[test]
fn each_change_between_alive_and_missing_is_reported_once() {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    service.receive_report(report(Report::ALIVE), instants_at(0)).unwrap();
    for secs in 1..1000 {
        service.detect_state_changes(instants_at(secs));
    }
    // Only a heartbeat makes the service alive again.
    service.receive_report(report("a log message"), instants_at(1000)).unwrap();
    service.receive_report(report(Report::ALIVE), instants_at(1001)).unwrap();
    service.detect_state_changes(instants_at(1002));
    let filter = ReportFilter { text: Some("the service".to_owned()), ..ReportFilter::default() };
    let page = service.reports(&filter, None, 100).unwrap();
    let changes: Vec<_> = page.data.iter().map(|r| (r.level, r.status.as_str(), r.received_at)).collect();
    assert_eq!(
        changes,
        [
            (Level::Info, "the service sends heartbeats again", instants_at(1001).wall),
            (Level::Critical, "the service is missing: it sends no heartbeats", instants_at(150).wall),
            (Level::Info, "the service has started", instants_at(0).wall),
        ]
    );
}

#[test]
fn heartbeat_of_a_service_beyond_the_limit_is_refused() {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    let heartbeat = |n: usize| Report { service: format!("s{n}"), ..report(Report::ALIVE) };
    let refused = (0..100).filter(|&n| service.receive_report(heartbeat(n), instants_at(0)).is_err()).count();
    assert_eq!(refused, 100 - (MAX_SERVICES - EXPECTED_SERVICES.len()));
    assert_eq!(service.health(instants_at(0)).services.len(), MAX_SERVICES);
}

#[test]
fn heartbeat_with_a_long_detail_updates_the_state() {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    let heartbeat = |ready: bool, detail: usize| {
        let part = serde_json::json!({"name": "database", "ready": ready, "detail": "d".repeat(detail)});
        let data = serde_json::json!({"instance": "a", "ready": ready, "parts": [part]});
        Report { data, ..report(Report::ALIVE) }
    };
    let state = |secs| {
        let services = service.health(instants_at(secs)).services;
        services.into_iter().find(|service| service.service == "db-proxy").unwrap().state
    };
    service.receive_report(heartbeat(true, 0), instants_at(0)).unwrap();
    assert_eq!(state(1), ServiceState::Alive);
    for (secs, detail) in [(2, 1025), (3, 100_000)] {
        service.receive_report(heartbeat(false, detail), instants_at(secs)).unwrap();
        assert_eq!(state(secs), ServiceState::Degraded);
    }
}

#[test]
fn refused_heartbeat_is_reported_under_the_name_of_its_service() {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    let invalid = Report { data: serde_json::json!({"instance": "a b"}), ..report(Report::ALIVE) };
    service.receive_report(invalid, instants_at(1)).unwrap_err();
    let page = service.reports(&ReportFilter::default(), None, 10).unwrap();
    let [refused] = &page.data[..] else { panic!("{page:?}") };
    assert_eq!((refused.level, refused.service.as_str()), (Level::Warning, "db-proxy"));
    assert!(refused.status.contains("refused") && refused.data["fields"][0] == "data.instance", "{refused:?}");
}

/// The seconds, the level and the text of each reported change of a service whose only component is never ready.
fn changes_of_unready_service(optional: bool) -> Vec<(u64, Level, String)> {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    let part = serde_json::json!({"name": "database", "ready": false, "optional": optional});
    let data = serde_json::json!({"instance": "a", "ready": optional, "parts": [part]});
    service.receive_report(Report { data, ..report(Report::ALIVE) }, instants_at(0)).unwrap();
    (1..60).for_each(|secs| service.detect_state_changes(instants_at(secs)));
    let filter = ReportFilter { text: Some("the service".to_owned()), ..ReportFilter::default() };
    let page = service.reports(&filter, None, 100).unwrap();
    let secs = |report: &StoredReport| report.received_at.since(instants_at(0).wall).as_secs();
    page.data.iter().rev().map(|report| (secs(report), report.level, report.status.clone())).collect()
}

#[test]
fn unready_component_is_reported_as_info_until_the_startup_grace_ends() {
    let starting = (0, Level::Info, "the service is starting: not every component is ready yet".to_owned());
    let grace = STARTUP_GRACE.as_secs();
    let needed = (grace, Level::Error, "the service is not ready: database".to_owned());
    assert_eq!(changes_of_unready_service(false), [starting.clone(), needed]);
    let optional = (
        grace,
        Level::Warning,
        "the service is degraded: it works, but these components are not ready: database".to_owned(),
    );
    assert_eq!(changes_of_unready_service(true), [starting, optional]);
}

#[test]
fn update_heartbeat_changes_the_state_and_is_not_stored_as_a_report() {
    let service = HealthService::new(&Metrics::new(App::NAME), Alerts::default(), History::default(), instants_at(0));
    let heartbeat = |ready: bool, update: bool| {
        let parts = [serde_json::json!({"name": "limit", "ready": ready, "optional": true})];
        let data = serde_json::json!({"instance": "a", "uptime_secs": 60, "parts": parts, "update": update});
        Report { data, ..report(Report::ALIVE) }
    };
    let stored = |text: &str| {
        let filter = ReportFilter { text: Some(text.to_owned()), ..ReportFilter::default() };
        service.reports(&filter, None, 100).unwrap().data.len()
    };
    service.receive_report(heartbeat(true, false), instants_at(0)).unwrap();
    service.receive_report(heartbeat(true, true), instants_at(2)).unwrap();
    service.receive_report(heartbeat(false, true), instants_at(4)).unwrap();
    assert_eq!((stored("alive"), stored("these components are not ready: limit")), (1, 1));
}

#[test]
fn previous_state_of_a_change_is_shown_only_if_it_differs() {
    let condition = |state, ready| Condition { state, ready, starting: false };
    let previous = |from, to| {
        let (service, not_ready) = ("db-proxy".to_owned(), Vec::new());
        previous_state(&StateChange { service, from, to, not_ready })
    };
    let degraded = |ready| condition(ServiceState::Degraded, ready);
    assert_eq!(previous(degraded(true), degraded(false)), None);
    assert_eq!(previous(condition(ServiceState::Alive, true), degraded(true)), Some(ServiceState::Alive));
}

/// The periods of a kind, oldest first: the state, the subject, and the start and the end in seconds after the start.
fn periods(service: &HealthService, kind: HistoryKind) -> Vec<String> {
    let filter = HistoryFilter { kind: Some(kind), ..HistoryFilter::default() };
    let page = service.history(&filter, None, 100, instants_at(0)).unwrap();
    let secs = |time: Timestamp| time.since(instants_at(0).wall).as_secs();
    let text = |period: &HistoryPeriod| {
        let to = period.to.map(|to| secs(to).to_string()).unwrap_or_default();
        format!("{} {} {}-{to}", period.state, period.subject, secs(period.from))
    };
    page.data.iter().rev().map(text).collect()
}

/// A heartbeat of create-order.
fn order_heartbeat(ready: bool) -> Report {
    let parts = [serde_json::json!({"name": "db-proxy", "ready": ready})];
    let data = serde_json::json!({"instance": "a", "uptime_secs": 60, "ready": ready, "parts": parts});
    Report { service: "create-order".to_owned(), data, ..report(Report::ALIVE) }
}

#[test]
fn period_of_an_alert_ends_when_the_alert_is_resolved_also_shortly_after_the_start() {
    let service = restarted(&[]);
    let run = |secs: std::ops::Range<u64>| secs.for_each(|secs| service.detect_state_changes(instants_at(secs)));
    service.receive_report(order_heartbeat(false), instants_at(0)).unwrap();
    run(0..40);
    assert_eq!(periods(&service, HistoryKind::Alert), ["OrdersRefused orders 30-"]);
    service.receive_report(order_heartbeat(true), instants_at(40)).unwrap();
    run(40..60);
    let resolved_at = service.alerts().data.into_iter().find_map(|alert| alert.resolved_at);
    assert_eq!(resolved_at, Some(instants_at(50).wall));
    assert_eq!(periods(&service, HistoryKind::Alert), ["OrdersRefused orders 30-50"]);
    assert_eq!(periods(&service, HistoryKind::Platform), ["failing platform 10-40", "degraded platform 40-"]);
}

/// health-check after a restart. Its history file contains ongoing periods of these alerts.
fn restarted(alerts: &[(&str, &str)]) -> HealthService {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    let line = |(id, (state, subject)): (usize, &(&str, &str))| {
        let period = serde_json::json!({
            "id": id + 1, "kind": "alert", "subject": subject, "state": state, "why": "a reason",
            "from": instants_at(0).wall,
        });
        format!("{}\n", serde_json::json!({ "period": period }))
    };
    std::fs::write(&file, alerts.iter().enumerate().map(line).collect::<String>()).unwrap();
    let config = HistoryConfig { file: Some(file), ..HistoryConfig::default() };
    let history = History::open(&config, instants_at(0).wall).unwrap().history;
    HealthService::new(&Metrics::new(App::NAME), Alerts::default(), history, instants_at(0))
}

#[test]
fn restored_period_ends_as_soon_as_heartbeats_show_that_the_fault_has_ended() {
    let service = restarted(&[("OrdersRefused", "orders"), ("ServiceMissing", "rates"), ("CommitsFail", "database")]);
    let run = |secs: std::ops::Range<u64>| secs.for_each(|secs| service.detect_state_changes(instants_at(secs)));
    // Services that have not reported yet end no period.
    run(0..15);
    let ongoing = ["OrdersRefused orders 0-", "ServiceMissing rates 0-", "CommitsFail database 0-"];
    assert_eq!(periods(&service, HistoryKind::Alert), ongoing);
    service.receive_report(order_heartbeat(true), instants_at(15)).unwrap();
    run(15..20);
    let rates = Report { service: "rates".to_owned(), ..report(Report::ALIVE) };
    service.receive_report(rates, instants_at(20)).unwrap();
    run(20..25);
    let ended = ["OrdersRefused orders 0-15", "ServiceMissing rates 0-20", "CommitsFail database 0-"];
    assert_eq!(periods(&service, HistoryKind::Alert)[..3], ended);
}

#[test]
fn restored_period_continues_if_its_fault_still_exists() {
    let service = restarted(&[("OrdersRefused", "orders")]);
    service.detect_state_changes(instants_at(0));
    service.receive_report(order_heartbeat(false), instants_at(15)).unwrap();
    (15..100).for_each(|secs| service.detect_state_changes(instants_at(secs)));
    assert_eq!(periods(&service, HistoryKind::Alert), ["OrdersRefused orders 0-"]);
    service.receive_report(order_heartbeat(true), instants_at(100)).unwrap();
    (100..120).for_each(|secs| service.detect_state_changes(instants_at(secs)));
    assert_eq!(periods(&service, HistoryKind::Alert), ["OrdersRefused orders 0-110"]);
}
