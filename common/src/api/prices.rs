//! Prices: the record that price-updater writes, price-cache-proxy keeps and create-order reads.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    money::{Currency, Rate},
    time::Timestamp,
};

/// What the record prices.
pub const BASE: &str = "BTC";

/// The price of one bitcoin in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Price {
    pub price: Rate,
    /// The exchanges it was agreed from.
    pub sources: Vec<String>,
}

/// Whether a record was observed in the last round or is kept while rounds fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum PriceState {
    Fresh,
    /// Several rounds failed; the last good prices are used until they are too old.
    Prolonged,
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
