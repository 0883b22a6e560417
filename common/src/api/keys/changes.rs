//! Changes of the name and the rate limit of a key.

use std::borrow::Cow;

use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::MAX_KEY_RATE;
use crate::{api::users::UserName, text::shown_json};

/// The changes of a key as they are sent to the users service. No field is validated yet. An absent field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "ChangeKey")]
pub struct KeyPatch {
    /// The purpose of the key: 1 to 200 printable characters, like the name of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Requests per minute, 1 to 1000000. `null` removes the limit of the key: the limit of the service applies.
    #[serde(default, skip_serializing_if = "RateLimitChange::is_unchanged")]
    pub rate_limit_per_minute: RateLimitChange,
}

/// The body of the request with which the service `users` changes an API key at db-proxy. An absent field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct UpdateKeyCommand {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub name: Option<UserName>,
    #[serde(default, skip_serializing_if = "RateLimitChange::is_unchanged")]
    #[oai(skip_serializing_if_is_none)]
    pub rate_limit_per_minute: RateLimitChange,
}

/// An invalid rate limit of a key. Contains the invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {MAX_KEY_RATE}, or null for the limit of the service, but is {0}")]
pub struct KeyRateError(String);

/// Deserializes the rate limit of a key: a number, or `null`. The range of the number is validated later.
pub(super) fn deserialize_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    // The message of serde for a value of another type would not state the permitted range.
    let rate_of = |value: &Value| value.as_u64().and_then(|rate| u32::try_from(rate).ok());
    let value = Option::<Value>::deserialize(deserializer)?;
    let check = |value: Value| rate_of(&value).ok_or_else(|| KeyRateError(shown_json(&value.to_string())));
    value.map(check).transpose().map_err(de::Error::custom)
}

/// A change of the rate limit of a key: in JSON a number, `null`, or no field at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RateLimitChange {
    /// The field is absent.
    #[default]
    Unchanged,
    /// `null`: the limit of each service applies.
    LimitOfService,
    /// Requests per minute.
    PerMinute(u32),
}

impl RateLimitChange {
    pub fn is_unchanged(&self) -> bool {
        *self == Self::Unchanged
    }

    /// Returns an error if the limit is not in the permitted range.
    pub fn check_range(self) -> Result<(), KeyRateError> {
        match self {
            Self::PerMinute(rate) if !(1..=MAX_KEY_RATE).contains(&rate) => Err(KeyRateError(rate.to_string())),
            Self::Unchanged | Self::LimitOfService | Self::PerMinute(_) => Ok(()),
        }
    }

    /// The limit of a key after the change.
    pub fn apply(self, current: Option<u32>) -> Option<u32> {
        match self {
            Self::Unchanged => current,
            Self::LimitOfService => None,
            Self::PerMinute(rate) => Some(rate),
        }
    }
}

impl From<Option<u32>> for RateLimitChange {
    fn from(limit: Option<u32>) -> Self {
        limit.map_or(Self::LimitOfService, Self::PerMinute)
    }
}

impl Serialize for RateLimitChange {
    /// Not called for [`RateLimitChange::Unchanged`]: a field with this value is omitted.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.apply(None).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RateLimitChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_rate(deserializer).map(Self::from)
    }
}

impl Type for RateLimitChange {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "rate_limit_change".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            nullable: true,
            ..MetaSchema::new_with_format("integer", "uint32")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }

    fn is_none(&self) -> bool {
        self.is_unchanged()
    }
}

impl ParseFromJSON for RateLimitChange {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        value.map_or(Ok(Self::Unchanged), |value| Self::deserialize(value).map_err(ParseError::custom))
    }
}

impl ToJSON for RateLimitChange {
    fn to_json(&self) -> Option<Value> {
        if self.is_unchanged() { None } else { Some(self.apply(None).into()) }
    }
}
