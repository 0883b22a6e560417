//! A lower bound of the current time of the clock of the database, computed without a call to db-proxy.
//!
//! An order or a movement of money contains the time at which it was requested. If this time is before a recorded
//! refusal of the same request, db-proxy treats the request as a delayed duplicate and refuses it too. If the time is
//! later than the clock of the database, a duplicate can look like a new request. If the time is much too early, a new
//! request looks like a duplicate and is refused. The clock of this machine can be wrong, so it is used only until the
//! first response of db-proxy.

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

    /// A time that is not later than the clock of the database. Before the first response, the result is the time of
    /// this machine minus [`MAX_CLOCK_SKEW`], which can be too late if the clock of this machine is wrong.
    pub fn now(&self) -> Timestamp {
        let reading = self.clock.read();
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.map_or_else(|| reading.wall.minus(MAX_CLOCK_SKEW), |sample| sample.time_at(reading.monotonic))
    }

    /// Records the time in a response that has just arrived.
    pub fn record(&self, time: Timestamp) {
        let received = self.clock.read().monotonic;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // A slow response gives an earlier bound than the previous response. The later bound is kept. A difference
        // above the allowed skew means that the clock of the database was set back, so the new time is used.
        let previous = newest
            .map(|sample| sample.time_at(received))
            .filter(|previous| *previous > time && !previous.is_beyond_skew(time));
        *newest = Some(Sample { time: previous.unwrap_or(time), received });
    }
}

#[cfg(test)]
mod tests;
