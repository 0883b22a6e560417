//! Price sources: their state, and the list of the sources that are polled. A *course* is the last price of one pair at
//! one source. The API calls the pair `direction`.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::courses::{CourseKind, Rejection},
    money::{Currency, CurrencyPair, Rate},
    time::Timestamp,
};

/// The state of price-updater and of its sources.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourcesReport {
    /// Whether this instance is the leader. Only the leader polls the sources, so a follower has no information about them.
    pub leads: bool,
    /// The number of publish intervals in a row without any agreed price.
    pub failed_rounds: u32,
    /// When the last agreed prices were observed. Absent before the first agreed price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_good: Option<Timestamp>,
    pub sources: Vec<SourceReport>,
}

/// The sources that are polled, in order of display and priority.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct SourcesOrder {
    /// Names of built-in sources, each at most once.
    pub sources: Vec<String>,
}

/// The state of one source.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourceReport {
    pub name: String,
    /// The kind of the prices that the source reports.
    pub kind: CourseKind,
    pub state: SourceState,
    /// When the source entered its state.
    pub since: Timestamp,
    /// Whether the last poll returned at least one course, which is the last price of one pair.
    pub ok: bool,
    pub simulated: bool,
    /// When the source was last polled. Absent before the first poll.
    #[serde(default, rename = "asked_at", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "asked_at", skip_serializing_if_is_none)]
    pub polled_at: Option<Timestamp>,
    /// The duration of the last poll in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub latency_ms: Option<u64>,
    /// How many requests the rate limit of the source permits now. 0 while the source is paused.
    pub budget_left: u32,
    /// When the newest course of the source was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    /// The age of `as_of` in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub age_seconds: Option<u64>,
    /// The number of pairs for which the source has reported a course.
    pub courses: u64,
    /// The last prices of bitcoin that the source reported.
    pub prices: BTreeMap<Currency, Rate>,
    /// The number of votes of the source that were used in the last poll interval, over all pairs.
    pub used_votes: u64,
    pub rejected_votes: Vec<RejectedVotes>,
    /// The errors of the last poll.
    pub errors: Vec<SourceFault>,
}

/// The state of a price source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceState {
    /// Not polled yet.
    Waiting,
    Working,
    /// Responds, but none of its votes is used, because its prices are frozen or far from all other prices.
    Disbelieved,
    /// Not polled because the source requested a pause.
    Paused,
    Failing,
}

/// The number of votes of one source that were not used in the last poll interval, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct RejectedVotes {
    pub why: Rejection,
    pub votes: u64,
}

/// Why a source returned no price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourceFault {
    /// The pair without a course. Absent if the error concerns all pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub direction: Option<CurrencyPair>,
    /// The kind of the error, one of a fixed set of words. The metrics use the same words.
    pub kind: String,
    pub message: String,
}
