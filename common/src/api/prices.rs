//! The price record: price-updater publishes it, price-cache-proxy stores it, and create-order reads it.

use std::{collections::BTreeMap, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::FieldError,
    money::{Currency, Rate},
    time::{Expiring, Timestamp},
};

/// The asset that the record prices.
pub const BASE: &str = "BTC";
/// Maximum validity of a record in seconds, counted from its `as_of`.
pub const MAX_TTL_SECS: u64 = 3600;
/// How far the clock of the sender of a price record or a market snapshot may be ahead of the clock of price-cache-proxy.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The price of one bitcoin in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Price {
    pub price: Rate,
    /// The exchanges that the price is based on.
    pub sources: Vec<String>,
}

/// Whether a record is new or was prolonged because no newer price could be agreed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum PriceState {
    #[default]
    Fresh,
    /// No newer prices could be agreed for several publish intervals. The last ones are used until they expire.
    Prolonged,
}

impl PriceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Prolonged => "prolonged",
        }
    }

    /// Whether this is the default, which is omitted from JSON.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
    pub(super) fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

/// A price record to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct NewPriceRecord {
    pub state: PriceState,
    /// When the prices were observed, not when they were sent. Sending a record again does not extend its validity.
    pub as_of: Timestamp,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl NewPriceRecord {
    /// Creates the record that expires `ttl` after its `as_of`. If it may not be stored at `now`, returns each invalid field.
    pub fn into_record(self, ttl: Duration, now: Timestamp) -> Result<PriceRecord, Vec<FieldError>> {
        let Self { state, as_of, simulated, prices } = self;
        let expires_at = as_of.plus(ttl);
        let mut errors = Vec::new();
        if as_of > now.plus(MAX_CLOCK_SKEW) {
            errors.push(FieldError::new("as_of", "must not be in the future; compare the clocks of the machines"));
        } else if expires_at <= now {
            errors.push(FieldError::new("as_of", format!("must be less than {} s ago (the ttl)", ttl.as_secs())));
        }
        if prices.is_empty() {
            errors.push(FieldError::new("prices", "must contain at least one price"));
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
    /// The priced asset: `BTC`.
    pub base: String,
    pub state: PriceState,
    /// When the prices were observed.
    pub as_of: Timestamp,
    /// When the record expires. It must not be used from then on.
    pub expires_at: Timestamp,
    pub simulated: bool,
    pub prices: BTreeMap<Currency, Price>,
}

impl PriceRecord {
    /// Whether the record has not expired at `now`.
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
