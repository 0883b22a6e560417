//! Courses, and the prices that are agreed from courses. A *course* is the last price of one pair at one exchange. The API
//! calls the pair `direction` and the exchange `exchanger`.
//!
//! price-updater creates the [`MarketSnapshot`]. price-cache-proxy stores and pushes it. db-proxy stores the history of the
//! courses. The service `rates` serves the snapshot and the history.

mod history;

use std::{collections::BTreeSet, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::{FieldError, prices::PriceState},
    money::{Asset, CurrencyPair, Rate},
    time::{Day, Expiring, Timestamp},
};

pub use self::history::{
    Candle, CourseFilter, CourseHistoryPage, DEFAULT_HISTORY_PAGE, EXCHANGERS, HistoryCursor, INTERNAL_EXCHANGERS,
    MAX_HISTORY_PAGE, Resolution, ResolutionError,
};

/// Maximum number of courses in a request. In a snapshot, the courses, the prices and the pairs of the sources each
/// have this maximum.
pub const MAX_COURSES: usize = 2_000;
/// Maximum length of the name of an exchange, in bytes.
pub const MAX_EXCHANGER: usize = 32;
/// Maximum number of official rates in a snapshot.
pub const MAX_OFFICIAL_RATES: usize = 500;
/// Maximum number of sources in a snapshot.
pub const MAX_SOURCES: usize = 100;
/// How long after its `as_of` a market snapshot is valid.
pub const SNAPSHOT_TTL: Duration = Duration::from_hours(1);

/// The kind of a price. Only prices of the same kind are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum CourseKind {
    /// From a market of an exchange: the last trade, and the best bid and ask if the exchange reports them.
    Trade,
    /// Computed by the source from several markets.
    Index,
    /// An official daily rate.
    Fixing,
}

/// The last price of one pair at one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Course {
    pub exchanger: String,
    pub direction: CurrencyPair,
    pub kind: CourseKind,
    /// The price of one unit of the first asset of the pair, in the second asset.
    pub value: Rate,
    /// The best bid, if the exchange reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The best ask, if the exchange reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// When the price was last observed, not when it was sent.
    pub observed_at: Timestamp,
    pub simulated: bool,
}

/// Courses that are sent to db-proxy. db-proxy stores the courses that changed.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct NewCourses {
    /// At most 2000. Courses that are not listed do not change.
    pub courses: Vec<Course>,
}

/// The result of storing courses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CoursesWritten {
    /// The number of courses that differed from the stored course of their exchange and pair.
    pub changed: u64,
}

/// The current course of each exchange and pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CurrentCourses {
    /// Ordered by pair, then by exchange.
    pub courses: Vec<StoredCourse>,
}

/// A course and the period in which it was current.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct StoredCourse {
    pub exchanger: String,
    pub direction: CurrencyPair,
    pub kind: CourseKind,
    pub value: Rate,
    /// When the course was first observed.
    pub since: Timestamp,
    /// When a different course was first observed. Absent for the current course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub until: Option<Timestamp>,
    pub simulated: bool,
}

/// All courses and agreed prices at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MarketSnapshot {
    /// When the snapshot was taken. Each course has a time of its own.
    pub as_of: Timestamp,
    /// Whether any course or price is simulated.
    pub simulated: bool,
    /// The newest course of each exchange and pair.
    pub courses: Vec<Course>,
    /// The agreed price of each pair.
    pub prices: Vec<AgreedPrice>,
    /// The official rate of the dollar in each currency. An older price-updater sends none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub official: Vec<OfficialRate>,
    /// The active sources with their pairs, even if they report no price at the moment. An older price-updater sends none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub sources: Vec<SourcePairs>,
}

/// A source, and the pairs whose prices it reports.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SourcePairs {
    pub exchanger: String,
    pub directions: Vec<CurrencyPair>,
}

impl MarketSnapshot {
    /// Checks whether the snapshot may be stored at `now`. Returns each invalid field.
    pub fn validate(&self, now: Timestamp) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if self.as_of.is_beyond_skew(now) {
            errors.push(FieldError::new("as_of", "must not be in the future; compare the clocks of the machines"));
        } else if self.as_of.plus(SNAPSHOT_TTL) <= now {
            errors.push(FieldError::new("as_of", format!("must be less than {} s ago", SNAPSHOT_TTL.as_secs())));
        }
        for (field, count, max) in [
            ("courses", self.courses.len(), MAX_COURSES),
            ("prices", self.prices.len(), MAX_COURSES),
            ("official", self.official.len(), MAX_OFFICIAL_RATES),
            ("sources", self.sources.len(), MAX_SOURCES),
        ] {
            if count > max {
                errors.push(FieldError::new(field, format!("must have at most {max} elements")));
            }
        }
        if self.sources.iter().map(|source| source.directions.len()).sum::<usize>() > MAX_COURSES {
            errors.push(FieldError::new("sources", format!("must have at most {MAX_COURSES} directions in all")));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Expiring for MarketSnapshot {
    fn version(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.as_of.plus(SNAPSHOT_TTL)
    }
}

/// The official rate of the dollar in one currency. It differs by at most 2 % from the rates of most of the banks that
/// publish one.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OfficialRate {
    pub currency: Asset,
    /// The rates of one bank that convert dollars to the currency, in the order of their use.
    pub legs: Vec<OfficialLeg>,
    /// The largest distance between this rate and the other rates that differ from it by at most 2 %, in millionths of this
    /// rate. Absent if no other bank publishes a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub spread_millionths: Option<u32>,
    pub simulated: bool,
}

/// One official rate as a bank publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OfficialLeg {
    pub exchanger: String,
    pub direction: CurrencyPair,
    pub price: Rate,
    /// Whether an amount is divided by the rate instead of multiplied.
    pub inverse: bool,
    /// When the rate was last read. The bank may have published it days before.
    pub observed_at: Timestamp,
    /// The day for which the bank publishes the rate. An older price-updater sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub official_day: Option<Day>,
}

impl OfficialLeg {
    /// The asset that this leg converts from.
    pub fn base(&self) -> Asset {
        if self.inverse { self.direction.quote } else { self.direction.base }
    }

    /// The asset that this leg converts to.
    pub fn quote(&self) -> Asset {
        if self.inverse { self.direction.base } else { self.direction.quote }
    }
}

/// The result of storing a market snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SnapshotStored {
    /// The `as_of` of the snapshot that is stored after the request: the snapshot of the request, or a newer one.
    pub as_of: Timestamp,
}

/// How a price was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Method {
    /// The median of the votes.
    Median,
    /// A price in dollars, converted to another currency by official rates.
    Cross,
}

/// The result of the agreement on the price of one pair, with the votes considered.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct AgreedPrice {
    pub direction: CurrencyPair,
    pub method: Method,
    /// Absent if no price was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<Rate>,
    /// Why there is no price. Absent if there is a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<String>,
    /// The median of the bids of the votes used, but at most `price`. For a cross price, the converted bid of the price in
    /// dollars. Absent if no bid is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The median of the asks of the votes used, but at least `price`. For a cross price, the converted ask of the price in
    /// dollars. Absent if no ask is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// The lowest vote used. Absent if no vote was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub low: Option<Rate>,
    /// The highest vote used. Absent if no vote was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub high: Option<Rate>,
    /// When the oldest vote used was observed. For a cross price, the `as_of` of the price in dollars. Absent if there is no
    /// price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    /// `prolonged` if no newer price was agreed or the newer price is withheld. Orders use a prolonged price until it expires or a newer
    /// price is accepted. Absent if there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub state: Option<PriceState>,
    /// When the price expires. Present only if the snapshot shows the last good price instead of a newly agreed price. While
    /// the price is prolonged, `expires_at` becomes later with each snapshot, until `prolongable_until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub expires_at: Option<Timestamp>,
    /// Until when the price is prolonged if no newer price is accepted. Present only for a prolonged price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub prolongable_until: Option<Timestamp>,
    /// The age of a prolonged price in seconds when price-updater wrote the market snapshot. price-updater writes a
    /// snapshot every few seconds, so `as_of` is more exact. Absent for other prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub age_secs: Option<u64>,
    pub simulated: bool,
    /// The votes considered for this pair, used or not. A cross price uses none of them.
    pub votes: Vec<CastVote>,
    /// The pairs that a cross price is computed from. The first is the pair in dollars. Empty for other prices.
    pub legs: Vec<CurrencyPair>,
    /// The day for which the official rates of a cross price are published, the earliest if they are of several days. Absent for
    /// other prices, and if the price is the last good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub official_day: Option<Day>,
}

impl AgreedPrice {
    /// The sources whose votes were used, each once and sorted. Empty for a cross price.
    pub fn used_sources(&self) -> Vec<String> {
        let used = self.votes.iter().filter(|vote| vote.used);
        used.map(|vote| vote.exchanger.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The vote of one source for a price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CastVote {
    pub exchanger: String,
    /// The pair that the source reported, such as `BTC-USDT`.
    #[serde(rename = "told")]
    #[oai(rename = "told")]
    pub pair: CurrencyPair,
    /// The reported price: the midpoint of bid and ask if both are known, otherwise the last price.
    pub value: Rate,
    /// The value converted to the pair of the price. Absent if the vote was rejected before the conversion, or could not be
    /// converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub vote: Option<Rate>,
    pub observed_at: Timestamp,
    pub used: bool,
    /// Why the vote was not used. Absent if the vote was used. If there is no price, also absent for a vote that no rule rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub rejected: Option<Rejection>,
}

/// Why a vote was not used. `stale`: observed too long ago. `frozen`: unchanged while the prices of other exchanges move.
/// `outlier`: too far from the other votes. `no_conversion`: there is no agreed rate for the conversion. `unlike`: of another
/// kind than the votes used, such as an official rate, or an index while exchanges reported prices. If the price is a
/// cross price or the last good price, `unlike` is also the reason of votes without another reason. `simulated`: simulated, while
/// other votes are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum Rejection {
    /// Observed too long ago.
    Stale,
    /// Unchanged while the prices of other exchanges move.
    Frozen,
    /// Too far from the other votes.
    Outlier,
    /// There is no agreed rate for the conversion.
    NoConversion,
    /// Of another kind than the votes used: an official rate, or an index while exchanges reported prices. If the price
    /// is a cross price or the last good price, also the reason of votes without another reason.
    #[serde(rename = "unlike")]
    #[oai(rename = "unlike")]
    OtherKind,
    /// Simulated, while other votes are real.
    Simulated,
}
