//! Prices: the record that price-updater writes, price-cache-proxy keeps and create-order reads.

use std::{collections::BTreeMap, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        FieldError,
        courses::{CourseKind, Rejection},
    },
    money::{Currency, CurrencyPair, Rate},
    time::Timestamp,
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

/// How price-updater stands, and what each source told it last.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourcesReport {
    /// Whether this instance is the one that asks the sources. One that stands by knows nothing of them.
    pub leads: bool,
    /// Rounds in a row that agreed on no price at all.
    pub failed_rounds: u32,
    /// When the last prices that were agreed were observed; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_good: Option<Timestamp>,
    pub sources: Vec<SourceReport>,
}

/// Which sources are asked, and in which order they are shown and trusted.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct SourcesOrder {
    /// Names of built-in sources, each at most once.
    pub sources: Vec<String>,
}

/// What one source told last.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourceReport {
    pub name: String,
    /// What its numbers mean.
    pub kind: CourseKind,
    pub state: SourceState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// Whether it gave at least one course when it was asked last.
    pub ok: bool,
    pub simulated: bool,
    /// When it was asked last; absent before the first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub asked_at: Option<Timestamp>,
    /// How long its last answer took, or how long it was waited for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub latency_ms: Option<u64>,
    /// How many more requests it permits now; 0 while it is left alone.
    pub budget_left: u32,
    /// When the newest of its courses was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    /// How long ago that is, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub age_seconds: Option<u64>,
    /// How many directions it has told a course of.
    pub courses: u64,
    /// The last prices of bitcoin that it gave.
    pub prices: BTreeMap<Currency, Rate>,
    /// How many of its votes were used in the last slot, over all directions.
    pub used_votes: u64,
    pub rejected_votes: Vec<RejectedVotes>,
    /// What went wrong when it was asked last.
    pub errors: Vec<SourceFault>,
}

/// How a price source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceState {
    /// It was not asked yet.
    Waiting,
    Working,
    /// It answers, and stands still or is far from all others: none of its votes is used.
    Disbelieved,
    /// It is left alone, as it asked for.
    Paused,
    Failing,
}

/// Votes of one source that were not used in the last slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct RejectedVotes {
    pub why: Rejection,
    pub votes: u64,
}

/// Why a source gave no price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourceFault {
    /// The direction that has no course; absent where it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub direction: Option<CurrencyPair>,
    /// One of a fixed set of words, the same as in the metrics.
    pub kind: String,
    pub message: String,
}

#[cfg(test)]
mod tests;
