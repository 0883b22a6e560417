use std::time::Duration;

use common::time::Timestamp;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Bar, Check, LoadReport, Plan, ReportParts, bars};
use crate::load::{
    measures::{Model, Schedule},
    recording::{Recorder, Sample},
    transport::Transport,
    workload::Failure,
};

/// A report of 100 responses in one second, one per 10 ms, with latencies from 1 ms to 100 ms. `failure` is the
/// result of the last request.
pub fn report(mut failure: Option<Failure>) -> LoadReport {
    let start = Instant::now();
    let recorder = Recorder::new(2, start).unwrap();
    for number in 1..=100_u64 {
        let ended = start + Duration::from_millis(number * 10 - 1);
        let result = if number == 100 { failure.take().map_or(Ok(()), Err) } else { Ok(()) };
        recorder.count_sent();
        let operation = usize::try_from(number % 2).unwrap();
        let began = ended.checked_sub(Duration::from_millis(number)).unwrap();
        recorder.record(Sample { operation, began: began.max(start), ended, result });
    }
    let schedule =
        Schedule { planned: 120, sent: 100, late: 5, max_lateness_us: 250_000, waited_for_slot: 7, not_sent: 20 };
    let parts = ReportParts {
        plan: Plan {
            kind: "orders".to_owned(),
            server: "http://127.0.0.1:8001".to_owned(),
            simulated: Some(true),
            model: Model::Open { rate_per_second: 100, max_in_flight: 8 },
            duration_ms: 1000,
            warm_up_ms: 0,
        },
        started_at: "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap(),
        interrupted: false,
        schedule: Some(schedule),
        check: Some(Check { acknowledged: 99, looked_up: 99, repeated: 20, ..Check::default() }),
        operations: &["order", "page"],
        rate_limit_advice: "Start the platform with RATE_LIMIT_PER_MINUTE=0.".to_owned(),
        transport: Transport::new(1, Duration::from_secs(1), None).unwrap(),
    };
    LoadReport::new(parts, recorder.into_recording())
}

fn limited() -> Failure {
    Failure { code: "too_many_requests".to_owned(), status: Some(429) }
}

#[test]
fn json_has_the_plan_the_percentiles_and_each_second() {
    let report = report(Some(limited()));
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(
        document["plan"],
        json!({
            "kind": "orders", "server": "http://127.0.0.1:8001", "simulated": true, "model": "open", "rate_per_second": 100,
            "max_in_flight": 8, "duration_ms": 1000, "warm_up_ms": 0
        })
    );
    assert_eq!((&document["responses"], &document["failed"]), (&json!(100), &json!(1)));
    assert_eq!(document["rate_per_second"], json!(100.0));
    assert_eq!(document["failures"], json!([{ "code": "too_many_requests", "status": 429, "count": 1 }]));
    assert_eq!(document["seconds"].as_array().unwrap().len(), 1);
    assert_eq!(document["seconds"][0]["responses"], json!(100));
    assert_eq!(document["operations"][1]["responses"], json!(50));
    let latency = |name: &str| document["latency_us"][name].as_u64().unwrap();
    for (name, expected) in [("p50", 50_000), ("p90", 90_000), ("p99", 99_000), ("max", 100_000)] {
        assert!(latency(name).abs_diff(expected) <= expected / 1000, "{name}: {}", latency(name));
    }
    let counted: u64 = document["histogram"].as_array().unwrap().iter().map(|bar| bar["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 100);
    assert_eq!(serde_json::from_value::<LoadReport>(document).unwrap(), report);
}

#[test]
fn report_of_a_later_version_with_further_fields_is_read() {
    let mut document = serde_json::to_value(report(None)).unwrap();
    document["latency_us"]["p99_999"] = json!(7);
    document["new"] = Value::Null;
    assert!(serde_json::from_value::<LoadReport>(document).is_ok());
}

#[test]
fn summary_has_failures_lateness_check_and_advice_about_the_rate_limit() {
    let text = report(Some(limited())).to_string();
    for part in [
        "Load of orders at http://127.0.0.1:8001 (SIMULATED): open model, 100 requests per second, at most 8 in flight, 1 s",
        "too_many_requests",
        "Of 120 planned requests, 100 were sent: 5 of them late, by up to 250.00 ms, and 20 were not sent.",
        "7 were due while 8 requests were in flight",
        "Check: 99 acknowledged, 99 of them looked up, 20 repeated with their key; no violation.",
        "1 requests were answered with 429. Start the platform with RATE_LIMIT_PER_MINUTE=0.",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn summary_has_the_detail_of_the_first_failure_with_each_code() {
    let mut report = report(Some(limited()));
    report.failures[0].first_detail = Some("At most 60 requests are allowed.".to_owned());
    let text = report.to_string();
    assert!(text.contains("\nThe first response with too_many_requests: At most 60 requests are allowed."), "{text}");
    assert_eq!(
        serde_json::to_value(&report).unwrap()["failures"][0]["first_detail"],
        "At most 60 requests are allowed."
    );
}

#[test]
fn load_fails_after_an_unexpected_response_a_violation_or_an_unknown_outcome() {
    assert!(!report(None).has_failed());
    assert!(report(Some(limited())).has_failed());
    let mut violated = report(None);
    violated.check.as_mut().unwrap().add_violation("Order 7 is missing.".to_owned());
    assert!(violated.has_failed());
    assert!(violated.to_string().contains("VIOLATIONS: 1.\nOrder 7 is missing."), "{violated}");
    let mut unknown = report(None);
    unknown.check.as_mut().unwrap().unresolved = 2;
    assert!(unknown.has_failed());
}

#[test]
fn bars_have_no_gap_and_contain_every_latency() {
    let mut latencies = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
    for micros in [850, 851, 1000, 1001, 1700] {
        latencies.record(micros).unwrap();
    }
    let bar = |above_us, up_to_us, count| Bar { above_us, up_to_us, count };
    assert_eq!(bars(&latencies), [bar(820, 1000, 3), bar(1000, 1200, 1), bar(1200, 1500, 0), bar(1500, 1800, 1)]);
    latencies.reset();
    assert_eq!(bars(&latencies), []);
    latencies.record(3).unwrap();
    assert_eq!(bars(&latencies), [bar(0, 10, 1)]);
}
