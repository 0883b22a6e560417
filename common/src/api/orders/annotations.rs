//! The annotations of an order: a reference and metadata, which the client stores for its own use. The annotations do not
//! change the amounts of the order.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    api::FieldError,
    text::{TextType, describe_refused, is_text, shown_name},
};

/// Maximum length of a reference in characters.
pub const MAX_REFERENCE_CHARS: usize = 200;
/// Maximum number of keys in the metadata.
const MAX_KEYS: usize = 50;
/// Maximum length of a key in characters.
const MAX_KEY_CHARS: usize = 40;
/// Maximum length of a value in characters.
const MAX_VALUE_CHARS: usize = 500;
/// Maximum length of the metadata as JSON, in bytes. It is small, so that the largest batch of orders fits into one request body.
const MAX_JSON_BYTES: usize = 2048;

/// The reference and the metadata of an order. Two requests with one idempotency key are the same request only if their
/// annotations are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    pub client_reference: Option<ClientReference>,
    /// [`Annotations::validate`] replaces an empty object by `None`.
    pub metadata: Option<Metadata>,
}

impl Annotations {
    /// Validates a reference and metadata. The error lists the invalid fields of both.
    pub fn validate(client_reference: Option<&str>, metadata: Option<&Metadata>) -> Result<Self, Vec<FieldError>> {
        let reference = client_reference.map(|text| {
            ClientReference::parse_text(text).map_err(|reason| FieldError::new("client_reference", reason))
        });
        let metadata = metadata.filter(|metadata| metadata.iter().next().is_some());
        let invalid_metadata = metadata.map(Metadata::errors).unwrap_or_default();
        match reference.transpose() {
            Ok(client_reference) if invalid_metadata.is_empty() => {
                Ok(Self { client_reference, metadata: metadata.cloned() })
            }
            reference => Err(reference.err().into_iter().chain(invalid_metadata).collect()),
        }
    }
}

/// A reference that a client gives its order, such as the number of an invoice: 1 to 200 characters without control characters.
/// It need not be unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientReference(Arc<str>);

/// The text does not have the form of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_REFERENCE_CHARS} characters without control characters")]
pub struct ReferenceError;

impl ClientReference {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if !text.is_empty() && is_text(text, MAX_REFERENCE_CHARS) { Ok(Self(text.into())) } else { Err(ReferenceError) }
    }
}

impl fmt::Display for ClientReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::text_type!(
    ClientReference,
    "client-reference",
    "A reference that the client gives its order: 1 to 200 characters without control characters.",
    "invoice-2026-0042",
    pattern: r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"
);

/// Further notes of a client on its order: names and values, sorted by name. Parsing checks only the structure;
/// [`Annotations::validate`] checks the lengths and the characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Arc<BTreeMap<String, String>>);

impl Metadata {
    /// The JSON object as text. Equal metadata has equal text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a map of strings can be serialized")
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// One error for each invalid name and value. If there are too many names, the only error states the maximum number
    /// of names. The size of the whole object is checked only if the names and values are valid.
    fn errors(&self) -> Vec<FieldError> {
        let of_all = |reason: String| FieldError::new("metadata", reason);
        if self.0.len() > MAX_KEYS {
            return vec![of_all(format!("must have at most {MAX_KEYS} names"))];
        }
        let mut errors = Vec::new();
        for (key, value) in self.iter() {
            let field = || format!("metadata.{}", shown_name(key));
            if key.is_empty() {
                errors.push(of_all("must not have an empty name".to_owned()));
            } else if !is_text(key, MAX_KEY_CHARS) {
                let rule = format!("must have a name of at most {MAX_KEY_CHARS} characters without control characters");
                errors.push(FieldError::new(field(), rule));
            }
            if !is_text(value, MAX_VALUE_CHARS) {
                let rule = format!("must be at most {MAX_VALUE_CHARS} characters without control characters");
                errors.push(FieldError::new(field(), describe_refused(rule, value)));
            }
        }
        if errors.is_empty() && self.to_text().len() > MAX_JSON_BYTES {
            errors.push(of_all(format!("must take at most {MAX_JSON_BYTES} bytes as JSON")));
        }
        errors
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
    }
}

impl FromStr for Metadata {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl Serialize for Metadata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

/// Refuses repeated keys. A plain map would silently use the last value of a repeated key.
struct MetadataVisitor;

impl<'de> de::Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if let Some((key, _)) = pairs.get_key_value(&key) {
                // The message of serde for a repeated field, so that the error in the response names the key.
                return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
            }
            pairs.insert(key, value);
        }
        Ok(Metadata(Arc::new(pairs)))
    }
}

impl Type for Metadata {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "metadata".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let value = MetaSchema { max_length: Some(MAX_VALUE_CHARS), ..MetaSchema::new("string") };
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some(
                "Notes of the client: at most 50 keys of 1 to 40 characters, with values of at most 500 characters. Keys and \
                 values must not contain control characters. The whole object must take at most 2048 bytes as JSON.",
            ),
            example: Some(serde_json::json!({ "cart": "7", "channel": "web" })),
            additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(value)))),
            max_properties: Some(MAX_KEYS),
            ..MetaSchema::new("object")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Metadata {
    fn parse_from_json(value: Option<serde_json::Value>) -> ParseResult<Self> {
        serde_json::from_value(value.unwrap_or_default()).map_err(ParseError::custom)
    }
}

impl ToJSON for Metadata {
    fn to_json(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self).ok()
    }
}

#[cfg(test)]
mod tests;
