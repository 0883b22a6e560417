//! Timelines: faults that start at scheduled times.

use std::time::Duration;

use common::{
    api::{FieldError, MAX_FIELD_ERRORS},
    spelling::must_be_one_of,
    time::Timestamp,
};

use super::{Fault, TimedFault, check_fault, check_range};

/// Latest start of a fault or of a move of the market: one year after the start of the timeline.
pub(super) const MAX_AT_SECONDS: u64 = 31_536_000;
/// Largest number of faults in one timeline.
const MAX_FAULTS: usize = 10_000;

/// A checked fault of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScheduledFault {
    pub(crate) exchange: String,
    pub(crate) fault: Fault,
}

/// Checks the faults of a timeline that starts at `start`, and computes their start and end. The error names the wrong
/// fields.
pub(crate) fn resolve_timeline(
    timeline: &[TimedFault],
    exchanges: &[&str],
    start: Timestamp,
) -> Result<Vec<ScheduledFault>, Vec<FieldError>> {
    let errors = check_timeline(timeline, exchanges, &[]);
    if !errors.is_empty() {
        return Err(errors);
    }
    let resolve = |timed: &TimedFault| {
        let since = start.plus(Duration::from_secs(timed.at_seconds));
        let fault = Fault::from_checked(&timed.to_new_fault(), since).map_err(|error| vec![error])?;
        Ok(ScheduledFault { exchange: timed.exchange.clone(), fault })
    };
    timeline.iter().map(resolve).collect()
}

/// The errors of the faults of a timeline, at most [`MAX_FIELD_ERRORS`]. See [`check_fault`] for the `known` errors.
pub(super) fn check_timeline(timeline: &[TimedFault], exchanges: &[&str], known: &[FieldError]) -> Vec<FieldError> {
    if timeline.len() > MAX_FAULTS {
        let reason = format!("must have at most {MAX_FAULTS} faults, but has {}", timeline.len());
        return vec![FieldError::new("timeline", reason)];
    }
    let check = |(index, timed): (usize, &TimedFault)| {
        let path = format!("timeline[{index}].");
        let exchange = &timed.exchange;
        let unknown = (!exchanges.contains(&exchange.as_str()))
            .then(|| FieldError::new(format!("{path}exchange"), must_be_one_of(exchange, exchanges)));
        let late = check_range(&path, "at_seconds", Some(timed.at_seconds), 0..=MAX_AT_SECONDS);
        unknown.into_iter().chain(late).chain(check_fault(&timed.to_new_fault(), &path, known))
    };
    timeline.iter().enumerate().flat_map(check).take(MAX_FIELD_ERRORS).collect()
}

#[cfg(test)]
mod tests;
