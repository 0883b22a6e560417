//! Price sources: the state of each source as price-updater reports it, and the order in which sources are polled.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::courses::{CourseKind, Rejection},
    money::{Currency, CurrencyPair, Rate},
    time::Timestamp,
};

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
