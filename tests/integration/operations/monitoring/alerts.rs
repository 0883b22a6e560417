//! Each alert of Prometheus fires for its fault, and has an entry in a runbook.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Output,
};

use common::{config::port_variable, service::Service};
use tests::{
    platform::SERVICES,
    prometheus::{Prometheus, deployment_files, promtool, repository},
};

/// Critical: an operator must act immediately. Error: the software has a defect. Warning: an operator must act soon.
const SEVERITIES: [&str; 3] = ["critical", "error", "warning"];
/// The first part of `runbook_url`, which is relative to the repository.
const RUNBOOKS: &str = "docs/runbooks/";

fn read_file(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of the rule tests, relative to `deployment/prometheus`.
fn rule_tests() -> Vec<String> {
    let files = deployment_files("prometheus/tests");
    files.iter().map(|file| format!("tests/{}", file.file_name().unwrap().to_str().unwrap())).collect()
}

#[track_caller]
fn assert_success(output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
}

#[test]
fn rule_tests_of_alerts_succeed() {
    let tests = rule_tests();
    assert!(tests.len() >= 4, "{tests:?}");
    let arguments: Vec<_> = ["test", "rules"].into_iter().chain(tests.iter().map(String::as_str)).collect();
    assert_success(&promtool(&arguments));
}

#[test]
fn configuration_scrapes_every_service_of_a_deployment() {
    assert_success(&promtool(&["check", "config", "prometheus.yml"]));
    let (settings, demo) =
        (read_file(".env.example"), read_file("deployment/prometheus/targets-demo/exchange-sim.yml"));
    let targets = read_file("deployment/prometheus/targets/services.yml");
    for service in SERVICES {
        let variable = format!("#{}=", port_variable(service));
        let port = settings.lines().find_map(|line| line.strip_prefix(&variable)).unwrap();
        let file = if service == exchange_sim::App::NAME { &demo } else { &targets };
        let target = format!("- {service}:{port}");
        assert!(file.lines().any(|line| line.trim() == target), "{service} is not scraped");
    }
}

/// For each alert, how often the rule tests expect it to fire, and how often to be silent.
fn expectations() -> BTreeMap<String, [usize; 2]> {
    let mut expectations = BTreeMap::<String, [usize; 2]>::new();
    for test in rule_tests() {
        let text = read_file(&format!("deployment/prometheus/{test}"));
        let mut alert = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("- alertname: ") {
                alert = Some(name.to_owned());
            } else if let Some(expected) = line.strip_prefix("exp_alerts:") {
                let name = alert.take().expect("an expectation follows the name of its alert");
                expectations.entry(name).or_default()[usize::from(expected.trim() == "[]")] += 1;
            }
        }
    }
    expectations
}

#[tokio::test]
async fn every_alert_is_tested_and_has_a_severity_a_summary_and_a_runbook_entry() {
    let prometheus = Prometheus::start(&[]).await;
    let alerts: Vec<_> = prometheus.rules().await.into_iter().filter(|rule| rule.is_alert).collect();
    prometheus.stop().await;
    let (expectations, index) = (expectations(), read_file(&format!("{RUNBOOKS}README.md")));
    let mut entries = BTreeSet::new();
    for alert in &alerts {
        let name = &alert.name;
        let [fires, is_silent] = expectations.get(name).copied().unwrap_or_default();
        assert!(fires > 0, "{name} fires in no rule test");
        assert!(is_silent > 0, "{name} is silent in no rule test");
        let severity = alert.labels["severity"].as_str().unwrap_or_default();
        assert!(SEVERITIES.contains(&severity), "{name} has the severity {severity:?}");
        let summary = alert.annotations["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{name} has no summary");

        let anchor = name.to_lowercase();
        let expected = format!("{RUNBOOKS}{}.md#{anchor}", alert.file);
        assert_eq!(alert.annotations["runbook_url"], expected.as_str(), "{name}");
        let line = format!("| [{name}]({}.md#{anchor}) | {severity} |", alert.file);
        assert!(index.contains(&line), "the index of runbooks has no line with {line}");
        entries.insert((alert.file.clone(), name.clone()));
    }
    assert!(alerts.len() >= 30, "only {} alerts", alerts.len());
    assert_eq!(expectations.len(), alerts.len(), "a rule test is about an alert that does not exist");

    // No runbook entry names an alert that does not exist.
    let files: BTreeSet<_> = alerts.iter().map(|alert| alert.file.as_str()).collect();
    let mut found = BTreeSet::new();
    for file in files {
        let text = read_file(&format!("{RUNBOOKS}{file}.md"));
        for section in text.split("\n## ").skip(1) {
            let (name, body) = section.split_once('\n').unwrap();
            for part in ["**Customers.**", "**Look.**", "**Act.**"] {
                assert!(body.contains(part), "the runbook entry of {name} has no {part}");
            }
            found.insert((file.to_owned(), name.to_owned()));
        }
    }
    assert_eq!(found, entries, "the runbook entries differ from the alerts");
    assert_eq!(index.matches("\n| [").count(), alerts.len(), "the index of runbooks must have one line for each alert");
}

#[tokio::test]
async fn alerts_of_health_check_and_of_prometheus_have_the_same_severities_and_runbooks() {
    let prometheus = Prometheus::start(&[]).await;
    let rules = prometheus.rules().await;
    prometheus.stop().await;
    let alerts = health_check::alert_descriptions();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let rule = rules.iter().find(|rule| rule.is_alert && rule.name == alert.name);
        let rule = rule.unwrap_or_else(|| panic!("Prometheus has no alert {}", alert.name));
        assert_eq!(rule.labels["severity"], alert.severity, "{}", alert.name);
        assert_eq!(rule.annotations["runbook_url"], alert.runbook_url.as_str(), "{}", alert.name);
    }
}
