//! Times as text and as JSON numbers.

use common::time::Timestamp;
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use super::json_value::JsonValue;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TimeForm", rename_all = "snake_case")]
pub enum TimeFormat {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
    /// Microseconds since 1970.
    Micros,
    /// RFC 3339.
    Iso,
    /// Only the date.
    Date,
    /// The time is omitted.
    Absent,
}

/// The JSON type of a time that is a count since 1970. Dates and RFC 3339 times are always strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonType {
    Text,
    Number,
}

/// A time in one of the formats. `None` for [`TimeFormat::Absent`].
pub(crate) fn format_time(time: Timestamp, format: TimeFormat, json: JsonType) -> Option<JsonValue> {
    let count = |count: i64| match json {
        JsonType::Text => JsonValue::Text(count.to_string()),
        JsonType::Number => JsonValue::Number(count.to_string()),
    };
    Some(match format {
        TimeFormat::Seconds => count(time.micros().div_euclid(1_000_000)),
        TimeFormat::Millis => count(time.micros().div_euclid(1_000)),
        TimeFormat::Micros => count(time.micros()),
        TimeFormat::Iso => JsonValue::Text(time.to_string()),
        TimeFormat::Date => JsonValue::Text(time.to_datetime().date_naive().to_string()),
        TimeFormat::Absent => return None,
    })
}
