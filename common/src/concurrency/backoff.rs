//! Exponential backoff with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// An endless sequence of delays. The base delay doubles up to `longest`. Each delay is the base delay plus a random part of
/// up to the same length, so that callers that failed together do not retry together.
#[derive(Debug)]
pub struct Backoff {
    delays: ExponentialBackoff,
    longest: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        let delays = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter();
        Self { delays: delays.without_max_times().build(), longest }
    }

    pub fn next_delay(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.longest)
    }
}

#[cfg(test)]
mod tests;
