//! The price record: price-updater publishes it, price-cache-proxy stores it, and create-order reads it.

use std::{collections::BTreeMap, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::FieldError,
    money::{Currency, CurrencyPair, Rate},
    time::{Expiring, Timestamp},
};

/// The base asset of every price in a record.
pub const BASE: &str = "BTC";
/// Maximum validity of a price in seconds, counted from its observation.
pub const MAX_TTL_SECS: u64 = 3600;

/// The price of one bitcoin in one currency.
///
/// If `state`, `as_of` or `expires_at` is absent, the value of the record applies. price-cache-proxy fills in every value that
/// a writer has omitted.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Price {
    pub price: Rate,
    /// The exchanges that the price is based on.
    pub sources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub state: Option<PriceState>,
    /// When this price was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    /// When this price expires. It must not be used from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub expires_at: Option<Timestamp>,
    /// Until when the price is prolonged if the sources agree on no newer one. `expires_at` is at most this time, and becomes later
    /// with each record. Absent if the price is not prolonged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub prolongable_until: Option<Timestamp>,
    /// The pairs that the price is computed from, if too few exchanges trade bitcoin in this currency. Otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub legs: Vec<CurrencyPair>,
}

impl Price {
    /// A price with the state and the times of its record.
    pub fn new(price: Rate, sources: Vec<String>) -> Self {
        let (state, as_of, expires_at, prolongable_until) = (None, None, None, None);
        Self { price, sources, state, as_of, expires_at, prolongable_until, legs: Vec::new() }
    }
}

/// A price of a record, with its own state and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencyPrice {
    pub price: Rate,
    pub sources: Vec<String>,
    pub state: PriceState,
    pub as_of: Timestamp,
    /// The first moment at which the price must not be used.
    pub expires_at: Timestamp,
    /// Until when the price is prolonged if the sources agree on no newer one. `None` if it is not prolonged.
    pub prolongable_until: Option<Timestamp>,
    /// The pairs that the price is computed from. Empty if enough exchanges trade bitcoin in this currency.
    pub legs: Vec<CurrencyPair>,
}

impl CurrencyPrice {
    /// Whether the price may be used at `now`. An expired price may not be used, nor a price
    /// [from the future](Timestamp::is_beyond_skew).
    pub fn is_current(&self, now: Timestamp) -> bool {
        !self.as_of.is_beyond_skew(now) && now < self.expires_at
    }
}

impl From<CurrencyPrice> for Price {
    fn from(price: CurrencyPrice) -> Self {
        let CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until, legs } = price;
        let (state, as_of, expires_at) = (Some(state), Some(as_of), Some(expires_at));
        Self { price, sources, state, as_of, expires_at, prolongable_until, legs }
    }
}

/// Whether a price is new or prolonged. Ordered from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum PriceState {
    #[default]
    Fresh,
    /// No newer price could be agreed, or the newer price is withheld. The last good price is used until it expires.
    Prolonged,
}

impl PriceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Prolonged => "prolonged",
        }
    }

    /// Whether the state is the default, which is omitted from JSON.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
    pub(super) fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

/// The mark of a simulated price, and of a component that provides simulated prices.
pub const SIMULATED_MARK: &str = "simulated";

/// The marks that are shown with a price: `simulated` and `prolonged`. Empty for a real and fresh price.
pub fn price_marks(simulated: bool, state: PriceState) -> Vec<String> {
    let marks = [(SIMULATED_MARK, simulated), ("prolonged", state == PriceState::Prolonged)];
    marks.into_iter().filter(|(_, is_set)| *is_set).map(|(mark, _)| mark.to_owned()).collect()
}

/// A price record to be stored.
///
/// `state` and `as_of` apply to every price without these fields. A reader of version 0.1.0 applies them to all prices, so a
/// writer sets the worst state and the earliest time of all prices.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct NewPriceRecord {
    pub state: PriceState,
    /// When the prices were observed, not when they were sent. Sending a record again does not extend its validity.
    pub as_of: Timestamp,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl Price {
    /// When the price was observed, and when it expires. `record_as_of` and `ttl` apply if the price has no times of its own.
    fn times(&self, record_as_of: Timestamp, ttl: Duration) -> (Timestamp, Timestamp) {
        let as_of = self.as_of.unwrap_or(record_as_of);
        (as_of, self.expires_at.unwrap_or_else(|| as_of.plus(ttl)))
    }
}

impl NewPriceRecord {
    /// Whether any price has not expired at `now`. See [`into_record`](Self::into_record) for `ttl`.
    pub fn is_current(&self, ttl: Duration, now: Timestamp) -> bool {
        self.prices.values().any(|price| now < price.times(self.as_of, ttl).1)
    }

    /// Creates the record to store at `now`. A price without an expiry expires `ttl` after it was observed. Expired prices are
    /// omitted. If the record may not be stored, returns each invalid field.
    pub fn into_record(self, ttl: Duration, now: Timestamp) -> Result<PriceRecord, Vec<FieldError>> {
        let Self { state, as_of, simulated, prices } = self;
        let mut errors = Vec::new();
        if prices.is_empty() {
            errors.push(FieldError::new("prices", "must contain at least one price"));
        }
        if as_of.is_beyond_skew(now) {
            errors.push(FieldError::new("as_of", IN_THE_FUTURE));
        }
        let complete = prices.into_iter().map(|(currency, price)| {
            let (as_of, expires_at) = price.times(as_of, ttl);
            let state = price.state.unwrap_or(state);
            let Price { price, sources, prolongable_until, legs, .. } = price;
            (currency, CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until, legs })
        });
        let complete: BTreeMap<_, _> = complete.collect();
        for (currency, price) in &complete {
            if price.as_of != as_of && price.as_of.is_beyond_skew(now) {
                errors.push(FieldError::new(format!("prices.{currency}.as_of"), IN_THE_FUTURE));
            }
            if price.expires_at > price.as_of.plus(Duration::from_secs(MAX_TTL_SECS)) {
                let rule = format!("must be at most {MAX_TTL_SECS} s after the price was observed");
                errors.push(FieldError::new(format!("prices.{currency}.expires_at"), rule));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        PriceRecord::from_prices(complete.into_iter().filter(|(_, price)| price.is_current(now)), simulated).ok_or_else(
            || vec![FieldError::new("as_of", format!("must be less than {} s ago (the ttl)", ttl.as_secs()))],
        )
    }
}

const IN_THE_FUTURE: &str = "must not be in the future; compare the clocks of the machines";

/// The current prices.
///
/// Each price has a state and times of its own. The values of the record are the worst state and the earliest times of all prices.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PriceRecord {
    /// The priced asset: `BTC`.
    pub base: String,
    /// `prolonged` if any price is `prolonged`.
    pub state: PriceState,
    /// When the oldest of the prices was observed.
    pub as_of: Timestamp,
    /// When the first of the prices expires.
    pub expires_at: Timestamp,
    /// When the newest of the prices was observed. The record with the later time is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub newest_as_of: Option<Timestamp>,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl PriceRecord {
    /// A record of these prices. `None` if `prices` is empty.
    pub fn from_prices(prices: impl IntoIterator<Item = (Currency, CurrencyPrice)>, simulated: bool) -> Option<Self> {
        let prices: BTreeMap<_, _> = prices.into_iter().collect();
        Some(Self {
            base: BASE.to_owned(),
            state: prices.values().map(|price| price.state).max()?,
            as_of: prices.values().map(|price| price.as_of).min()?,
            expires_at: prices.values().map(|price| price.expires_at).min()?,
            newest_as_of: prices.values().map(|price| price.as_of).max(),
            simulated,
            prices: prices.into_iter().map(|(currency, price)| (currency, price.into())).collect(),
        })
    }

    /// The price in `currency`, current or not.
    pub fn price(&self, currency: Currency) -> Option<CurrencyPrice> {
        self.prices.get(&currency).map(|price| self.complete(price))
    }

    /// Every price, current or not.
    pub fn currency_prices(&self) -> impl Iterator<Item = (Currency, CurrencyPrice)> {
        self.prices.iter().map(|(&currency, price)| (currency, self.complete(price)))
    }

    /// Fills in the values that the price omits. In a record of version 0.1.0, all prices omit their state and times.
    fn complete(&self, price: &Price) -> CurrencyPrice {
        CurrencyPrice {
            price: price.price,
            sources: price.sources.clone(),
            state: price.state.unwrap_or(self.state),
            as_of: price.as_of.unwrap_or(self.as_of),
            expires_at: price.expires_at.unwrap_or(self.expires_at),
            prolongable_until: price.prolongable_until,
            legs: price.legs.clone(),
        }
    }

    /// Whether at least one price has not expired at `now`, and no price is [from the future](Timestamp::is_beyond_skew).
    pub fn is_current(&self, now: Timestamp) -> bool {
        Expiring::is_current(self, now)
    }
}

impl Expiring for PriceRecord {
    fn version(&self) -> Timestamp {
        self.newest_as_of.unwrap_or(self.as_of)
    }

    /// When the last of the prices expires.
    fn expires_at(&self) -> Timestamp {
        self.prices.values().filter_map(|price| price.expires_at).fold(self.expires_at, Timestamp::max)
    }
}

#[cfg(test)]
mod tests;
