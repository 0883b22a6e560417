//! The model of a load and its measurements, as parts of the report.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "lowercase")]
pub enum Model {
    /// Each connection sends its next request after the response to its previous request.
    Closed { connections: u32 },
    /// Each request is sent when it is due, unless `max_in_flight` requests are in flight.
    Open { rate_per_second: u32, max_in_flight: u32 },
}

/// Latencies in microseconds. All are zero if nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
}

impl Latency {
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: histogram.max() }
    }
}

/// How the requests of the open model were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub planned: u64,
    pub sent: u64,
    /// Requests that were sent more than 10 ms after they were due.
    pub late: u64,
    pub max_lateness_us: u64,
    /// Requests that were due when the maximum number of requests was in flight.
    pub waited_for_slot: u64,
    /// Planned requests that were not sent before the load ended or was interrupted.
    pub not_sent: u64,
}

/// One second of the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    pub responses: u64,
    pub failed: u64,
    pub latency_us: Latency,
}
