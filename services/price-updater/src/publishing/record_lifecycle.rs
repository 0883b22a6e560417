//! The state machine that decides after each publish interval which price record is written. It uses no clock and no
//! network.
//!
//! ```text
//! Empty ──success──▶ Fresh ──more than 3 failures in a row──▶ Prolonged ──prices too old──▶ Expired
//!                      ▲                                          │                            │
//!                      └──────────────────success─────────────────┴───────────success──────────┘
//! ```
//!
//! A record is written in every publish interval, even if nothing has changed. So a cache that has lost the record receives
//! it again in the next interval. A repeated record does not become younger, because it keeps its `as_of` and its expiry.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, PriceRecord, PriceState},
    time::Timestamp,
};

use crate::upstreams::RecordWrite;

/// How many failures in a row are tolerated before the record is prolonged. The record has not expired by then.
pub(crate) const TOLERATED_FAILURES: u32 = 3;

#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordLifetimes {
    pub(crate) publish_interval: Duration,
    /// How long after its observation a fresh record is valid.
    pub(crate) ttl: Duration,
    /// Longest time that a record stays valid after its observation while publishing fails.
    pub(crate) max_prolonged_age: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There has been no price yet.
    Empty,
    Fresh,
    Prolonged,
    Expired,
}

/// A change of availability. It is reported to operators once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AvailabilityChange {
    /// More than [`TOLERATED_FAILURES`] intervals have failed, and there has never been a price.
    NeverAvailable,
    Prolonged,
    /// The last prices are too old, so there is no price now.
    Expired,
    Recovered,
}

/// The outcome of a publish interval: the record to write and the change to report, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LifecycleStep {
    pub(crate) write: Option<RecordWrite>,
    pub(crate) change: Option<AvailabilityChange>,
}

/// The lifecycle of the price record.
///
/// A publish interval succeeds if at least one currency has an agreed price. A currency without one is left out of the
/// record, and the others stay fresh. An earlier price of that currency is not added: a record has one `as_of` for all its
/// prices, so the earlier price would look younger than it is. Orders in that currency are refused until it has a price
/// again. That is rare, because it requires that all sources fail in one currency only.
#[derive(Debug)]
pub(crate) struct RecordLifecycle {
    lifetimes: RecordLifetimes,
    state: State,
    /// Failures in a row.
    failures: u32,
    last_good: Option<NewPriceRecord>,
}

impl RecordLifecycle {
    pub(crate) fn new(lifetimes: RecordLifetimes) -> Self {
        Self { lifetimes, state: State::Empty, failures: 0, last_good: None }
    }

    /// Continues with the record that an earlier run or another instance has written, unless this instance has a newer one.
    ///
    /// Publish intervals since that record was observed count as failures, whether or not an instance ran in them.
    pub(crate) fn resume(&mut self, stored: Option<PriceRecord>, now: Timestamp) {
        let own = self.last_good.as_ref().map(|record| record.as_of);
        if let Some(stored) = stored.filter(|stored| own.is_none_or(|own| own < stored.as_of)) {
            let PriceRecord { state, as_of, simulated, prices, .. } = stored;
            self.state = if state == PriceState::Fresh { State::Fresh } else { State::Prolonged };
            self.last_good = Some(NewPriceRecord { state: PriceState::Fresh, as_of, simulated, prices });
        }
        if let Some(record) = &self.last_good {
            // The interval that begins now does not count: its outcome is still open.
            let elapsed = now.since(record.as_of).as_micros().saturating_sub(1);
            let missed = elapsed / self.lifetimes.publish_interval.as_micros().max(1);
            // A record that is prolonged already is prolonged again by the next failure.
            let least = if self.state == State::Prolonged { TOLERATED_FAILURES } else { 0 };
            self.failures = u32::try_from(missed).unwrap_or(u32::MAX).max(least);
        }
    }

    /// How many publish intervals in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The last agreed prices, however old they are.
    pub(crate) fn last_good(&self) -> Option<&NewPriceRecord> {
        self.last_good.as_ref()
    }

    /// Ends a publish interval with agreed prices.
    pub(crate) fn succeed(&mut self, record: NewPriceRecord) -> LifecycleStep {
        let recovered = match self.state {
            State::Prolonged | State::Expired => true,
            State::Empty => self.failures > TOLERATED_FAILURES,
            State::Fresh => false,
        };
        (self.state, self.failures) = (State::Fresh, 0);
        self.last_good = Some(record.clone());
        LifecycleStep {
            write: Some(RecordWrite { record, ttl: self.lifetimes.ttl }),
            change: recovered.then_some(AvailabilityChange::Recovered),
        }
    }

    /// Ends a publish interval without agreed prices.
    pub(crate) fn fail(&mut self, now: Timestamp) -> LifecycleStep {
        self.failures = self.failures.saturating_add(1);
        let Some(record) = self.last_good.clone() else {
            let is_first_report = self.failures == TOLERATED_FAILURES + 1;
            return LifecycleStep {
                change: is_first_report.then_some(AvailabilityChange::NeverAvailable),
                write: None,
            };
        };
        let RecordLifetimes { ttl, max_prolonged_age, .. } = self.lifetimes;
        let age = now.since(record.as_of);
        let (state, write) = if age >= max_prolonged_age {
            (State::Expired, None)
        } else if self.failures > TOLERATED_FAILURES {
            // Each failure prolongs the record by a short time only. If this service stops too, the price expires soon.
            let ttl = (Duration::from_secs(age.as_secs() + 1) + ttl).min(max_prolonged_age);
            let record = NewPriceRecord { state: PriceState::Prolonged, ..record };
            (State::Prolonged, Some(RecordWrite { record, ttl }))
        } else {
            (State::Fresh, (age < ttl).then_some(RecordWrite { record, ttl }))
        };
        let change = match (std::mem::replace(&mut self.state, state), state) {
            (before, after) if before == after => None,
            (_, State::Prolonged) => Some(AvailabilityChange::Prolonged),
            (_, State::Expired) => Some(AvailabilityChange::Expired),
            (_, State::Empty | State::Fresh) => None,
        };
        LifecycleStep { write, change }
    }
}

#[cfg(test)]
mod tests;
