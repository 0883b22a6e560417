//! The state machine of the price of one currency.
//!
//! ```text
//! Missing ──success──▶ Fresh ──failures──▶ Prolonged ──price too old──▶ Expired
//!                        ▲ ▲                   │                           │
//!                        │ └──────success──────┴──────────success──────────┘
//!                        └──success── Stopped ◀──implausible price, if `stop_while_withheld` is set
//! ```
//!
//! A price is prolonged in three cases:
//!
//! - after more than [`TOLERATED_FAILURES`] failures in a row,
//! - shortly before the price would expire,
//! - if a newer agreed price is withheld as implausible and `stop_while_withheld` is not set.
//!
//! A poll prolongs an expiring price. If no poll ends before the expiry,
//! [`prolong`](CurrencyLifecycle::prolong) is called.
//!
//! An agreed price does not replace a newer published price, because price-cache-proxy would keep the newer price. An
//! agreed price can be older if the exchanges fail and only indices vote: the prices of indices are observed less
//! often.

use std::{cmp::Ordering, time::Duration};

use common::{
    api::prices::{CurrencyPrice, PriceState},
    money::Currency,
    time::Timestamp,
};

use super::{CurrencyStatus, RecordLifetimes};
use crate::pricing::{GoodPrice, PriceOutcome};

/// Failures in a row that do not prolong the price yet. A price that would expire is prolonged earlier.
pub(super) const TOLERATED_FAILURES: u32 = 3;
/// Maximum time from the stop of a price to its expiry. A stopped price is written with this early expiry time. If no
/// price were written, the cache would keep the previous record.
const STOP_AFTER: Duration = Duration::from_secs(1);
/// The reason for a failure if the sources agree on no price that is newer than the published price.
const NO_NEWER_PRICE: &str = "the sources have reported no newer price in time";

/// Whether orders in a currency have a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PriceAvailability {
    Fresh,
    /// Orders use the last good price, because no newer price can be published.
    Prolonged,
    /// Orders have no price, because an agreed price was withheld as implausible.
    Stopped,
    /// Orders have no price because the last good price is too old.
    Expired,
    /// There has been no price yet.
    Missing,
}

impl PriceAvailability {
    pub(crate) const ALL: [Self; 5] = [Self::Fresh, Self::Prolonged, Self::Stopped, Self::Expired, Self::Missing];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Prolonged => "prolonged",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Missing => "missing",
        }
    }
}

/// A change of [`PriceAvailability`] to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AvailabilityChange {
    /// More than [`TOLERATED_FAILURES`] intervals have failed, and there has never been a price.
    NeverAvailable,
    Prolonged,
    Stopped,
    Expired,
    Recovered,
}

/// A price in the record that an earlier run or another instance has written.
pub(super) struct StoredPrice {
    pub(super) price: CurrencyPrice,
    pub(super) simulated: bool,
}

#[derive(Debug)]
pub(super) struct CurrencyLifecycle {
    lifetimes: RecordLifetimes,
    state: PriceAvailability,
    since: Option<Timestamp>,
    /// The number of failures in a row.
    failures: u32,
    reason: Option<String>,
    last_good: Option<GoodPrice>,
    /// When the published price expires. `None` if no price is published.
    expires_at: Option<Timestamp>,
}

impl CurrencyLifecycle {
    pub(super) fn new(lifetimes: RecordLifetimes) -> Self {
        let state = PriceAvailability::Missing;
        Self { lifetimes, state, since: None, failures: 0, reason: None, last_good: None, expires_at: None }
    }

    pub(super) fn set_lifetimes(&mut self, lifetimes: RecordLifetimes) {
        self.lifetimes = lifetimes;
    }

    pub(super) fn last_good(&self) -> Option<&GoodPrice> {
        self.last_good.as_ref()
    }

    pub(super) fn status(&self, currency: Currency) -> CurrencyStatus {
        CurrencyStatus {
            currency,
            availability: self.state,
            since: self.since,
            as_of: self.last_good.as_ref().map(|price| price.as_of),
            simulated: self.last_good.as_ref().is_some_and(|price| price.simulated),
            failures: self.failures,
            reason: self.reason.clone(),
        }
    }

    pub(super) fn resume(&mut self, stored: Option<StoredPrice>, now: Timestamp) {
        // The time of a price is in the future if the clock of another instance was ahead, or if this clock was set
        // back.
        self.last_good.take_if(|price| price.as_of.is_beyond_skew(now));
        let stored = stored.filter(|stored| !stored.price.as_of.is_beyond_skew(now));
        let own_as_of = self.last_good.as_ref().map(|price| price.as_of);
        if let Some(StoredPrice { price, simulated }) =
            stored.filter(|stored| own_as_of.is_none_or(|own_as_of| own_as_of < stored.price.as_of))
        {
            let CurrencyPrice { price, sources, state, as_of, expires_at, legs, .. } = price;
            self.state = match state {
                PriceState::Fresh => PriceAvailability::Fresh,
                PriceState::Prolonged => PriceAvailability::Prolonged,
            };
            (self.since, self.expires_at) = (Some(now), Some(expires_at));
            self.last_good = Some(GoodPrice { price, sources, legs, as_of, simulated });
        }
        if let Some(price) = &self.last_good {
            // The publication that is due now does not count, because its outcome is not known yet.
            let elapsed = now.since(price.as_of).as_micros().saturating_sub(1);
            let missed = elapsed / self.lifetimes.publish_interval.as_micros().max(1);
            self.failures = u32::try_from(missed).unwrap_or(u32::MAX);
        }
    }

    /// Resets the lifecycle if the last good price is real and the new prices are simulated, or the reverse.
    /// `simulated` states whether the new prices are simulated.
    pub(super) fn drop_other_origin(&mut self, simulated: bool) {
        if self.last_good.as_ref().is_some_and(|price| price.simulated != simulated) {
            *self = Self::new(self.lifetimes);
        }
    }

    /// Ends a publish interval.
    pub(super) fn publish(&mut self, outcome: &PriceOutcome, now: Timestamp) -> Option<AvailabilityChange> {
        self.apply(outcome, Duration::ZERO, self.failures.saturating_add(1), now)
    }

    /// Whether the published price expires before the next poll and can be replaced or prolonged.
    pub(super) fn is_expiring(&self, now: Timestamp) -> bool {
        let horizon = now.plus(self.lifetimes.renewal_margin);
        let expires_at = match self.state {
            PriceAvailability::Fresh => self.expires_at,
            _ => self.prolongable_expiry(now),
        };
        expires_at.is_some_and(|expires_at| expires_at <= horizon)
    }

    /// When the published price expires. `None` if the price cannot be prolonged: it is stopped or expired, or it is
    /// already valid until its maximum age.
    pub(super) fn prolongable_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let latest_expiry = self.last_good.as_ref()?.as_of.plus(self.lifetimes.max_prolonged_age);
        let is_used = matches!(self.state, PriceAvailability::Fresh | PriceAvailability::Prolonged);
        self.expires_at.filter(|&expires_at| is_used && now < expires_at && expires_at < latest_expiry)
    }

    /// Prolongs the published price. The number of failures does not change, because the publish interval has not
    /// ended.
    pub(super) fn prolong(&mut self, now: Timestamp) -> Option<AvailabilityChange> {
        self.reason.get_or_insert_with(|| NO_NEWER_PRICE.to_owned());
        self.fail(false, now)
    }

    /// Replaces or prolongs an expiring price. The number of failures does not increase, because the publish interval
    /// has not ended.
    pub(super) fn renew(&mut self, outcome: &PriceOutcome, now: Timestamp) -> Option<AvailabilityChange> {
        self.apply(outcome, self.lifetimes.renewal_margin, self.failures, now)
    }

    /// Whether an agreed price can be published. The agreed price must not be older than the published price, and must
    /// be valid for longer than `margin`. A price that is already published must be valid until after the next poll.
    fn accepts(&self, price: &GoodPrice, margin: Duration, now: Timestamp) -> bool {
        let published = self.published(now).map(|published| published.as_of);
        let margin = if published == Some(price.as_of) { self.lifetimes.renewal_margin } else { margin };
        published.is_none_or(|published| published <= price.as_of) && self.is_valid(price, now.plus(margin))
    }

    /// Whether the price is newer than the last good price.
    fn is_newer(&self, price: &GoodPrice) -> bool {
        self.last_good.as_ref().is_none_or(|last| last.as_of < price.as_of)
    }

    fn is_valid(&self, price: &GoodPrice, time: Timestamp) -> bool {
        price.as_of.plus(self.lifetimes.ttl) > time
    }

    /// Publishes an agreed price if [`accepts`](Self::accepts) allows it. Otherwise sets the number of failures in a row
    /// to `failures`, and keeps, prolongs, stops or expires the last good price.
    fn apply(
        &mut self,
        outcome: &PriceOutcome,
        margin: Duration,
        failures: u32,
        now: Timestamp,
    ) -> Option<AvailabilityChange> {
        let (reason, withheld) = match outcome {
            PriceOutcome::Agreed(price) if self.accepts(price, margin, now) => return self.succeed(price, now),
            PriceOutcome::Agreed(price) if self.is_valid(price, now.plus(margin)) || !self.is_newer(price) => {
                (NO_NEWER_PRICE.to_owned(), false)
            }
            PriceOutcome::Agreed(price) => (price.too_old(), false),
            PriceOutcome::Missing(reason) => (reason.clone(), false),
            PriceOutcome::Withheld(reason) => (reason.clone(), true),
        };
        (self.failures, self.reason) = (failures, Some(reason));
        self.fail(withheld, now)
    }

    fn succeed(&mut self, price: &GoodPrice, now: Timestamp) -> Option<AvailabilityChange> {
        let is_recovery = self.state != PriceAvailability::Missing || self.failures > TOLERATED_FAILURES;
        self.last_good = Some(price.clone());
        (self.failures, self.reason) = (0, None);
        self.expires_at = Some(price.as_of.plus(self.lifetimes.ttl));
        let changed = self.enter(PriceAvailability::Fresh, now);
        (changed && is_recovery).then_some(AvailabilityChange::Recovered)
    }

    /// Keeps, prolongs, stops or expires the last good price after an attempt without a newer price. `withheld` is set
    /// if a newer price was agreed and is withheld as implausible.
    fn fail(&mut self, withheld: bool, now: Timestamp) -> Option<AvailabilityChange> {
        let RecordLifetimes { ttl, max_prolonged_age, renewal_margin, stop_while_withheld, .. } = self.lifetimes;
        let Some(price) = &self.last_good else {
            self.since.get_or_insert(now);
            return (self.failures == TOLERATED_FAILURES + 1).then_some(AvailabilityChange::NeverAvailable);
        };
        let (as_of, age) = (price.as_of, now.since(price.as_of));
        let must_prolong = withheld
            || self.state == PriceAvailability::Prolonged
            || self.failures > TOLERATED_FAILURES
            || as_of.plus(ttl) <= now.plus(renewal_margin);
        if stop_while_withheld && (withheld || self.state == PriceAvailability::Stopped) {
            self.expires_at = self.expires_at.map(|expires_at| expires_at.min(now.plus(STOP_AFTER)));
            return self.enter(PriceAvailability::Stopped, now).then_some(AvailabilityChange::Stopped);
        }
        if age >= max_prolonged_age {
            self.expires_at = None;
            return self.enter(PriceAvailability::Expired, now).then_some(AvailabilityChange::Expired);
        }
        if must_prolong {
            // Each failure prolongs the price by a short time only. If this service stops, the price expires soon.
            let validity = (Duration::from_secs(age.as_secs() + 1) + ttl).min(max_prolonged_age);
            self.expires_at = Some(as_of.plus(validity));
            return self.enter(PriceAvailability::Prolonged, now).then_some(AvailabilityChange::Prolonged);
        }
        self.expires_at = Some(as_of.plus(ttl));
        self.enter(PriceAvailability::Fresh, now);
        None
    }

    /// Returns whether the state has changed.
    fn enter(&mut self, state: PriceAvailability, now: Timestamp) -> bool {
        let changed = std::mem::replace(&mut self.state, state) != state;
        if changed || self.since.is_none() {
            self.since = Some(now);
        }
        changed
    }

    /// The price in a record that is written now. `None` if the record has no price in this currency.
    pub(super) fn published(&self, now: Timestamp) -> Option<CurrencyPrice> {
        let GoodPrice { price, sources, legs, as_of, .. } = self.last_good.clone()?;
        let expires_at = self.expires_at.filter(|expires_at| now < *expires_at)?;
        let state = match self.state {
            PriceAvailability::Fresh => PriceState::Fresh,
            PriceAvailability::Prolonged | PriceAvailability::Stopped => PriceState::Prolonged,
            PriceAvailability::Expired | PriceAvailability::Missing => return None,
        };
        let is_prolonged = self.state == PriceAvailability::Prolonged;
        let prolongable_until = is_prolonged.then(|| as_of.plus(self.lifetimes.max_prolonged_age));
        let published = CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until, legs };
        // A price from the future is omitted, because price-cache-proxy would refuse the whole record.
        (!as_of.is_beyond_skew(now)).then_some(published)
    }

    /// See [`RecordLifecycle::price_in_use`](super::RecordLifecycle::price_in_use).
    pub(super) fn shown_instead_of(&self, agreed: Option<&GoodPrice>, now: Timestamp) -> Option<CurrencyPrice> {
        let Some(published) = self.published(now) else { return self.expired_instead_of(agreed?, now) };
        let is_shown = |agreed: &GoodPrice| match agreed.as_of.cmp(&published.as_of) {
            Ordering::Less => false,
            Ordering::Equal => published.state == PriceState::Fresh,
            Ordering::Greater => self.is_valid(agreed, now),
        };
        (!agreed.is_some_and(is_shown)).then_some(published)
    }

    fn expired_instead_of(&self, agreed: &GoodPrice, now: Timestamp) -> Option<CurrencyPrice> {
        let last = self.last_good.as_ref().filter(|_| self.state == PriceAvailability::Expired)?;
        let is_older = agreed.as_of < last.as_of && !self.is_valid(agreed, now);
        let GoodPrice { price, sources, legs, as_of, .. } = last.clone();
        let (state, expires_at) = (PriceState::Prolonged, as_of.plus(self.lifetimes.max_prolonged_age));
        is_older.then_some(CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until: None, legs })
    }
}
