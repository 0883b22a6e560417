//! The time by which the ages of rows are computed. If a clock is set forward by more than [`MAX_CLOCK_SKEW`] while the service
//! runs, the change is subtracted from this time, so that rows are not deleted early.

use std::time::Duration;

use common::time::{ClockReading, MAX_CLOCK_SKEW, Timestamp};

/// How long nothing is deleted after the start, and after a clock was set. A clock that was set by mistake can be set back in
/// this time.
pub const QUIET_TIME: Duration = Duration::from_secs(600);

/// Follows the clock of the database from run to run, or the clock of the machine if the database has none.
///
/// The monotonic clock shows how much time has passed. If the followed clock advanced more, it was set forward. The
/// difference is subtracted from the time of the clock until `longest_retention` has passed. Every row from before the
/// change is then old enough to be deleted.
#[derive(Debug)]
pub struct RetentionClock {
    longest_retention: Duration,
    /// The reading of the followed clock at the last run. `None` before the first run.
    last: Option<ClockReading>,
    /// The monotonic time at which the service started or a clock was last set.
    disturbed_at: Duration,
    /// By how much the clock was set forward.
    set_forward: Duration,
}

impl RetentionClock {
    pub fn new(start: ClockReading, longest_retention: Duration) -> Self {
        Self { longest_retention, last: None, disturbed_at: start.monotonic, set_forward: Duration::ZERO }
    }

    /// Called before each run, because settings can change while the service runs.
    pub fn set_longest_retention(&mut self, longest_retention: Duration) {
        self.longest_retention = longest_retention;
    }

    /// The time by which a run computes ages. `None` if nothing may be deleted now.
    pub fn time_of_run(&mut self, reading: ClockReading, database: Option<Timestamp>) -> Option<Timestamp> {
        let ClockReading { wall, monotonic } = reading;
        let time = database.unwrap_or(wall);
        let followed = ClockReading { wall: time, monotonic };
        if let Some(last) = self.last.replace(followed) {
            self.compare(last, followed);
        }
        let elapsed = monotonic.saturating_sub(self.disturbed_at);
        if elapsed >= self.longest_retention {
            self.set_forward = Duration::ZERO;
        }
        let clocks_differ = wall.since(time).max(time.since(wall)) > MAX_CLOCK_SKEW;
        (elapsed >= QUIET_TIME && !clocks_differ).then(|| time.minus(self.set_forward))
    }

    fn compare(&mut self, last: ClockReading, now: ClockReading) {
        let expected = last.expected_at(now);
        let (forward, back) = (now.wall.since(expected), expected.since(now.wall));
        if forward.max(back) > MAX_CLOCK_SKEW {
            self.disturbed_at = now.monotonic;
            self.set_forward = (self.set_forward + forward).saturating_sub(back);
        }
    }
}

#[cfg(test)]
mod tests;
