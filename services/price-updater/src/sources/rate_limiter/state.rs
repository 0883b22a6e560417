//! The state machine of a rate limiter: a sliding window of requests, and a backoff. Callers pass the time.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Maximum backoff, even if a source asks for more. Binance documents bans of up to three days.
const MAX_BACKOFF: Duration = Duration::from_hours(3 * 24);
/// Minimum backoff, for example after `Retry-After: 0`.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum default backoff, unless the first default backoff of a source is longer. The default backoff is used if a
/// source specifies no time.
const MAX_DEFAULT_BACKOFF: Duration = Duration::from_hours(1);

/// The requests that a source permits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimits {
    /// Maximum number of requests within any period of length `window`. If the source documents an exact limit,
    /// `max_requests` is smaller, because requests that are sent at intervals can arrive together.
    pub(crate) max_requests: u32,
    pub(crate) window: Duration,
    /// The first backoff after a rejection that specifies no time. Until a request succeeds, each further rejection of
    /// this kind doubles the backoff, up to [`MAX_DEFAULT_BACKOFF`].
    pub(crate) default_backoff: Duration,
}

#[derive(Debug)]
pub(super) struct LimiterState {
    limits: RateLimits,
    /// When each request of the last window was sent, oldest first; at most `limits.max_requests`.
    sent: VecDeque<Instant>,
    backoff_until: Option<Instant>,
    /// How many default backoffs have begun after the last success.
    default_backoffs: u32,
}

impl LimiterState {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, sent: VecDeque::new(), backoff_until: None, default_backoffs: 0 }
    }

    /// Permits one request at `now`, or returns the time until the next request is permitted.
    pub(super) fn try_acquire(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(left) = self.backoff_left(now) {
            return Err(left);
        }
        self.drop_old(now);
        if self.available(now) == 0 {
            let next = self.sent.front().map_or(now, |&oldest| oldest + self.limits.window);
            return Err(next.saturating_duration_since(now).max(Duration::from_millis(1)));
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// How many requests are permitted at `now`.
    pub(super) fn available(&self, now: Instant) -> u32 {
        if self.backoff_left(now).is_some() {
            return 0;
        }
        let recent = self.sent.iter().filter(|&&sent| now < sent + self.limits.window).count();
        self.limits.max_requests.saturating_sub(u32::try_from(recent).unwrap_or(u32::MAX))
    }

    /// Permits no request for `retry_after`, or for the default backoff if `retry_after` is `None`. Never shortens a
    /// backoff. Returns the time until the next request is permitted.
    pub(super) fn back_off(&mut self, now: Instant, retry_after: Option<Duration>) -> Duration {
        let wait = match retry_after {
            Some(wait) => wait,
            // Concurrent requests are rejected together. They count as one rejection.
            None if self.backoff_left(now).is_some() => Duration::ZERO,
            None => {
                let factor = 2_u32.saturating_pow(self.default_backoffs);
                self.default_backoffs = self.default_backoffs.saturating_add(1);
                let default = self.limits.default_backoff;
                default.saturating_mul(factor).min(MAX_DEFAULT_BACKOFF.max(default))
            }
        };
        let until = now + wait.clamp(MIN_BACKOFF, MAX_BACKOFF);
        let until = self.backoff_until.map_or(until, |current| current.max(until));
        self.backoff_until = Some(until);
        until.saturating_duration_since(now)
    }

    pub(super) fn record_success(&mut self) {
        self.default_backoffs = 0;
    }

    /// The end of the backoff, if it is after `now`.
    pub(super) fn backoff_until(&self, now: Instant) -> Option<Instant> {
        self.backoff_until.filter(|&until| now < until)
    }

    fn backoff_left(&self, now: Instant) -> Option<Duration> {
        Some(self.backoff_until(now)? - now)
    }

    fn drop_old(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|&sent| sent + self.limits.window <= now) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
