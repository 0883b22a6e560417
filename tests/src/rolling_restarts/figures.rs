//! Counts the requests of a run, by the part that was being replaced when a request was answered.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Maximum number of failures that are described.
const MAX_FAILURES: usize = 20;

/// The outcome of a request.
#[derive(Debug)]
pub(super) enum RequestOutcome {
    Success,
    /// A request that is safe to repeat failed, or a request for a quote received neither 201 nor 503. The text
    /// describes the response.
    Failed(String),
    /// A request that is not safe to repeat received 503 or no response.
    FailedUnrepeatable,
}

#[derive(Debug, Default)]
pub(super) struct Figures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    parts: Vec<PartFigures>,
    /// The position of the part that is being replaced.
    current: usize,
    failures: Vec<String>,
}

#[derive(Debug, Default)]
struct PartFigures {
    name: &'static str,
    requests: u64,
    failed: u64,
    failed_unrepeatable: u64,
    repeated: u64,
    slowest: Duration,
}

impl Figures {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts requests for this part from now on.
    pub(super) fn begin_part(&self, name: &'static str) {
        let mut state = self.state();
        state.current = state.parts.iter().position(|part| part.name == name).unwrap_or(state.parts.len());
        if state.current == state.parts.len() {
            state.parts.push(PartFigures { name, ..PartFigures::default() });
        }
    }

    /// `latency` is the time since the request was due.
    pub(super) fn record(&self, latency: Duration, outcome: RequestOutcome) {
        let mut state = self.state();
        let current = state.current;
        let part = &mut state.parts[current];
        part.requests += 1;
        part.slowest = part.slowest.max(latency);
        match outcome {
            RequestOutcome::Success => {}
            RequestOutcome::FailedUnrepeatable => part.failed_unrepeatable += 1,
            RequestOutcome::Failed(description) => {
                part.failed += 1;
                let description = format!("{}: {description}", part.name);
                if state.failures.len() < MAX_FAILURES {
                    state.failures.push(description);
                }
            }
        }
    }

    /// Counts a request that was sent again because its connection was closed without a response.
    pub(super) fn record_repeated(&self) {
        let mut state = self.state();
        let current = state.current;
        state.parts[current].repeated += 1;
    }

    pub(super) fn requests(&self) -> u64 {
        self.state().parts.iter().map(|part| part.requests).sum()
    }

    /// The number of failed requests that are safe to repeat.
    pub(super) fn failed(&self) -> u64 {
        self.state().parts.iter().map(|part| part.failed).sum()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.state().failures.clone()
    }

    pub(super) fn of_part(&self, name: &str) -> String {
        self.state().parts.iter().find(|part| part.name == name).map(PartFigures::to_string).unwrap_or_default()
    }

    /// A line for each part.
    pub(super) fn table(&self) -> String {
        self.state().parts.iter().map(PartFigures::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for PartFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, requests, failed, failed_unrepeatable, repeated, slowest } = self;
        let millis = slowest.as_millis();
        write!(
            f,
            "{name:20} {requests:8} requests, {failed} failed, {failed_unrepeatable} that cannot be repeated failed, {repeated} sent \
             again, slowest {millis} ms"
        )
    }
}
