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
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_hand: BTreeMap<String, Fault>,
    timeline: Vec<(String, Fault)>,
    /// When an exchange was mended by hand: what the timeline had begun before is over.
    mended: BTreeMap<String, Timestamp>,
}

impl State {
    fn of(&self, exchange: &str, now: Timestamp) -> Option<&Fault> {
        let by_hand = self.by_hand.get(exchange).filter(|fault| now < fault.until);
        let mended = self.mended.get(exchange);
        let begun = |fault: &&Fault| fault.since <= now && now < fault.until;
        let timed = self.timeline.iter().filter(|(name, _)| name == exchange).map(|(_, fault)| fault);
        let timed = timed.filter(begun).filter(|fault| mended.is_none_or(|mended| fault.since > *mended));
        by_hand.or_else(|| timed.max_by_key(|fault| fault.since))
    }
}

impl Faults {
    /// What is wrong with an exchange now, over HTTP and over websockets alike.
    pub fn of(&self, exchange: &str, now: Timestamp) -> Option<Fault> {
        self.lock().of(exchange, now).cloned()
    }

    /// Puts a fault in the place of the one that is there.
    pub(crate) fn set(&self, exchange: &str, fault: Fault) -> ActiveFault {
        let shown = fault.shown(exchange);
        self.lock().by_hand.insert(exchange.to_owned(), fault);
        shown
    }

    /// Ends what is wrong with an exchange now; what the timeline has for later still comes.
    pub(crate) fn end(&self, exchange: &str, now: Timestamp) {
        let mut state = self.lock();
        state.by_hand.remove(exchange);
        state.mended.insert(exchange.to_owned(), now);
    }

    /// Puts a timeline in the place of the one that is there. Its seconds count from `start`.
    pub(crate) fn set_timeline(&self, faults: Vec<(String, Fault)>) {
        let mut state = self.lock();
        state.timeline = faults;
        state.mended.clear();
    }

    /// The whole timeline, what is over and what is to come.
    pub(crate) fn timeline(&self) -> Vec<ActiveFault> {
        self.lock().timeline.iter().map(|(exchange, fault)| fault.shown(exchange)).collect()
    }

    /// What is wrong with any of the exchanges now.
    pub(crate) fn all(&self, exchanges: &[&str], now: Timestamp) -> Vec<ActiveFault> {
        let state = self.lock();
        exchanges.iter().filter_map(|name| Some(state.of(name, now)?.shown(name))).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of a timeline that begins at `start`, or the number (from 0) of the first that makes no sense, and why.
pub(crate) fn timed(
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
        let fault = Fault::new(&timed.ordered(), since).map_err(named)?;
        Ok((timed.exchange.clone(), fault))
    };
    timeline.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
