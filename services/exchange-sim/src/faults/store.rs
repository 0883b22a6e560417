//! The faults that are there: those that were set by hand, and those that come by the timeline.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::time::Timestamp;

use super::{ActiveFault, Fault, FaultError, MAX_AT, MAX_TIMELINE, TimedFault, within};

/// The faults of all exchanges: at most one of each is there at a time. One that was set by hand goes before those of the
/// timeline; of those, the one that began last.
#[derive(Debug, Default)]
pub struct FaultStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    manual: BTreeMap<String, Fault>,
    timeline: Vec<(String, Fault)>,
    /// When an exchange was mended by hand: what the timeline had begun before is over.
    ended_at: BTreeMap<String, Timestamp>,
}

impl State {
    fn active(&self, exchange: &str, now: Timestamp) -> Option<&Fault> {
        let manual = self.manual.get(exchange).filter(|fault| now < fault.until);
        let ended_at = self.ended_at.get(exchange);
        let is_running = |fault: &&Fault| fault.since <= now && now < fault.until;
        let timed = self.timeline.iter().filter(|(name, _)| name == exchange).map(|(_, fault)| fault);
        let timed = timed.filter(is_running).filter(|fault| ended_at.is_none_or(|ended_at| fault.since > *ended_at));
        manual.or_else(|| timed.max_by_key(|fault| fault.since))
    }
}

impl FaultStore {
    /// What is wrong with an exchange now, over HTTP and over websockets alike.
    pub fn active(&self, exchange: &str, now: Timestamp) -> Option<Fault> {
        self.lock().active(exchange, now).cloned()
    }

    /// Puts a fault in the place of the one that is there.
    pub(crate) fn set(&self, exchange: &str, fault: Fault) -> ActiveFault {
        let active_fault = fault.active_fault(exchange);
        self.lock().manual.insert(exchange.to_owned(), fault);
        active_fault
    }

    /// Ends what is wrong with an exchange now; what the timeline has for later still comes.
    pub(crate) fn end(&self, exchange: &str, now: Timestamp) {
        let mut state = self.lock();
        state.manual.remove(exchange);
        state.ended_at.insert(exchange.to_owned(), now);
    }

    /// Puts a timeline in the place of the one that is there. Its seconds count from `start`.
    pub(crate) fn set_timeline(&self, faults: Vec<(String, Fault)>) {
        let mut state = self.lock();
        state.timeline = faults;
        state.ended_at.clear();
    }

    /// The whole timeline, what is over and what is to come.
    pub(crate) fn timeline(&self) -> Vec<ActiveFault> {
        self.lock().timeline.iter().map(|(exchange, fault)| fault.active_fault(exchange)).collect()
    }

    /// What is wrong with any of the exchanges now.
    pub(crate) fn active_faults(&self, exchanges: &[&str], now: Timestamp) -> Vec<ActiveFault> {
        let state = self.lock();
        exchanges.iter().filter_map(|name| Some(state.active(name, now)?.active_fault(name))).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of a timeline that begins at `start`, or the number (from 0) of the first that makes no sense, and why.
pub(crate) fn resolve_timeline(
    timeline: &[TimedFault],
    exchanges: &[&str],
    start: Timestamp,
) -> Result<Vec<(String, Fault)>, (usize, FaultError)> {
    if timeline.len() > MAX_TIMELINE {
        let reason = format!("has more than {MAX_TIMELINE} faults");
        return Err((MAX_TIMELINE, FaultError::new("timeline", reason)));
    }
    let one = |(index, timed): (usize, &TimedFault)| {
        let named = |error| (index, error);
        if !exchanges.contains(&timed.exchange.as_str()) {
            let reason = format!("must be one of {}", exchanges.join(", "));
            return Err(named(FaultError::new("exchange", reason)));
        }
        within("at_seconds", &timed.at_seconds, 0..=MAX_AT).map_err(named)?;
        let since = start.plus(Duration::from_secs(timed.at_seconds));
        let fault = Fault::new(&timed.to_new_fault(), since).map_err(named)?;
        Ok((timed.exchange.clone(), fault))
    };
    timeline.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
