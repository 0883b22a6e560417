//! How often a source may be asked, and until when it is not to be asked at all. On tokio's clock.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Longest time that a source is left alone, whatever it says: the longest ban that any of them documents.
const MAX_PAUSE: Duration = Duration::from_hours(3 * 24);
/// Shortest time that a source is left alone when it wants that, such as where it says `Retry-After: 0`.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Longest time that a source is left alone which wants fewer requests again and again and never says for how long.
const MAX_GUESSED_PAUSE: Duration = Duration::from_hours(1);

/// What a source permits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimits {
    /// Requests within any `window`, wherever it begins: below what is documented, for requests bunch on their way.
    pub(crate) max_requests: u32,
    pub(crate) window: Duration,
    /// How long it is left alone when it wants fewer requests and does not say for how long.
    pub(crate) default_backoff: Duration,
}

/// What is left of a source's limits.
#[derive(Debug)]
pub(super) struct Budget {
    limits: RateLimits,
    /// When each request of the last window was sent, oldest first; never more than `limits.max_requests`.
    sent: VecDeque<Instant>,
    paused_until: Option<Instant>,
    /// How often in a row it wanted fewer requests and did not say for how long.
    guesses: u32,
}

impl Budget {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self { limits, sent: VecDeque::new(), paused_until: None, guesses: 0 }
    }

    /// Takes the right to send one request at `now`, or says how long there is none.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(left) = self.paused(now) {
            return Err(left);
        }
        self.forget(now);
        if self.left(now) == 0 {
            let oldest = self.sent.front().map_or(now, |&first| first + self.limits.window);
            return Err(oldest.saturating_duration_since(now).max(Duration::from_millis(1)));
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// How many requests may be sent at `now`.
    pub(super) fn left(&self, now: Instant) -> u32 {
        if self.paused(now).is_some() {
            return 0;
        }
        let recent = self.sent.iter().filter(|&&sent| now < sent + self.limits.window).count();
        self.limits.max_requests.saturating_sub(u32::try_from(recent).unwrap_or(u32::MAX))
    }

    /// The source wants to be left alone, for as long as it said or else for as long as is usual there: twice as long each
    /// time that it says so again. Returns how long that is. A pause is never made shorter.
    pub(super) fn pause(&mut self, now: Instant, wanted: Option<Duration>) -> Duration {
        let wait = match wanted {
            Some(wait) => wait,
            // Requests that were under way together are answered alike, and count once.
            None if self.paused(now).is_some() => Duration::ZERO,
            None => {
                let factor = 2_u32.saturating_pow(self.guesses);
                self.guesses = self.guesses.saturating_add(1);
                self.limits
                    .default_backoff
                    .saturating_mul(factor)
                    .min(MAX_GUESSED_PAUSE.max(self.limits.default_backoff))
            }
        };
        let until = now + wait.clamp(MIN_PAUSE, MAX_PAUSE);
        let until = self.paused_until.map_or(until, |before| before.max(until));
        self.paused_until = Some(until);
        until.saturating_duration_since(now)
    }

    /// It answered as it should.
    pub(super) fn answered(&mut self) {
        self.guesses = 0;
    }

    /// Until when the source is left alone, where that is after `now`.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|&until| now < until)
    }

    fn paused(&self, now: Instant) -> Option<Duration> {
        Some(self.paused_until(now)? - now)
    }

    fn forget(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|&sent| sent + self.limits.window <= now) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
