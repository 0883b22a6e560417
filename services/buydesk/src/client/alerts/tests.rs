use serde_json::json;

use super::*;

#[test]
fn alert_is_shown_with_its_state_summary_and_runbook() {
    let alerts: AlertList = serde_json::from_value(json!({ "data": [{
        "name": "CommitsFail", "subject": "database", "service": "db-proxy", "severity": "critical", "state": "firing",
        "summary": "Orders cannot be stored: it is unavailable.", "runbook_url": "docs/runbooks/orders.md#commitsfail",
        "since": "2026-01-02T03:04:05Z", "silence": "s",
    }] }))
    .unwrap();
    let expected = "critical CommitsFail database: firing, silenced since 2026-01-02 03:04:05 UTC\n  \
                    Orders cannot be stored: it is unavailable.\n  docs/runbooks/orders.md#commitsfail";
    assert_eq!(alert_lines(&alerts.data), expected);
}

#[test]
fn silence_without_an_alert_is_shown_as_a_silence_of_all_alerts() {
    let silence: Silence = serde_json::from_value(json!({
        "id": "7", "service": "db-proxy", "created_at": "2026-01-02T03:04:05Z", "until": "2026-01-02T05:04:05Z",
        "created_by": "ada", "reason": "upgrade",
    }))
    .unwrap();
    let text = table([&silence]).to_string();
    for shown in ["all", "db-proxy", "2026-01-02 05:04:05", "ada", "upgrade"] {
        assert!(text.contains(shown), "{text}");
    }
}
