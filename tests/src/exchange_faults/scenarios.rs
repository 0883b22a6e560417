//! Scenarios: which exchange has which fault, and when.

use std::{fmt, time::Duration};

use exchange_sim::{FaultKind, TimedFault};
use serde_json::{Map, Value, json};

/// Parameters that are tested besides the defaults of a fault.
const VARIANTS: &[(FaultKind, &str)] = &[
    (FaultKind::LieFactor, r#"{"factor":"1.03"}"#),
    (FaultKind::LieFactor, r#"{"factor":"0.96"}"#),
    (FaultKind::LieFactor, r#"{"factor":"100"}"#),
    (FaultKind::LieFactor, r#"{"direction":"USDT-USD","factor":"0.97"}"#),
    (FaultKind::ClockSkew, r#"{"skew_seconds":7200}"#),
    (FaultKind::OddNumbers, r#"{"number_form":"decimal_comma"}"#),
    (FaultKind::OddNumbers, r#"{"number_form":"exponent"}"#),
    (FaultKind::OddNumbers, r#"{"number_form":"integer"}"#),
    (FaultKind::OddTimes, r#"{"time_form":"micros"}"#),
    (FaultKind::OddTimes, r#"{"time_form":"seconds"}"#),
    (FaultKind::Unlisted, r#"{"direction":"BTC-USD"}"#),
    (FaultKind::Html520, r#"{"status":403}"#),
    (FaultKind::RateLimited, r#"{"retry_after":37}"#),
];

/// A fault with its parameters.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: FaultKind,
    parameters: Map<String, Value>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        self.parameters.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

impl Fault {
    /// Schedules the fault at an exchange. The fault starts `start_second` seconds after the start of the run.
    pub fn scheduled_at(&self, exchange: &str, start_second: u64, duration: Duration) -> TimedFault {
        let mut fault = self.parameters.clone();
        for (name, value) in [
            ("exchange", json!(exchange)),
            ("fault", json!(self.kind.as_str())),
            ("at_seconds", json!(start_second)),
            ("seconds", json!(duration.as_secs())),
        ] {
            fault.insert(name.to_owned(), value);
        }
        // Parsed from JSON text, because decimal numbers cannot be deserialized from a `Value`.
        serde_json::from_str(&Value::from(fault).to_string()).unwrap()
    }
}

/// Every fault. The faults that make price-updater pause an exchange for a long time are last, because the pause would
/// hide the next fault.
pub fn all_faults() -> Vec<Fault> {
    let defaults = FaultKind::ALL.iter().map(|&kind| Fault { kind, parameters: Map::new() });
    let variants = VARIANTS
        .iter()
        .map(|&(kind, parameters)| Fault { kind, parameters: serde_json::from_str(parameters).unwrap() });
    let mut faults: Vec<_> = defaults.chain(variants).collect();
    faults.sort_by_key(|fault| match fault.kind {
        FaultKind::RateLimited | FaultKind::Throttled => 1,
        FaultKind::IpBanned | FaultKind::RateLimitedSilently => 2,
        _ => 0,
    });
    faults
}

/// How long a fault has to last to be detected. Unchanged data counts as frozen after a minute.
fn detection_time(kind: FaultKind) -> Duration {
    match kind {
        FaultKind::Frozen | FaultKind::Halted | FaultKind::HeartbeatOnly | FaultKind::Silent => Duration::from_secs(75),
        _ => Duration::from_secs(30),
    }
}

/// A schedule of faults and its total length.
pub struct Scenario {
    pub timeline: Vec<TimedFault>,
    pub length: Duration,
}

/// Every fault in sequence. Each fault affects all exchanges simultaneously. Each fault lasts as long as its detection
/// takes.
pub fn every_fault_in_sequence(exchanges: &[&str]) -> Scenario {
    const PAUSE: Duration = Duration::from_secs(10);
    let mut length = super::WARM_UP;
    let mut timeline = Vec::new();
    for fault in all_faults() {
        let duration = detection_time(fault.kind);
        timeline.extend(exchanges.iter().map(|exchange| fault.scheduled_at(exchange, length.as_secs(), duration)));
        length += duration + PAUSE;
    }
    Scenario { timeline, length }
}

/// Random faults of one to five minutes, at `concurrent` exchanges at any time.
pub fn random_faults(exchanges: &[&str], concurrent: usize, minutes: u64, seed: u64) -> Vec<TimedFault> {
    struct Failing<'a> {
        exchange: &'a str,
        until_minute: u64,
    }

    let mut rng = fastrand::Rng::with_seed(seed);
    let faults = all_faults();
    let mut timeline = Vec::new();
    let mut failing: Vec<Failing> = Vec::new();
    for minute in 1..minutes {
        failing.retain(|failing| failing.until_minute > minute);
        while failing.len() < concurrent {
            let exchange = exchanges[rng.usize(..exchanges.len())];
            if failing.iter().any(|failing| failing.exchange == exchange) {
                continue;
            }
            let duration = rng.u64(1..=5);
            let fault = &faults[rng.usize(..faults.len())];
            timeline.push(fault.scheduled_at(exchange, minute * 60, Duration::from_secs(duration * 60)));
            failing.push(Failing { exchange, until_minute: minute + duration });
        }
    }
    timeline
}
