//! The first seconds of a service: services start in any order, so a component that is missing then is not worth a warning.

use std::time::Duration;

use tokio::time::Instant;

/// How long a service may wait for the components that it needs when it starts.
pub const STARTUP_GRACE: Duration = Duration::from_secs(10);

/// Decides which failures of one component are logged: the first of each outage, and not as a warning while the service starts.
#[derive(Debug)]
pub struct OutageLog {
    start: Instant,
    last: Option<OutageLine>,
}

/// The log line of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageLine {
    /// The component is not there yet: a line at level info.
    NotYet,
    /// The component is not there: a warning or worse.
    Outage,
}

impl Default for OutageLog {
    /// The log of a service that starts now.
    fn default() -> Self {
        Self { start: Instant::now(), last: None }
    }
}

impl OutageLog {
    /// Records a failure. Returns the line to log, if any. An outage that begins while the service starts and outlasts the start
    /// has both lines.
    pub fn record_failure(&mut self) -> Option<OutageLine> {
        let line = if self.start.elapsed() < STARTUP_GRACE { OutageLine::NotYet } else { OutageLine::Outage };
        let is_new = self.last != Some(line) && self.last != Some(OutageLine::Outage);
        is_new.then(|| *self.last.insert(line))
    }

    /// Records a success. Returns whether a failure was logged since the previous success.
    pub fn record_success(&mut self) -> bool {
        self.last.take().is_some()
    }
}

#[cfg(test)]
mod tests;
