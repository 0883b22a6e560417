//! Limits the connections to an exchange: after a failure there is a backoff, and the number of attempts in a period is
//! limited.

use std::{collections::VecDeque, time::Duration};

use common::concurrency::backoff::Backoff;
use tokio::time::Instant;

/// Minimum wait after the first failure. The wait doubles with each further failure, and up to 100 % are added at
/// random.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Maximum wait, before the random part is added.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Maximum number of connection attempts in a [`WINDOW`]. Binance permits 300 attempts in this time for each IP
/// address, and bans clients that send more.
pub(super) const MAX_CONNECTS: usize = 20;
pub(super) const WINDOW: Duration = Duration::from_mins(5);

pub(super) struct ReconnectLimiter {
    backoff: Backoff,
    /// The attempts of the last window, oldest first.
    attempts: VecDeque<Instant>,
    not_before: Option<Instant>,
}

impl ReconnectLimiter {
    pub(super) fn new() -> Self {
        Self { backoff: new_backoff(), attempts: VecDeque::with_capacity(MAX_CONNECTS), not_before: None }
    }

    /// When the next attempt is permitted: `now` or later.
    pub(super) fn next_attempt(&mut self, now: Instant) -> Instant {
        while self.attempts.front().is_some_and(|&attempt| attempt + WINDOW <= now) {
            self.attempts.pop_front();
        }
        let oldest = self.attempts.front().filter(|_| self.attempts.len() >= MAX_CONNECTS);
        let window_end = oldest.map(|&oldest| oldest + WINDOW);
        [self.not_before, window_end].into_iter().flatten().fold(now, Instant::max)
    }

    pub(super) fn record_attempt(&mut self, now: Instant) {
        self.attempts.push_back(now);
        self.not_before = None;
    }

    /// Delays the next attempt.
    pub(super) fn record_failure(&mut self, now: Instant) {
        self.not_before = Some(now + self.backoff.next_delay());
    }

    /// Resets the wait to [`FIRST_BACKOFF`].
    pub(super) fn reset_backoff(&mut self) {
        self.backoff = new_backoff();
    }
}

fn new_backoff() -> Backoff {
    Backoff::new(FIRST_BACKOFF, MAX_BACKOFF)
}

#[cfg(test)]
mod tests;
