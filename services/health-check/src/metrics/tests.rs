use serde_json::json;

use super::*;

fn alert(name: &str, subject: &str, state: AlertState) -> Alert {
    serde_json::from_value(json!({
        "name": name,
        "subject": subject,
        "severity": "error",
        "state": state,
        "summary": "a fault",
        "runbook_url": "docs/runbooks/services.md",
        "since": "2026-01-02T03:04:05Z",
    }))
    .unwrap()
}

/// The lines of `buydesk_alert_firing`, without the name of the metric and the label `service`.
fn alert_lines(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode();
    let lines = text.lines().filter_map(|line| line.strip_prefix("buydesk_alert_firing{service=\"health-check\","));
    lines.map(str::to_owned).collect()
}

#[test]
fn each_firing_alert_has_a_gauge_and_each_other_rule_has_a_zero() {
    let metrics = Metrics::new("health-check");
    let health = HealthMetrics::register(&metrics);
    let zeros = alert_lines(&metrics);
    assert_eq!(zeros.len(), Rule::ALL.len());
    health.set_alerts(&[
        alert("ServiceMissing", "create-order", AlertState::Firing),
        alert("ServiceMissing", "rates", AlertState::Firing),
        alert("DiskNearlyFull", "host-1", AlertState::Pending),
    ]);
    let lines = alert_lines(&metrics);
    assert!(lines.contains(&r#"alert="ServiceMissing",subject="create-order"} 1"#.to_owned()), "{lines:?}");
    assert!(lines.contains(&r#"alert="DiskNearlyFull",subject=""} 0"#.to_owned()), "{lines:?}");
    assert_eq!(lines.len(), Rule::ALL.len() + 1);
    health.set_alerts(&[]);
    assert_eq!(BTreeSet::from_iter(alert_lines(&metrics)), BTreeSet::from_iter(zeros));
}
