//! Decides which price record is written: at the end of each publish interval, and in between if a price would expire.
//! The code uses no clock and no network.
//!
//! Each currency has its own state machine; see [`CurrencyLifecycle`]. A currency that loses its price does not affect
//! the prices of the other currencies.
//!
//! If there is a price, a record is written in every publish interval, even if nothing has changed. A cache that has
//! lost the record therefore receives it again in the next interval. A repeated price keeps its `as_of`. While the price
//! is fresh, it also keeps its expiry time.

mod currency;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::prices::{MAX_TTL_SECS, NewPriceRecord, PriceRecord},
    money::Currency,
    time::Timestamp,
};

use self::currency::CurrencyLifecycle;
pub(crate) use self::currency::{AvailabilityChange, PriceAvailability};
use crate::{
    pricing::{GoodPrice, PriceInUse, PriceOutcome},
    upstreams::RecordWrite,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordLifetimes {
    pub(crate) publish_interval: Duration,
    /// A poll replaces or prolongs a price that would expire within this duration. The duration is the time until the
    /// next poll, plus a margin for the write.
    pub(crate) renewal_margin: Duration,
    /// A price that would expire within this duration is prolonged without waiting for a poll. This leaves time for the
    /// write of the record.
    pub(crate) write_margin: Duration,
    /// How long a fresh price is valid, counted from its observation.
    pub(crate) ttl: Duration,
    /// Maximum time from the observation of a price to its expiry, while no newer price is published.
    pub(crate) max_prolonged_age: Duration,
    /// Whether orders stop while the agreed price is withheld as implausible. If false, the last good price is
    /// prolonged.
    pub(crate) stop_while_withheld: bool,
}

/// A change of the availability of one price. Each change is reported to operators one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrencyChange {
    pub(crate) currency: Currency,
    pub(crate) change: AvailabilityChange,
}

/// The record to write and the changes to report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LifecycleStep {
    pub(crate) write: Option<RecordWrite>,
    pub(crate) changes: Vec<CurrencyChange>,
}

/// The state of the price of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrencyStatus {
    pub(crate) currency: Currency,
    pub(crate) availability: PriceAvailability,
    /// When the price entered this state. `None` before the first price and the first failure.
    pub(crate) since: Option<Timestamp>,
    /// When the last good price was observed.
    pub(crate) as_of: Option<Timestamp>,
    /// Whether the last good price is simulated.
    pub(crate) simulated: bool,
    /// The number of publish intervals in a row that ended without an accepted price.
    pub(crate) failures: u32,
    /// Why the last attempt to publish a newer price failed. `None` after a success.
    pub(crate) reason: Option<String>,
}

#[derive(Debug)]
pub(crate) struct RecordLifecycle {
    lifetimes: RecordLifetimes,
    currencies: BTreeMap<Currency, CurrencyLifecycle>,
}

impl RecordLifecycle {
    pub(crate) fn new(lifetimes: RecordLifetimes, currencies: &[Currency]) -> Self {
        let new = |&currency: &Currency| (currency, CurrencyLifecycle::new(lifetimes));
        Self { lifetimes, currencies: currencies.iter().map(new).collect() }
    }

    /// Applies changed settings: the currencies of the record, and whether orders stop while a price is withheld.
    /// Returns the currencies that were removed. A new currency begins without a price.
    pub(crate) fn apply_settings(&mut self, currencies: &[Currency], stop_while_withheld: bool) -> Vec<Currency> {
        self.lifetimes.stop_while_withheld = stop_while_withheld;
        let lifetimes = self.lifetimes;
        let removed: Vec<_> = self.currencies.keys().copied().filter(|known| !currencies.contains(known)).collect();
        self.currencies.retain(|known, _| currencies.contains(known));
        for &currency in currencies {
            let lifecycle = self.currencies.entry(currency).or_insert_with(|| CurrencyLifecycle::new(lifetimes));
            lifecycle.set_lifetimes(lifetimes);
        }
        removed
    }

    /// Continues with the stored record, which an earlier run or another instance has written. If this instance has a
    /// newer price, it keeps that price.
    ///
    /// Each publish interval that has ended after the observation of the last good price counts as a failure, even if
    /// no instance was running.
    pub(crate) fn resume(&mut self, stored: Option<&PriceRecord>, now: Timestamp) {
        for (&currency, lifecycle) in &mut self.currencies {
            let stored = stored.and_then(|stored| Some((stored.price(currency)?, stored.simulated)));
            lifecycle.resume(stored.map(|(price, simulated)| currency::StoredPrice { price, simulated }), now);
        }
    }

    /// The last good prices, regardless of their age.
    pub(crate) fn last_good(&self) -> impl Iterator<Item = (Currency, &GoodPrice)> {
        self.currencies.iter().filter_map(|(&currency, lifecycle)| Some((currency, lifecycle.last_good()?)))
    }

    pub(crate) fn statuses(&self) -> impl Iterator<Item = CurrencyStatus> {
        self.currencies.iter().map(|(&currency, lifecycle)| lifecycle.status(currency))
    }

    /// Ends a publish interval with the outcome of each currency.
    pub(crate) fn publish(&mut self, outcomes: &BTreeMap<Currency, PriceOutcome>, now: Timestamp) -> LifecycleStep {
        let outcomes = with_one_origin(outcomes);
        self.drop_other_origin(&outcomes);
        let not_priced = PriceOutcome::Missing("the currency is not priced".to_owned());
        let mut changes = Vec::new();
        for (&currency, lifecycle) in &mut self.currencies {
            let change = lifecycle.publish(outcomes.get(&currency).unwrap_or(&not_priced), now);
            changes.extend(change.map(|change| CurrencyChange { currency, change }));
        }
        LifecycleStep { write: self.record_write(now), changes }
    }

    /// Replaces or prolongs the prices that would expire before the next poll. `None` if there are no such prices.
    ///
    /// This is called between two publications, so that these prices do not expire before the next publication.
    pub(crate) fn renew_expiring(
        &mut self,
        outcomes: &BTreeMap<Currency, PriceOutcome>,
        now: Timestamp,
    ) -> Option<LifecycleStep> {
        if !self.currencies.values().any(|lifecycle| lifecycle.is_expiring(now)) {
            return None;
        }
        let outcomes = with_one_origin(outcomes);
        self.drop_other_origin(&outcomes);
        let mut changes = Vec::new();
        for (&currency, lifecycle) in self.currencies.iter_mut().filter(|(_, lifecycle)| lifecycle.is_expiring(now)) {
            let change = outcomes.get(&currency).and_then(|outcome| lifecycle.renew(outcome, now));
            changes.extend(change.map(|change| CurrencyChange { currency, change }));
        }
        Some(LifecycleStep { write: self.record_write(now), changes })
    }

    /// When the published price that expires first must be prolonged. `None` if no published price can be prolonged.
    pub(crate) fn prolong_at(&self, now: Timestamp) -> Option<Timestamp> {
        let earliest = self.currencies.values().filter_map(|lifecycle| lifecycle.prolongable_expiry(now)).min();
        earliest.map(|expires_at| expires_at.minus(self.lifetimes.write_margin))
    }

    /// Prolongs the prices that are about to expire. `None` if there are no such prices.
    ///
    /// This is called at the time [`prolong_at`](Self::prolong_at), so that a price does not expire between polls or
    /// during a slow poll.
    pub(crate) fn prolong_expiring(&mut self, now: Timestamp) -> Option<LifecycleStep> {
        let horizon = now.plus(self.lifetimes.write_margin);
        let is_due = |lifecycle: &CurrencyLifecycle| {
            lifecycle.prolongable_expiry(now).is_some_and(|expires_at| expires_at <= horizon)
        };
        let due: Vec<_> = self.currencies.iter_mut().filter(|(_, lifecycle)| is_due(lifecycle)).collect();
        if due.is_empty() {
            return None;
        }
        let prolong = |(&currency, lifecycle): (&Currency, &mut CurrencyLifecycle)| {
            Some(CurrencyChange { currency, change: lifecycle.prolong(now)? })
        };
        let changes = due.into_iter().filter_map(prolong).collect();
        Some(LifecycleStep { write: self.record_write(now), changes })
    }

    /// The published price in `currency`, if orders use that price instead of the agreed price of the last poll.
    /// `outcome` is the outcome of that poll. Returns `None` in three cases:
    ///
    /// - No price is published.
    /// - The agreed price is newer and valid, so it is published next.
    /// - The agreed price is the published price, and is fresh.
    ///
    /// The first case has an exception: an expired last good price is returned if the agreed price is even older and no
    /// longer valid.
    pub(crate) fn price_in_use(
        &self,
        currency: Currency,
        outcome: &PriceOutcome,
        now: Timestamp,
    ) -> Option<PriceInUse> {
        let lifecycle = self.currencies.get(&currency)?;
        let price = lifecycle.shown_instead_of(outcome.agreed(), now)?;
        Some(PriceInUse { price, simulated: lifecycle.last_good()?.simulated })
    }

    /// Drops simulated last good prices if the new prices are real, and real last good prices if the new prices are
    /// simulated. The prices of a record are either all real or all simulated.
    fn drop_other_origin(&mut self, outcomes: &BTreeMap<Currency, PriceOutcome>) {
        let Some(simulated) = agreed_prices(outcomes).map(|price| price.simulated).next() else { return };
        self.currencies.values_mut().for_each(|lifecycle| lifecycle.drop_other_origin(simulated));
    }

    /// The record of all published prices, with its TTL. `None` if no price is published.
    fn record_write(&self, now: Timestamp) -> Option<RecordWrite> {
        let simulated =
            self.currencies.values().filter_map(|lifecycle| lifecycle.last_good()).any(|price| price.simulated);
        let prices =
            self.currencies.iter().filter_map(|(&currency, lifecycle)| Some((currency, lifecycle.published(now)?)));
        let record = PriceRecord::from_prices(prices, simulated)?;
        // A reader of version 0.1.0 applies this TTL to every price, so the price that expires first determines the
        // TTL.
        let ttl = record.expires_at.since(record.as_of).as_secs().clamp(1, MAX_TTL_SECS);
        let PriceRecord { state, as_of, simulated, prices, .. } = record;
        Some(RecordWrite { record: NewPriceRecord { state, as_of, simulated, prices }, ttl: Duration::from_secs(ttl) })
    }
}

fn agreed_prices(outcomes: &BTreeMap<Currency, PriceOutcome>) -> impl Iterator<Item = &GoodPrice> {
    outcomes.values().filter_map(PriceOutcome::agreed)
}

/// Marks all prices as simulated if one price is, because the mark applies to the whole record.
fn with_one_origin(outcomes: &BTreeMap<Currency, PriceOutcome>) -> BTreeMap<Currency, PriceOutcome> {
    let simulated = agreed_prices(outcomes).any(|price| price.simulated);
    let mark = |outcome: &PriceOutcome| match outcome {
        PriceOutcome::Agreed(price) => PriceOutcome::Agreed(GoodPrice { simulated, ..price.clone() }),
        other => other.clone(),
    };
    outcomes.iter().map(|(&currency, outcome)| (currency, mark(outcome))).collect()
}
