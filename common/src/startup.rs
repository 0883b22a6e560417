//! The first seconds of a service. Services start in any order, so a component that is unavailable during these seconds causes
//! no warning.

use std::time::Duration;

use tokio::time::Instant;

/// How long a component can be unavailable after the start of a service without a warning.
pub const STARTUP_GRACE: Duration = Duration::from_secs(10);

/// Decides which failures of one component are logged. The first failure of each outage is logged. During
/// [`STARTUP_GRACE`], the line has level info. If the outage continues after this time, the next failure is logged as a
/// warning.
#[derive(Debug)]
pub struct OutageLog {
    start: Instant,
    last: Option<OutageLine>,
}

/// The log line of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageLine {
    /// The component is not available yet. The line has level info.
    NotYet,
    /// The component is unavailable. The line is a warning or worse.
    Outage,
}

impl Default for OutageLog {
    /// The log of a service that starts now.
    fn default() -> Self {
        Self { start: Instant::now(), last: None }
    }
}

impl OutageLog {
    /// Records a failure. Returns the line to log, if any.
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
