//! Timelines of faults: every way to fail at one exchange, and several exchanges at once.

use std::{fmt, time::Duration};

use exchange_sim::{FaultKind, TimedFault};
use serde_json::{Map, Value, json};

/// What else a fault can be told, where its default is not all there is to it.
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

/// A way to fail: the kind, and what it is told.
#[derive(Debug, Clone)]
pub struct Way {
    pub kind: FaultKind,
    told: Map<String, Value>,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        self.told.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

impl Way {
    /// At an exchange, from a second on and for so long.
    pub fn at(&self, exchange: &str, second: u64, lasting: Duration) -> TimedFault {
        let mut fault = self.told.clone();
        for (name, value) in [
            ("exchange", json!(exchange)),
            ("fault", json!(self.kind.as_str())),
            ("at_seconds", json!(second)),
            ("seconds", json!(lasting.as_secs())),
        ] {
            fault.insert(name.to_owned(), value);
        }
        // By its text, as decimal numbers are read from theirs.
        serde_json::from_str(&Value::from(fault).to_string()).unwrap()
    }
}

/// Every way to fail. Those after which an exchange is left alone for long come last, or they would hide the next.
pub fn all() -> Vec<Way> {
    let plain = FaultKind::ALL.iter().map(|&kind| Way { kind, told: Map::new() });
    let told = VARIANTS.iter().map(|&(kind, told)| Way { kind, told: serde_json::from_str(told).unwrap() });
    let mut ways: Vec<_> = plain.chain(told).collect();
    ways.sort_by_key(|way| match way.kind {
        FaultKind::RateLimited | FaultKind::Throttled => 1,
        FaultKind::IpBanned | FaultKind::RateLimitedSilently => 2,
        _ => 0,
    });
    ways
}

/// How long a way to fail has to last to be seen: what stands still is found out after a minute.
fn time_to_show(kind: FaultKind) -> Duration {
    match kind {
        FaultKind::Frozen | FaultKind::Halted | FaultKind::HeartbeatOnly | FaultKind::Silent => Duration::from_secs(75),
        _ => Duration::from_secs(30),
    }
}

/// Every way to fail, one after the other, at all of these exchanges at once, each for `lasting` or as long as it takes to
/// be seen; with how long that is in all.
pub fn one_after_the_other(exchanges: &[&str], lasting: Option<Duration>) -> (Vec<TimedFault>, Duration) {
    const REST: Duration = Duration::from_secs(10);
    let mut second = super::WARM_UP;
    let mut faults = Vec::new();
    for way in all() {
        let lasting = lasting.unwrap_or(time_to_show(way.kind));
        faults.extend(exchanges.iter().map(|exchange| way.at(exchange, second.as_secs(), lasting)));
        second += lasting + REST;
    }
    (faults, second)
}

/// Minute after minute, some of `exchanges` fail in ways that are drawn by lot, never more than `most` at once.
pub fn by_lot(exchanges: &[&str], most: usize, minutes: u64, seed: u64) -> Vec<TimedFault> {
    let mut lot = fastrand::Rng::with_seed(seed);
    let ways = all();
    let mut faults = Vec::new();
    // Each of the places has one exchange for a while, and no exchange has two places.
    let mut busy: Vec<(&str, u64)> = Vec::new();
    for minute in 1..minutes {
        busy.retain(|&(_, until)| until > minute);
        while busy.len() < most {
            let exchange = exchanges[lot.usize(..exchanges.len())];
            if busy.iter().any(|&(other, _)| other == exchange) {
                continue;
            }
            let lasts = lot.u64(1..=5);
            let way = &ways[lot.usize(..ways.len())];
            faults.push(way.at(exchange, minute * 60, Duration::from_secs(lasts * 60)));
            busy.push((exchange, minute + lasts));
        }
    }
    faults
}
