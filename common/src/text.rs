//! Types that are text on the wire: a macro that implements their JSON and OpenAPI forms, and a check of free text.

/// Whether a text has at most `max_chars` characters and no control characters.
pub(crate) fn is_text(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.contains(char::is_control)
}

/// Implements the traits of serde and poem-openapi for a type that is a JSON string on the wire.
///
/// The implementations use `FromStr` and `Display` of the type, so a client with serde and a server with poem-openapi use the
/// same text.
///
/// Arguments: the type, the OpenAPI format, a description, an example, and optionally the pattern of the text. Every text that
/// `Display` writes must match the pattern.
#[macro_export]
macro_rules! text_type {
    ($type:ty, $format:literal, $description:literal, $example:literal $(, pattern: $pattern:literal)?) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl poem_openapi::types::Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> std::borrow::Cow<'static, str> {
                concat!("string_", $format).into()
            }

            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Inline(Box::new(poem_openapi::registry::MetaSchema {
                    description: Some($description),
                    example: Some(serde_json::Value::String($example.to_owned())),
                    $(pattern: Some($pattern.to_owned()),)?
                    ..poem_openapi::registry::MetaSchema::new_with_format("string", $format)
                }))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl poem_openapi::types::ParseFromJSON for $type {
            fn parse_from_json(value: Option<serde_json::Value>) -> poem_openapi::types::ParseResult<Self> {
                match value.unwrap_or_default() {
                    serde_json::Value::String(text) => text.parse().map_err(poem_openapi::types::ParseError::custom),
                    other => Err(poem_openapi::types::ParseError::expected_type(other)),
                }
            }
        }

        impl poem_openapi::types::ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> poem_openapi::types::ParseResult<Self> {
                text.parse().map_err(poem_openapi::types::ParseError::custom)
            }
        }

        impl poem_openapi::types::ToJSON for $type {
            fn to_json(&self) -> Option<serde_json::Value> {
                Some(serde_json::Value::String(self.to_string()))
            }
        }

        impl poem_openapi::types::ToHeader for $type {
            fn to_header(&self) -> Option<poem::http::HeaderValue> {
                poem::http::HeaderValue::from_str(&self.to_string()).ok()
            }
        }
    };
}
