//! Courses of the past: as they were, or folded into candles.

use std::{fmt, str::FromStr, time::Duration};

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::PastCourse;
use crate::{
    api::cursor::{CursorError, parse_cursor, parse_hex},
    money::{CurrencyPair, Rate},
    time::Timestamp,
};

/// Most courses or candles that a page may hold.
pub const MAX_HISTORY_PAGE: u32 = 1_000;
/// How many it holds where nothing is said.
pub const DEFAULT_HISTORY_PAGE: u32 = 500;

/// How fine a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Each course as it was.
    Raw,
    /// Candles of a minute.
    Minute,
    /// Candles of an hour.
    Hour,
    /// Candles of a day in UTC.
    Day,
}

/// Text that is not a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of raw, 1m, 1h, 1d")]
pub struct ResolutionError;

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

    /// How long a candle is; nothing where there are none.
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
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == text).ok_or(ResolutionError)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text_type!(Resolution, "resolution", "How fine a history is: raw, 1m, 1h or 1d.", "1m");

/// The courses of one exchange and direction that began within a minute, an hour or a day, folded into one.
///
/// Where none began there is no candle: the course is still what the last one closed with.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Candle {
    pub exchanger: String,
    pub direction: CurrencyPair,
    /// The beginning of the minute, the hour or the day in UTC.
    pub start: Timestamp,
    /// The first course that began in it.
    pub open: Rate,
    pub high: Rate,
    pub low: Rate,
    /// The last course that began in it.
    pub close: Rate,
    /// How many began in it.
    pub changes: u64,
    /// Whether any of them is simulated.
    pub simulated: bool,
}

/// A page of the past, oldest first within each exchange and direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CourseHistoryPage {
    pub resolution: Resolution,
    /// At resolution `raw`, and empty at the others.
    pub courses: Vec<PastCourse>,
    /// At every resolution but `raw`.
    pub candles: Vec<Candle>,
    /// Where the next page starts; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}

/// A place in a walk through the past: the last course or candle that was seen.
///
/// Clients are to take it as it is. The courses of one exchange and direction are only ever added to at their end, and a walk
/// goes through one of them after the other; so it misses nothing and repeats nothing while new ones are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryCursor {
    /// db-proxy's number of the exchange and direction.
    pub series: i32,
    /// When the course or the candle began.
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

crate::text_type!(HistoryCursor, "cursor", "A place in a walk; take it as it is.", "h7-64763ba5a2c80");

/// Which part of the past to show; a field that is not set lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseFilter {
    pub exchanger: Option<String>,
    pub direction: Option<CurrencyPair>,
    /// Courses that were true at this time or later; candles from the one on that this time is in.
    pub from: Option<Timestamp>,
    /// Courses and candles that began before this time.
    pub to: Option<Timestamp>,
}

impl CourseFilter {
    /// The query of a page of this part.
    pub fn to_query(&self, resolution: Resolution, cursor: Option<HistoryCursor>, limit: u32) -> String {
        let parts = [
            ("resolution", Some(resolution.to_string())),
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            ("exchanger", self.exchanger.clone()),
            ("direction", self.direction.map(|direction| direction.to_string())),
            ("from", self.from.map(|time| time.to_string())),
            ("to", self.to.map(|time| time.to_string())),
        ];
        let given = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }
}

#[cfg(test)]
mod tests;
