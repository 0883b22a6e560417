//! A JSON value with exact control of the digits of numbers.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON string, a JSON number with exactly these digits, or `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonValue {
    Text(String),
    Number(String),
    Null,
}

impl JsonValue {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// `digits` must be a valid JSON number; otherwise serialization fails.
    pub(crate) fn number(digits: &str) -> Self {
        Self::Number(digits.to_owned())
    }

    /// The text without quotes, for formats other than JSON. `null` becomes empty text.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Null => String::new(),
        }
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(digits) => {
                RawValue::from_string(digits.clone()).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
            Self::Null => serializer.serialize_unit(),
        }
    }
}
