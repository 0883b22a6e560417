//! The limits of one source, for all that goes to it: what it asks of one way to it holds for the other ways too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::budget::{Budget, RateLimits};

/// Whether a source may be asked now. Clones are of the same gate.
#[derive(Debug, Clone)]
pub(crate) struct RateLimiter {
    limits: RateLimits,
    budget: Arc<Mutex<Budget>>,
}

impl RateLimiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { limits, budget: Arc::new(Mutex::new(Budget::new(limits))) }
    }

    /// Another one with the same limits.
    pub(crate) fn beside(&self) -> Self {
        Self::new(self.limits)
    }

    /// Takes the right to send one request now, or says how long there is none.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.lock().take(Instant::now())
    }

    /// How many requests may be sent now.
    pub(super) fn left(&self) -> u32 {
        self.lock().left(Instant::now())
    }

    /// The source wants to be left alone, for as long as it said or else for as long as is usual there. Returns how long
    /// that is.
    pub(crate) fn pause(&self, wanted: Option<Duration>) -> Duration {
        self.lock().pause(Instant::now(), wanted)
    }

    /// Until when it is left alone, while it is.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.lock().paused_until(Instant::now())
    }

    /// It answered as it should.
    pub(crate) fn answered(&self) {
        self.lock().answered();
    }

    /// Every change is one call, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
