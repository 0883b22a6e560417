//! A lower bound of the time of the database, which a service computes without a call.
//!
//! An order, or a movement of money, contains the time at which it was requested, so that db-proxy recognizes a delayed duplicate of a
//! request that it has refused. If this time is later than the time of the database, a duplicate is treated as a new request. If it is much
//! earlier, a new request receives an outdated refusal. The clock of this machine can be wrong. It is therefore used only until
//! db-proxy has sent its first response.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Clock, MAX_CLOCK_SKEW, Timestamp};

/// The elapsed time divided by this number, but at most [`MAX_CLOCK_SKEW`], is subtracted, because two clocks do not
/// run at exactly the same rate.
const DRIFT_DIVISOR: u32 = 1000;

/// A lower bound of the time of the database: the time in a response of db-proxy, plus the time since that response by
/// the monotonic clock, minus the possible drift of the clocks. Clones share the newest response.
#[derive(Debug, Clone)]
pub struct DatabaseTime {
    clock: Clock,
    newest: Arc<Mutex<Option<Sample>>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    time: Timestamp,
    /// The monotonic time at which the response arrived.
    received: Duration,
}

impl Sample {
    fn time_at(self, monotonic: Duration) -> Timestamp {
        let elapsed = monotonic.saturating_sub(self.received);
        self.time.plus(elapsed.saturating_sub(MAX_CLOCK_SKEW.min(elapsed / DRIFT_DIVISOR)))
    }
}

impl DatabaseTime {
    pub fn new(clock: Clock) -> Self {
        Self { clock, newest: Arc::default() }
    }

    /// A time that is not later than the time of the database. Before the first response, it is the time of this machine minus
    /// [`MAX_CLOCK_SKEW`], which is later than the time of the database if the clock of this machine is further ahead.
    pub fn now(&self) -> Timestamp {
        let reading = self.clock.read();
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.map_or_else(|| reading.wall.minus(MAX_CLOCK_SKEW), |sample| sample.time_at(reading.monotonic))
    }

    /// Records the time in a response that has just arrived.
    pub fn record(&self, time: Timestamp) {
        let received = self.clock.read().monotonic;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // If this response was slow, the bound from the previous response is later and therefore better. If the difference
        // exceeds the allowed difference of two clocks, the clock of the database was set, and the new time is used.
        let previous = newest
            .map(|sample| sample.time_at(received))
            .filter(|previous| *previous > time && !previous.is_beyond_skew(time));
        *newest = Some(Sample { time: previous.unwrap_or(time), received });
    }
}

#[cfg(test)]
mod tests;
