//! Prices: the record that price-updater writes, price-cache-proxy keeps and create-order reads.

use std::{collections::BTreeMap, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::FieldError,
    money::{Currency, Rate},
    time::{Expiring, Timestamp},
};

/// What the record prices.
pub const BASE: &str = "BTC";
/// Longest time a record may be used after it was observed, in seconds.
pub const MAX_TTL_SECS: u64 = 3600;
/// How far the clocks of two machines may be apart.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The price of one bitcoin in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Price {
    pub price: Rate,
    /// The exchanges it was agreed from.
    pub sources: Vec<String>,
}

/// Whether a record was observed in the last round or is kept while rounds fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum PriceState {
    #[default]
    Fresh,
    /// Several rounds failed; the last good prices are used until they are too old.
    Prolonged,
}

impl PriceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Prolonged => "prolonged",
        }
    }

    /// What an order does not say of its price, for it goes without saying.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

/// Prices as they are handed to the cache.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct NewPriceRecord {
    pub state: PriceState,
    /// When the prices were observed, never when they were sent: a record does not get younger by being sent again.
    pub as_of: Timestamp,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl NewPriceRecord {
    /// The record that ends `ttl` after it was observed, or each field that does not allow it to be kept at `now`.
    pub fn into_record(self, ttl: Duration, now: Timestamp) -> Result<PriceRecord, Vec<FieldError>> {
        let Self { state, as_of, simulated, prices } = self;
        let expires_at = as_of.plus(ttl);
        let mut errors = Vec::new();
        if as_of > now.plus(MAX_CLOCK_SKEW) {
            errors.push(FieldError::new("as_of", "must not lie in the future; compare the clocks of the machines"));
        } else if expires_at <= now {
            errors.push(FieldError::new("as_of", format!("is more than the ttl of {} s ago", ttl.as_secs())));
        }
        if prices.is_empty() {
            errors.push(FieldError::new("prices", "must hold at least one price"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(PriceRecord { base: BASE.to_owned(), state, as_of, expires_at, simulated, prices })
    }
}

/// The current prices.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PriceRecord {
    /// What is priced: `BTC`.
    pub base: String,
    pub state: PriceState,
    /// When the prices were observed.
    pub as_of: Timestamp,
    /// From when on the record must not be used.
    pub expires_at: Timestamp,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl PriceRecord {
    /// Whether the record may be used at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl Expiring for PriceRecord {
    fn as_of(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[cfg(test)]
mod tests;
