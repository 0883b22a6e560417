//! What rates answers.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::courses::{Candle, Course, CourseKind, HistoryCursor, Method, PastCourse, Resolution};
use crate::{
    money::{Asset, CurrencyPair, DecimalText, Rate},
    time::Timestamp,
};

/// What one exchange says of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "ShownCourse")]
pub struct ListedCourse {
    pub direction: CurrencyPair,
    /// How many units of the direction's second asset one of its first costs.
    pub value: Rate,
    pub kind: CourseKind,
    /// The most that somebody bids, where the exchange tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The least that somebody asks, where the exchange tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// When it was last seen to be so.
    pub observed_at: Timestamp,
    /// Whether it comes from a simulated exchange and is worth nothing.
    pub simulated: bool,
}

impl From<&Course> for ListedCourse {
    fn from(course: &Course) -> Self {
        let Course { exchanger: _, direction, kind, value, bid, ask, observed_at, simulated } = *course;
        Self { direction, value, kind, bid, ask, observed_at, simulated }
    }
}

/// The courses of one exchange, by direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ExchangerCourses {
    pub exchanger: String,
    pub courses: Vec<ListedCourse>,
}

/// A price without what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "ShownPrice")]
pub struct PriceSummary {
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
    /// When the oldest vote that was used was observed; absent where there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    pub simulated: bool,
}

/// A course that is told no more.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Gone")]
pub struct RemovedCourse {
    pub exchanger: String,
    pub direction: CurrencyPair,
}

/// The data of an event of the stream: everything in the first one, and what differs in each further one.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Changes")]
pub struct SnapshotChanges {
    /// When it was put together.
    pub as_of: Timestamp,
    /// Whether any part of all that is told is simulated.
    pub simulated: bool,
    /// Courses that are new or differ in more than their time.
    pub courses: Vec<ExchangerCourses>,
    /// Courses that are told no more.
    pub gone: Vec<RemovedCourse>,
    /// Prices that are new or differ in more than their time.
    pub prices: Vec<PriceSummary>,
}

/// The way from one asset to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
#[oai(rename = "Path")]
pub enum PathKind {
    /// By the price of the one in the other.
    Direct,
    /// By the price of the other in the one.
    Inverse,
    /// By way of a third asset.
    Cross,
}

/// What is done with the decimals that are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[oai(rename = "Rounding")]
pub enum RoundingMode {
    /// To the nearest, and from the middle to the even neighbour: once, at the end.
    HalfEven,
}

/// One price on the way.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Step")]
pub struct ConversionStep {
    pub direction: CurrencyPair,
    pub price: Rate,
    /// Whether it was divided by the price instead of multiplied.
    pub inverse: bool,
    /// When the price was true.
    pub as_of: Timestamp,
}

/// An amount in another asset.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Conversion {
    pub from: Asset,
    pub to: Asset,
    pub amount: DecimalText,
    /// The amount times the exact rate, rounded once.
    pub result: DecimalText,
    /// How many decimals the result has: 8 for coins (6 for USDT and USDC), for currencies those of their smallest unit.
    pub decimals: u32,
    pub rounding: RoundingMode,
    /// How much of `to` one of `from` is, at most 16 decimals, rounded half even. The result was not computed from this text
    /// but from the exact fraction.
    pub rate: DecimalText,
    pub path: PathKind,
    /// The prices on the way, in their order.
    pub steps: Vec<ConversionStep>,
    /// When the oldest of the prices was true.
    pub as_of: Timestamp,
    /// Whether any of the prices is simulated and worth nothing.
    pub simulated: bool,
}

/// Where to go on from a page.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Links")]
pub struct PageLinks {
    /// The next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next: Option<String>,
}

/// A page of the past, oldest first within each exchange and direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "PastPage")]
pub struct LinkedHistoryPage {
    pub resolution: Resolution,
    /// Each course as it was: at resolution `raw`, and empty at the others.
    pub courses: Vec<PastCourse>,
    /// At every resolution but `raw`.
    pub candles: Vec<Candle>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}
