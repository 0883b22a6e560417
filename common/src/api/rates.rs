//! The responses and stream events of the service `rates`.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{
    courses::{Candle, Course, CourseKind, HistoryCursor, Method, Resolution, StoredCourse},
    pages::PageLinks,
    prices::PriceState,
};
use crate::{
    money::{Asset, CurrencyPair, DecimalText, Rate},
    time::{Day, Timestamp},
};

/// The last price of a pair at one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ListedCourse {
    pub direction: CurrencyPair,
    /// The price of one unit of the base asset, in the quote asset.
    pub value: Rate,
    pub kind: CourseKind,
    /// The highest bid. Absent if the exchange does not publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub bid: Option<Rate>,
    /// The lowest ask. Absent if the exchange does not publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ask: Option<Rate>,
    /// When the price was last observed.
    pub observed_at: Timestamp,
    /// Whether the course comes from a simulated exchange and has no real value.
    pub simulated: bool,
}

impl From<&Course> for ListedCourse {
    fn from(course: &Course) -> Self {
        let Course { exchanger: _, direction, kind, value, bid, ask, observed_at, simulated } = *course;
        Self { direction, value, kind, bid, ask, observed_at, simulated }
    }
}

/// The courses of one exchange, ordered by pair.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ExchangerCourses {
    pub exchanger: String,
    pub courses: Vec<ListedCourse>,
}

/// An agreed price without its votes.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PriceSummary {
    pub direction: CurrencyPair,
    pub method: Method,
    /// Absent if the price is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<Rate>,
    /// Why the price is refused. Absent if there is a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<String>,
    /// When the oldest used vote was observed. Absent if the price is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub as_of: Option<Timestamp>,
    /// `prolonged` if no newer price was agreed or the newer price is withheld. Orders use a prolonged price until it expires or a newer
    /// price is accepted. Absent if the price is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub state: Option<PriceState>,
    pub simulated: bool,
}

/// A course that the exchange no longer reports.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct RemovedCourse {
    pub exchanger: String,
    pub direction: CurrencyPair,
}

/// The data of a stream event. An event of the type `courses` contains everything that matches the filter. It is the first event, and
/// is sent again to a reader that is too far behind. An event of the type `changes` contains only the differences from the previous
/// event.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SnapshotChanges {
    /// The time of the market snapshot.
    pub as_of: Timestamp,
    /// Whether any part of the market snapshot is simulated.
    pub simulated: bool,
    /// New courses, and courses that changed in any field other than `observed_at`.
    pub courses: Vec<ExchangerCourses>,
    /// Courses that are no longer reported.
    #[oai(rename = "gone")]
    #[serde(rename = "gone")]
    pub removed: Vec<RemovedCourse>,
    /// New prices, and prices that changed in any field other than `as_of`.
    pub prices: Vec<PriceSummary>,
}

/// How one asset is converted into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum PathKind {
    /// At one agreed or official price: the price of the source asset in the target asset.
    Direct,
    /// At the inverse of one agreed or official price: the price of the target asset in the source asset.
    Inverse,
    /// At several prices, or at one price that is computed from several prices.
    Cross,
}

/// Where a price of a conversion comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum StepKind {
    /// Agreed by the votes of exchanges or of indices. `as_of` is the time of the oldest vote. If its `state` is `prolonged`, no newer
    /// price was agreed or accepted.
    #[default]
    Agreed,
    /// Computed from an agreed price and official rates. `legs` names their pairs.
    Computed,
    /// The official rate of a bank.
    Official,
}

/// How the result is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum RoundingMode {
    /// To the nearest value. A value halfway between two neighbours is rounded to the even neighbour. Applied once, to the
    /// result.
    HalfEven,
}

/// One price of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ConversionStep {
    pub direction: CurrencyPair,
    pub price: Rate,
    /// Whether the amount was divided by the price instead of multiplied.
    pub inverse: bool,
    /// When the price was observed. For an official rate, when it was last read. For a computed price, the time of the agreed price
    /// that it comes from.
    pub as_of: Timestamp,
    #[serde(default)]
    pub kind: StepKind,
    /// The pairs that a computed price comes from. Absent for other prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub legs: Vec<CurrencyPair>,
    /// The prices that a computed price comes from, in the order of `legs`. Absent for other prices, and for a prolonged computed price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub leg_prices: Vec<ConversionLeg>,
    /// The exchanges and indices whose votes were used, and the banks. Absent if they are not known, and for a prolonged computed
    /// price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub sources: Vec<String>,
    #[serde(default)]
    pub state: PriceState,
    /// The day for which the bank publishes an official rate. For a computed price, the earliest day of its official rates. Absent for
    /// other prices, and if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub official_day: Option<Day>,
}

/// One of the prices that a computed price comes from.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ConversionLeg {
    pub direction: CurrencyPair,
    pub price: Rate,
    /// Whether this price was a divisor in the computation instead of a factor.
    pub inverse: bool,
    /// When the price was observed. For an official rate, when it was last read.
    pub as_of: Timestamp,
    pub kind: StepKind,
    /// The exchanges or indices whose votes were used, or the bank.
    pub sources: Vec<String>,
    #[serde(default)]
    pub state: PriceState,
    /// The day for which the bank publishes an official rate. Absent for other prices, and if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub official_day: Option<Day>,
}

/// An amount converted into another asset.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Conversion {
    pub from: Asset,
    pub to: Asset,
    pub amount: DecimalText,
    /// The amount multiplied by the exact rate, rounded once.
    pub result: DecimalText,
    /// Decimals of the result: 8 for coins, 6 for USDT and USDC, and those of the smallest unit for currencies.
    pub decimals: u32,
    pub rounding: RoundingMode,
    /// Value of one `from` in `to`, rounded half to even to at most 16 decimals. The result is computed from the exact rate
    /// and not from this text.
    pub rate: DecimalText,
    pub path: PathKind,
    /// The prices, in the order of their use.
    pub steps: Vec<ConversionStep>,
    /// When the oldest of the agreed and computed prices was observed. If all prices are official rates, when the oldest of them was
    /// last read.
    pub as_of: Timestamp,
    /// The time since `as_of`.
    #[serde(default)]
    pub age_secs: u64,
    /// `prolonged` if any of the prices is `prolonged`.
    #[serde(default)]
    pub state: PriceState,
    /// How far the sources of the prices are apart, in percent. The distance of one price is the largest distance between the
    /// price and a used vote, the bid, the ask or the rate of another bank. The distances of the prices are added. If two
    /// official rates are used without the rate of the dollar, their larger distance is used instead of the sum. Absent if the
    /// distance of any price is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub known_error_percent: Option<DecimalText>,
    /// Whether any of the prices is simulated and has no real value.
    pub simulated: bool,
}

/// A page of the history. The courses or candles of one exchange and pair are together, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LinkedHistoryPage {
    pub resolution: Resolution,
    /// The courses at resolution `raw`. Empty at other resolutions.
    pub courses: Vec<StoredCourse>,
    /// The candles at other resolutions. Empty at resolution `raw`.
    pub candles: Vec<Candle>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}
