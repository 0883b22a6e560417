//! The report of a load: the plan, the results, and the check after the load.

mod html;
mod summary;

use std::time::Duration;

use common::time::Timestamp;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{
    measures::{Latency, Model, Schedule, Second},
    recording::Recording,
    statistics::{format_count, per_second},
    transport::Transport,
    workload::Failure,
};

/// The version of the JSON format.
pub const FORMAT: u32 = 1;
/// The bounds of the histogram bars are these numbers times a power of ten.
const BOUNDS: [u64; 12] = [10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    pub format: u32,
    /// The version of the program.
    pub version: String,
    pub plan: Plan,
    pub started_at: Timestamp,
    /// Whether the user ended the load early.
    pub interrupted: bool,
    /// The time from the end of the warm-up to the last response. If the load was not interrupted, at least the planned
    /// duration.
    pub elapsed_ms: u64,
    /// The measured responses, including unexpected responses and requests without a response.
    pub responses: u64,
    /// The measured responses that were not expected, and requests without a response.
    pub failed: u64,
    pub rate_per_second: f64,
    pub latency_us: Latency,
    pub operations: Vec<OperationResult>,
    /// The responses of the warm-up, which are not measured.
    pub warm_up: WarmUp,
    /// The failures by code, also those of the warm-up.
    pub failures: Vec<FailureCount>,
    /// How the requests of the open model were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// One entry for each second after the warm-up.
    pub seconds: Vec<Second>,
    pub histogram: Vec<Bar>,
    /// The check after the load. Absent if nothing was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    pub notes: Vec<String>,
}

/// The requested load and the platform that receives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The kind of load, such as `orders`.
    pub kind: String,
    pub server: String,
    /// Whether the platform has simulated prices. Absent if it is unknown.
    pub simulated: Option<bool>,
    #[serde(flatten)]
    pub model: Model,
    pub duration_ms: u64,
    pub warm_up_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationResult {
    pub name: String,
    pub responses: u64,
    pub rate_per_second: f64,
    pub latency_us: Latency,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    pub responses: u64,
    pub failed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    pub code: String,
    /// Absent if there was no response, or if a successful response could not be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub count: u64,
    /// The detail of the first response with this code. Absent if no response had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_detail: Option<String>,
}

/// A bar of the histogram: the number of latencies that are greater than `above_us` and at most `up_to_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub above_us: u64,
    pub up_to_us: u64,
    pub count: u64,
}

/// The result of the check after the load: whether the acknowledged changes are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub acknowledged: u64,
    /// Acknowledged changes that were looked up.
    pub looked_up: u64,
    /// Acknowledged requests that were sent again with their keys, to check that the same change is returned.
    pub repeated: u64,
    /// Requests whose unknown outcome became known when they were sent again with their keys.
    pub resolved: u64,
    /// Requests whose outcome is unknown after the check.
    pub unresolved: u64,
    pub violations: u64,
    /// The first violations, as sentences.
    pub examples: Vec<String>,
}

/// Maximum number of violations in `Check::examples`.
const MAX_EXAMPLES: usize = 20;

impl Check {
    pub fn add_violation(&mut self, violation: String) {
        self.violations += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(violation);
        }
    }

    fn has_failed(&self) -> bool {
        self.violations > 0 || self.unresolved > 0
    }
}

/// The parts of a report other than the recorded responses.
#[derive(Debug)]
pub struct ReportParts {
    pub plan: Plan,
    pub started_at: Timestamp,
    pub interrupted: bool,
    pub schedule: Option<Schedule>,
    pub check: Option<Check>,
    pub operations: &'static [&'static str],
    /// The advice about rate limits.
    pub rate_limit_advice: String,
    /// The client that sent the load. It has the details of the failures.
    pub transport: Transport,
}

impl LoadReport {
    pub fn new(parts: ReportParts, recording: Recording) -> Self {
        let ReportParts { plan, started_at, interrupted, schedule, check, operations, rate_limit_advice, transport } =
            parts;
        let elapsed = recording.last_response.duration_since(recording.measured_from);
        // The load lasted for its whole duration even if the last response arrived earlier.
        let elapsed = if interrupted { elapsed } else { elapsed.max(Duration::from_millis(plan.duration_ms)) };
        let results = operations.iter().zip(&recording.operations).map(|(name, latency)| OperationResult {
            name: (*name).to_owned(),
            responses: latency.len(),
            rate_per_second: per_second(latency.len(), elapsed),
            latency_us: Latency::of(latency),
        });
        let failures = recording.failures.into_iter();
        let failures: Vec<_> = failures
            .map(|(Failure { code, status }, count)| {
                let first_detail = transport.first_detail(&code);
                FailureCount { code, status, count, first_detail }
            })
            .collect();
        let limited: u64 =
            failures.iter().filter(|failure| failure.status == Some(429)).map(|failure| failure.count).sum();
        let notes = (limited > 0).then(|| {
            format!(
                "A rate limit was exceeded: {} requests were answered with 429. {rate_limit_advice}",
                format_count(limited)
            )
        });
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            interrupted,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            responses: recording.latency.len(),
            failed: recording.failed,
            rate_per_second: per_second(recording.latency.len(), elapsed),
            latency_us: Latency::of(&recording.latency),
            operations: results.collect(),
            warm_up: WarmUp { responses: recording.warm_up, failed: recording.warm_up_failed },
            failures,
            schedule,
            seconds: recording.seconds,
            histogram: bars(&recording.latency),
            check,
            notes: notes.into_iter().collect(),
            plan,
        }
    }

    /// The report as one HTML file.
    pub fn html(&self) -> String {
        html::document(self)
    }

    /// Whether a response was unexpected, the check found a violation, or an outcome is unknown after the check.
    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty() || self.check.as_ref().is_some_and(Check::has_failed)
    }
}

/// The bars from the shortest to the longest latency, without a gap.
fn bars(latencies: &Histogram<u64>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut bounds = (0..10).flat_map(|decade| BOUNDS.map(|digits| digits * 10_u64.pow(decade))).peekable();
    for recorded in latencies.iter_recorded() {
        let (value, count) = (recorded.value_iterated_to(), recorded.count_at_value());
        while let Some(&above_us) = bounds.peek()
            && above_us < value
        {
            bounds.next();
            let up_to_us = bounds.peek().copied().unwrap_or(u64::MAX);
            // Empty bars below the shortest latency are omitted.
            if !bars.is_empty() || value <= up_to_us {
                bars.push(Bar { above_us, up_to_us, count: 0 });
            }
        }
        match bars.last_mut() {
            Some(bar) => bar.count += count,
            None => bars.push(Bar { above_us: 0, up_to_us: BOUNDS[0], count }),
        }
    }
    bars
}

#[cfg(test)]
pub mod tests;
