use common::{level::Level, time::Timestamp};

use super::*;

pub(super) fn alert(name: &str, subject: &str, state: AlertState) -> Alert {
    let since: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    Alert {
        name: name.to_owned(),
        subject: subject.to_owned(),
        service: Some("db-proxy".to_owned()),
        severity: Level::Critical,
        state,
        summary: "a summary".to_owned(),
        runbook_url: "docs/runbooks/a.md#b".to_owned(),
        since,
        fired_at: Some(since.plus(Duration::from_secs(10))),
        resolved_at: (state == AlertState::Resolved).then(|| since.plus(Duration::from_secs(60))),
        silence: None,
    }
}

fn config_of(pairs: &[(&'static str, &'static str)]) -> Result<AlertConfig, String> {
    let mut env = Env::from_pairs(pairs.iter().copied());
    let config = AlertConfig::from_env(&mut env);
    env.finish().map(|()| config).map_err(|error| error.to_string())
}

#[test]
fn settings_are_parsed_and_invalid_settings_are_refused_without_showing_a_secret() {
    let config = config_of(&[
        ("ALERT_WEBHOOK_URL", "https://hooks.example/a?sig=b"),
        ("ALERTMANAGER_URL", "http://ada:secret@host:9093/prefix"),
        ("ALERT_DISK_PERCENT", "20"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.webhook_url.unwrap().expose(), "https://hooks.example/a?sig=b");
    assert_eq!(config.thresholds, Thresholds { disk_percent: 20, memory_percent: 5 });
    for (name, value) in [
        ("ALERT_WEBHOOK_URL", "hooks.example/a-secret"),
        ("ALERTMANAGER_URL", "ftp://a-secret@host"),
        ("ALERT_DISK_PERCENT", "100"),
        ("ALERT_MEMORY_PERCENT", "-1"),
    ] {
        let error = config_of(&[(name, value)]).unwrap_err();
        assert!(error.contains(name) && !error.contains("a-secret"), "{error}");
    }
}
