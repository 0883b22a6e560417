//! Courses: what each exchange says, the price that is agreed from it, and how that came about.
//!
//! price-updater makes a [`MarketSnapshot`] of them, price-cache-proxy keeps and pushes it, db-proxy keeps the history, and rates
//! shows both.

mod history;

use std::time::Duration;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::{FieldError, prices},
    money::{CurrencyPair, Rate},
    time::{Expiring, Timestamp},
};

pub use self::history::{
    Candle, CourseFilter, CourseHistoryPage, DEFAULT_HISTORY_PAGE, HistoryCursor, MAX_HISTORY_PAGE, Resolution,
    ResolutionError,
};

/// Most courses that are sent at once.
pub const MAX_COURSES: usize = 2_000;
/// Longest name of an exchange.
pub const MAX_EXCHANGER: usize = 32;
/// How far ahead of db-proxy's clock the one of an observer may be. What is later is refused: taken for true, it would keep
/// out everything that is observed until then.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(30);
/// Longest time after its `as_of` that a board is kept and shown.
pub const SNAPSHOT_TTL: Duration = Duration::from_hours(1);

/// What a number means. Only like is compared with like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum CourseKind {
    /// Of an order book: the last trade, and the best bid and ask where they are told.
    Trade,
    /// Computed by the source from several markets.
    Index,
    /// An official rate of the day.
    Fixing,
}

/// What one exchange says of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct Course {
    pub exchanger: String,
    pub direction: CurrencyPair,
    pub kind: CourseKind,
    /// How many units of the direction's second asset one of its first costs.
    pub value: Rate,
    /// The most that somebody bids, where the exchange tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The least that somebody asks, where the exchange tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// When it was last seen to be so, never when it was sent.
    pub observed_at: Timestamp,
    pub simulated: bool,
}

/// Courses as they are handed to db-proxy to be written down where they changed.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct NewCourses {
    /// At most 2000; those that are not in it stay as they are.
    pub courses: Vec<Course>,
}

/// What became of courses that were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CoursesWritten {
    /// How many differ from what was written down before.
    pub changed: u64,
}

/// The course of each exchange and direction as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ActualCourses {
    /// By direction, then by exchanger.
    pub courses: Vec<PastCourse>,
}

/// A course as it was for a while.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PastCourse {
    pub exchanger: String,
    pub direction: CurrencyPair,
    pub kind: CourseKind,
    pub value: Rate,
    /// When it was first seen to be so.
    pub since: Timestamp,
    /// When it was first seen to be otherwise; absent while it is the actual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub until: Option<Timestamp>,
    pub simulated: bool,
}

/// Everything that is known of the market at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
#[oai(rename = "Board")]
pub struct MarketSnapshot {
    /// When it was put together. Each course has its own time.
    pub as_of: Timestamp,
    /// Whether any part of it is simulated.
    pub simulated: bool,
    /// The newest course of each exchange and direction.
    pub courses: Vec<Course>,
    /// The price of each direction that is agreed or computed.
    pub prices: Vec<AgreedPrice>,
}

impl MarketSnapshot {
    /// Each field that does not allow it to be kept at `now`.
    pub fn validate(&self, now: Timestamp) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if self.as_of > now.plus(prices::MAX_CLOCK_SKEW) {
            errors.push(FieldError::new("as_of", "must not lie in the future; compare the clocks of the machines"));
        } else if self.as_of.plus(SNAPSHOT_TTL) <= now {
            errors.push(FieldError::new("as_of", format!("is more than {} s ago", SNAPSHOT_TTL.as_secs())));
        }
        for (field, count) in [("courses", self.courses.len()), ("prices", self.prices.len())] {
            if count > MAX_COURSES {
                errors.push(FieldError::new(field, format!("must be at most {MAX_COURSES}")));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Expiring for MarketSnapshot {
    fn as_of(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.as_of.plus(SNAPSHOT_TTL)
    }
}

/// Which board is kept after one was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "BoardKept")]
pub struct SnapshotStored {
    /// The `as_of` of the board that was sent, or of a newer one.
    pub as_of: Timestamp,
}

/// How a price came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Method {
    /// The median of the votes.
    Median,
    /// The product of the prices of two directions.
    Cross,
}

/// The agreed price of one direction with all that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct AgreedPrice {
    pub direction: CurrencyPair,
    pub method: Method,
    /// Absent where it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<Rate>,
    /// Why there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<String>,
    /// The median of the bids of the votes that were used, where they are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The median of the asks of the votes that were used, where they are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// From the lowest to the highest vote that was used: the smaller, the surer. Absent for a cross price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub low: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub high: Option<Rate>,
    /// When the oldest vote that was used was observed; absent where there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    pub simulated: bool,
    /// Every vote, used or not. Empty for a cross price.
    pub votes: Vec<CastVote>,
    /// The directions that a cross price is the product of.
    pub legs: Vec<CurrencyPair>,
}

/// What one exchange told, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct CastVote {
    pub exchanger: String,
    /// The direction that it told, such as `BTC-USDT`.
    pub told: CurrencyPair,
    /// What it told: the middle of bid and ask where both are known, and its course otherwise.
    pub value: Rate,
    /// The same in the direction of the price, where it could be converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub vote: Option<Rate>,
    pub observed_at: Timestamp,
    pub used: bool,
    /// Why it was not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub rejected: Option<Rejection>,
}

/// Why a vote was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum Rejection {
    /// Observed too long ago.
    Stale,
    /// It stands still while the others move.
    Frozen,
    /// Too far from the others.
    Outlier,
    /// There is no agreed rate to convert it by.
    NoConversion,
    /// It is no live price, or exchanges told theirs and this is an index.
    Unlike,
    /// It is simulated, and others are real.
    Simulated,
}
