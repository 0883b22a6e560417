//! The clock of health-check: wall time for display, monotonic time for measuring.

use std::time::{Duration, Instant};

use common::time::Timestamp;

/// One moment on two clocks. Durations are measured on the monotonic clock, so a change of the system time does not
/// make a service appear missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    pub(crate) wall: Timestamp,
    /// Time since health-check started.
    pub(crate) monotonic: Duration,
}

impl Instants {
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}

/// Reads both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DualClock {
    started: Instant,
}

impl DualClock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(self) -> Instants {
        Instants { wall: Timestamp::now(), monotonic: self.started.elapsed() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
