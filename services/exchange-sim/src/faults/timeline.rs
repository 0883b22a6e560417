//! Timelines: faults that start at scheduled times.

use std::time::Duration;

use common::time::Timestamp;

use super::{Fault, FaultError, TimedFault, check_range};

/// The latest start of a fault: one year after the start of the timeline.
pub(super) const MAX_AT_SECONDS: u64 = 31_536_000;
/// Largest number of faults in one timeline.
const MAX_FAULTS: usize = 10_000;

/// A checked fault of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScheduledFault {
    pub(crate) exchange: String,
    pub(crate) fault: Fault,
}

/// The first invalid fault or market move of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {index} (counted from 0): {} {error}", if *.in_market { "market move" } else { "fault" }, .error.field)]
pub struct TimelineError {
    /// The position of the fault or move, counted from 0.
    pub index: usize,
    in_market: bool,
    pub error: FaultError,
}

impl TimelineError {
    pub(super) fn in_market(index: usize, error: FaultError) -> Self {
        Self { index, in_market: true, error }
    }

    /// The path of the invalid field.
    pub(crate) fn path(&self) -> String {
        let list = if self.in_market { "market" } else { "timeline" };
        format!("{list}[{}].{}", self.index, self.error.field)
    }
}

/// Checks every fault of a timeline that begins at `start`.
pub(crate) fn resolve_timeline(
    timeline: &[TimedFault],
    exchanges: &[&str],
    start: Timestamp,
) -> Result<Vec<ScheduledFault>, TimelineError> {
    if timeline.len() > MAX_FAULTS {
        let reason = format!("must have at most {MAX_FAULTS} faults, but has {}", timeline.len());
        return Err(TimelineError { index: MAX_FAULTS, in_market: false, error: FaultError::new("timeline", reason) });
    }
    let resolve = |(index, timed): (usize, &TimedFault)| {
        resolve_fault(timed, exchanges, start).map_err(|error| TimelineError { index, in_market: false, error })
    };
    timeline.iter().enumerate().map(resolve).collect()
}

fn resolve_fault(timed: &TimedFault, exchanges: &[&str], start: Timestamp) -> Result<ScheduledFault, FaultError> {
    let TimedFault { exchange, at_seconds, .. } = timed;
    if !exchanges.contains(&exchange.as_str()) {
        let reason = format!("must be one of {}, but is {exchange}", exchanges.join(", "));
        return Err(FaultError::new("exchange", reason));
    }
    check_range("at_seconds", Some(*at_seconds), 0..=MAX_AT_SECONDS)?;
    let fault = Fault::new(&timed.to_new_fault(), start.plus(Duration::from_secs(*at_seconds)))?;
    Ok(ScheduledFault { exchange: exchange.clone(), fault })
}

#[cfg(test)]
mod tests;
