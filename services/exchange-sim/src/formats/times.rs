//! Times as text and as JSON numbers.

use common::time::Timestamp;
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use super::json_value::JsonValue;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum TimeForm {
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

/// A time in one of the forms. `None` for [`TimeForm::Absent`].
pub(crate) fn format_time(time: Timestamp, form: TimeForm, json: JsonType) -> Option<JsonValue> {
    let count = |count: i64| match json {
        JsonType::Text => JsonValue::Text(count.to_string()),
        JsonType::Number => JsonValue::Number(count.to_string()),
    };
    Some(match form {
        TimeForm::Seconds => count(time.micros().div_euclid(1_000_000)),
        TimeForm::Millis => count(time.micros().div_euclid(1_000)),
        TimeForm::Micros => count(time.micros()),
        TimeForm::Iso => JsonValue::Text(time.to_string()),
        TimeForm::Date => JsonValue::Text(time.to_datetime().date_naive().to_string()),
        TimeForm::Absent => return None,
    })
}
