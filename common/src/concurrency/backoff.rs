//! Exponential backoff with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// An endless sequence of delays. The base delay doubles from `first_base` to `max_base`. A delay is chosen at random between
/// the base delay and twice the base delay. Callers that failed at the same time therefore retry at different times.
#[derive(Debug)]
pub struct Backoff {
    delays: ExponentialBackoff,
    max_base: Duration,
}

impl Backoff {
    pub fn new(first_base: Duration, max_base: Duration) -> Self {
        let delays = ExponentialBuilder::new().with_min_delay(first_base).with_max_delay(max_base).with_jitter();
        Self { delays: delays.without_max_times().build(), max_base }
    }

    pub fn next_delay(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.max_base)
    }
}

#[cfg(test)]
mod tests;
