//! How long to wait before something is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Waits without end, each twice as long as the one before up to the longest, and each lengthened by a part of itself that is
/// drawn, so that those who failed together do not come back together.
#[derive(Debug)]
pub struct Backoff {
    waits: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        let waits = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter();
        Self { waits: waits.without_max_times().build(), longest }
    }

    /// The next wait.
    pub fn next_delay(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.longest)
    }
}

#[cfg(test)]
mod tests;
