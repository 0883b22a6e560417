//! Records the responses of a running load.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{
    measures::{Latency, Second},
    workload::Failure,
};

/// Upper limit of the histograms, in microseconds. A longer latency is clamped to about this value.
const MAX_LATENCY_MICROS: u64 = 3_600_000_000;
/// With three digits, the error of a recorded latency is less than one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The outcome of one request.
#[derive(Debug)]
pub struct Sample {
    pub operation: usize,
    /// When the request was due, or, in the closed model, when it was sent.
    pub began: Instant,
    pub ended: Instant,
    pub result: Result<(), Failure>,
}

/// Collects the results of a running load. Shared by all tasks.
#[derive(Debug)]
pub struct Recorder {
    in_flight: AtomicU64,
    state: Mutex<Recording>,
}

/// The results of a load.
#[derive(Debug)]
pub struct Recording {
    /// The end of the warm-up. Requests that began earlier are counted but not measured.
    pub measured_from: Instant,
    pub last_response: Instant,
    pub latency: Histogram<u64>,
    pub operations: Vec<Histogram<u64>>,
    pub failed: u64,
    pub warm_up: u64,
    pub warm_up_failed: u64,
    /// All failures, also those of the warm-up.
    pub failures: BTreeMap<Failure, u64>,
    /// The complete seconds since the end of the warm-up.
    pub seconds: Vec<Second>,
    current: CurrentSecond,
}

/// The second that has not ended yet.
#[derive(Debug)]
struct CurrentSecond {
    failed: u64,
    latency: Histogram<u64>,
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, MAX_LATENCY_MICROS, SIGNIFICANT_DIGITS).context("the histogram cannot be created")
}

impl Recorder {
    /// `operations` is the number of kinds of requests. Measuring starts at `measured_from`.
    pub fn new(operations: usize, measured_from: Instant) -> anyhow::Result<Self> {
        let recording = Recording {
            measured_from,
            last_response: measured_from,
            latency: histogram()?,
            operations: (0..operations).map(|_| histogram()).collect::<anyhow::Result<_>>()?,
            failed: 0,
            warm_up: 0,
            warm_up_failed: 0,
            failures: BTreeMap::new(),
            seconds: Vec::new(),
            current: CurrentSecond { failed: 0, latency: histogram()? },
        };
        Ok(Self { in_flight: AtomicU64::new(0), state: Mutex::new(recording) })
    }

    /// Counts a request as in flight.
    pub fn count_sent(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Records the outcome of a request that was counted as in flight.
    pub fn record(&self, sample: Sample) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.lock().record(sample);
    }

    /// Returns the results so far, with the seconds that are complete at `now`.
    pub fn recording_at(&self, now: Instant) -> MutexGuard<'_, Recording> {
        let mut recording = self.lock();
        recording.end_seconds(now);
        recording
    }

    /// The results. Must be called after the last response.
    pub fn into_recording(self) -> Recording {
        let mut recording = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Also ends the second in which the last response arrived.
        recording.end_seconds(recording.last_response + Duration::from_secs(1));
        recording
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn record(&mut self, sample: Sample) {
        let Sample { operation, began, ended, result } = sample;
        let has_failed = result.is_err();
        if let Err(failure) = result {
            *self.failures.entry(failure).or_default() += 1;
        }
        if began < self.measured_from {
            self.warm_up += 1;
            self.warm_up_failed += u64::from(has_failed);
            return;
        }
        self.end_seconds(ended);
        let micros = u64::try_from(ended.duration_since(began).as_micros()).unwrap_or(u64::MAX).max(1);
        self.latency.saturating_record(micros);
        self.operations[operation].saturating_record(micros);
        self.current.latency.saturating_record(micros);
        self.failed += u64::from(has_failed);
        self.current.failed += u64::from(has_failed);
        self.last_response = self.last_response.max(ended);
    }

    /// Adds the seconds that are complete at `now` to `seconds`.
    fn end_seconds(&mut self, now: Instant) {
        let passed = now.duration_since(self.measured_from).as_secs();
        while u64::try_from(self.seconds.len()).is_ok_and(|ended| ended < passed) {
            let CurrentSecond { failed, latency } = &mut self.current;
            let second = Second { responses: latency.len(), failed: *failed, latency_us: Latency::of(latency) };
            *failed = 0;
            latency.reset();
            self.seconds.push(second);
        }
    }
}
