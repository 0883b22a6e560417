//! The rate limiter of the HTTP requests to one source. The price stream of the source reads and extends the backoff.

mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use state::LimiterState;
pub(crate) use state::RateLimits;

/// Permits requests to a source. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct RateLimiter {
    limits: RateLimits,
    state: Arc<Mutex<LimiterState>>,
}

impl RateLimiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { limits, state: Arc::new(Mutex::new(LimiterState::new(limits))) }
    }

    /// A limiter with the same limits and its own state.
    pub(crate) fn with_same_limits(&self) -> Self {
        Self::new(self.limits)
    }

    /// Permits one request now, or returns the time until the next request is permitted.
    pub(super) fn try_acquire(&self) -> Result<(), Duration> {
        self.lock().try_acquire(Instant::now())
    }

    /// How many requests are permitted now.
    pub(super) fn available(&self) -> u32 {
        self.lock().available(Instant::now())
    }

    /// Permits no request for `retry_after`, or for the default backoff if `retry_after` is `None`. Returns the time
    /// until the next request is permitted.
    pub(crate) fn back_off(&self, retry_after: Option<Duration>) -> Duration {
        self.lock().back_off(Instant::now(), retry_after)
    }

    /// The end of the current backoff. `None` if no backoff is in effect.
    pub(crate) fn backoff_until(&self) -> Option<Instant> {
        self.lock().backoff_until(Instant::now())
    }

    /// Resets the default backoff to its first length.
    pub(crate) fn record_success(&self) {
        self.lock().record_success();
    }

    /// Locks the state. A poisoned lock is accepted, because each change of the state is complete in one call.
    fn lock(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
