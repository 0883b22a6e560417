//! The faults of all exchanges, from the admin API and from the timeline.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::time::Timestamp;

use super::{Fault, FaultInfo, ScheduledFault};

/// At most one fault of each exchange is active at a time. A manual fault, from the admin API or from a test, takes
/// precedence over the timeline. If several faults of the timeline are running, the fault with the latest start is
/// active.
#[derive(Debug, Default)]
pub(crate) struct FaultStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The manual fault of each exchange.
    manual: BTreeMap<String, Fault>,
    timeline: Vec<ScheduledFault>,
    /// When the running faults of each exchange were last ended by [`FaultStore::end_fault`].
    ended_at: BTreeMap<String, Timestamp>,
}

impl State {
    fn active(&self, exchange: &str, now: Timestamp) -> Option<&Fault> {
        let manual = self.manual.get(exchange).filter(|fault| now < fault.until);
        let ended_at = self.ended_at.get(exchange);
        let scheduled = self.timeline.iter().filter(|scheduled| scheduled.exchange == exchange);
        let running = scheduled.map(|scheduled| &scheduled.fault).filter(|fault| {
            fault.since <= now && now < fault.until && ended_at.is_none_or(|ended_at| fault.since > *ended_at)
        });
        manual.or_else(|| running.max_by_key(|fault| fault.since))
    }
}

impl FaultStore {
    pub(crate) fn active(&self, exchange: &str, now: Timestamp) -> Option<Fault> {
        self.lock().active(exchange, now).cloned()
    }

    /// Starts a fault. It replaces the manual fault of the exchange.
    pub(crate) fn start_fault(&self, exchange: &str, fault: Fault) -> FaultInfo {
        let info = fault.to_fault_info(exchange);
        self.lock().manual.insert(exchange.to_owned(), fault);
        info
    }

    /// Ends all running faults of an exchange. Faults that the timeline has scheduled for later still start.
    pub(crate) fn end_fault(&self, exchange: &str, now: Timestamp) {
        let mut state = self.lock();
        state.manual.remove(exchange);
        state.ended_at.insert(exchange.to_owned(), now);
    }

    pub(crate) fn set_timeline(&self, timeline: Vec<ScheduledFault>) {
        let mut state = self.lock();
        state.timeline = timeline;
        state.ended_at.clear();
    }

    /// The whole timeline: past, running and future faults.
    pub(crate) fn timeline(&self) -> Vec<FaultInfo> {
        let state = self.lock();
        state.timeline.iter().map(|scheduled| scheduled.fault.to_fault_info(&scheduled.exchange)).collect()
    }

    pub(crate) fn active_faults(&self, exchanges: &[&str], now: Timestamp) -> Vec<FaultInfo> {
        let state = self.lock();
        exchanges.iter().filter_map(|name| Some(state.active(name, now)?.to_fault_info(name))).collect()
    }

    /// Locks the state. A poisoned lock is accepted, because no code between two changes of the maps can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
