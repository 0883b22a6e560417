//! Two clocks in one: what is shown, and what is measured.

use std::time::{Duration, Instant};

use common::time::Timestamp;

/// A point in time. What passes between two of them is told by the steady clock: when the machine's time is set, no service
/// has gone missing by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    pub(crate) at: Timestamp,
    /// Since health-check started.
    pub(crate) steady: Duration,
}

impl Instants {
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.steady.saturating_sub(earlier.steady)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Instants {
        Instants { at: Timestamp::now(), steady: self.0.elapsed() }
    }
}

#[cfg(test)]
pub(crate) fn instants_at(secs: u64) -> Instants {
    let steady = Duration::from_secs(secs);
    let start: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
    Instants { at: start.plus(steady), steady }
}
