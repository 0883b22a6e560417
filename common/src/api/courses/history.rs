//! The history of courses, raw or aggregated into candles. A *course* is the last price of one pair at one exchange. The API
//! calls the pair `direction` and the exchange `exchanger`.

use std::{fmt, str::FromStr, time::Duration};

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::StoredCourse;
use crate::{
    api::{
        cursor::{CursorError, parse_cursor, parse_hex},
        query_string::query_string,
    },
    money::{CurrencyPair, Rate},
    spelling::must_be_one_of,
    time::Timestamp,
};

/// Maximum number of courses or candles on a page.
pub const MAX_HISTORY_PAGE: u32 = 1_000;
/// Default number of courses or candles on a page.
pub const DEFAULT_HISTORY_PAGE: u32 = 500;

/// The resolution of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Every stored course.
    Raw,
    /// Candles of one minute.
    Minute,
    /// Candles of one hour.
    Hour,
    /// Candles of one day in UTC.
    Day,
}

/// Text that is not a resolution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", must_be_one_of(.0, Resolution::ALL))]
pub struct ResolutionError(String);

impl Resolution {
    pub const ALL: [Self; 4] = [Self::Raw, Self::Minute, Self::Hour, Self::Day];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// The duration of a candle. `None` for [`Resolution::Raw`].
    pub fn width(self) -> Option<Duration> {
        match self {
            Self::Raw => None,
            Self::Minute => Some(Duration::from_mins(1)),
            Self::Hour => Some(Duration::from_hours(1)),
            Self::Day => Some(Duration::from_hours(24)),
        }
    }
}

impl FromStr for Resolution {
    type Err = ResolutionError;

    fn from_str(text: &str) -> Result<Self, ResolutionError> {
        let found = Self::ALL.into_iter().find(|resolution| resolution.as_str() == text);
        found.ok_or_else(|| ResolutionError(text.to_owned()))
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text_type!(Resolution, "resolution", "The resolution of a history: raw, 1m, 1h or 1d.", "1m", pattern: r"^(raw|1m|1h|1d)$", errors: verbatim);

/// The courses of one exchange and pair that began within one minute, hour or day.
///
/// A period in which no course began has no candle. The course during such a period is the `close` of the previous candle.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Candle {
    pub exchanger: String,
    pub direction: CurrencyPair,
    /// The start of the period in UTC.
    pub start: Timestamp,
    /// The first course of the period.
    pub open: Rate,
    pub high: Rate,
    pub low: Rate,
    /// The last course of the period.
    pub close: Rate,
    /// The number of courses that began in the period.
    pub changes: u64,
    /// Whether any course of the period is simulated.
    pub simulated: bool,
}

/// A page of the history, oldest first for each exchange and pair.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CourseHistoryPage {
    pub resolution: Resolution,
    /// The courses at resolution `raw`. Empty at other resolutions.
    pub courses: Vec<StoredCourse>,
    /// The candles at the other resolutions. Empty at resolution `raw`.
    pub candles: Vec<Candle>,
    /// The cursor of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}

/// A position in the history: the last course or candle of a page.
///
/// The cursor is opaque to clients. Pages list one series after another. A series is the courses of one exchange and
/// pair. New courses are only appended to a series. Reading page after page therefore returns every course once, even
/// while courses are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryCursor {
    /// The number that db-proxy assigned to the series.
    pub series: i32,
    /// The start of the course or candle.
    pub start: Timestamp,
}

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{:x}-{:x}", self.series, self.start.micros())
    }
}

impl FromStr for HistoryCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'h', |rest| {
            let (series, start) = rest.split_once('-')?;
            let series = parse_hex(series).filter(|&series| series > 0)?;
            Some(Self { series, start: Timestamp::from_micros(parse_hex(start)?).ok()? })
        })
    }
}

crate::text_type!(HistoryCursor, "cursor", "An opaque cursor from a previous page.", "h7-64763ba5a2c80", pattern: r"^h[1-9a-f][0-9a-f]{0,15}-[0-9a-f]{1,16}$");

/// The query parameter of the public API that lists the selected exchanges.
pub const EXCHANGERS: &str = "exchangers";
/// The query parameter of db-proxy that lists the selected exchanges. The previous release uses this name, and services of
/// both releases call each other during an upgrade.
pub const INTERNAL_EXCHANGERS: &str = "exchanger";

/// Selects a part of the history. An absent field excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseFilter {
    /// The names of the selected exchanges. An empty list selects all exchanges.
    pub exchangers: Vec<String>,
    pub direction: Option<CurrencyPair>,
    /// Selects courses that were valid at this time or later, the candle that contains this time, and later candles.
    pub from: Option<Timestamp>,
    /// Selects courses and candles that began before this time.
    pub to: Option<Timestamp>,
}

impl CourseFilter {
    /// The query string for a page. `exchangers` is the name of the parameter that lists exchanges: [`EXCHANGERS`] or
    /// [`INTERNAL_EXCHANGERS`].
    pub fn to_query(
        &self,
        exchangers: &'static str,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> String {
        query_string([
            ("resolution", Some(resolution.to_string())),
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            (exchangers, (!self.exchangers.is_empty()).then(|| self.exchangers.join(","))),
            ("direction", self.direction.map(|direction| direction.to_string())),
            ("from", self.from.map(|time| time.to_string())),
            ("to", self.to.map(|time| time.to_string())),
        ])
    }
}

#[cfg(test)]
mod tests;
