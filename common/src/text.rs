//! Types that are text on the wire: a macro that implements their JSON and OpenAPI forms. Also functions for free text,
//! for wrong values in messages, and for hexadecimal digits.

use std::{
    borrow::Cow,
    fmt::{Display, Write},
    ops::RangeInclusive,
};

/// Whether a text has at most `max_chars` characters and no control characters.
pub(crate) fn is_text(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.contains(char::is_control)
}

/// Maximum number of characters of a name that a message shows.
const MAX_SHOWN_NAME: usize = 64;

/// The beginning of a name that a client sent, for a message. Control characters are escaped, and an empty name is shown in
/// quotes.
pub fn shown_name(name: &str) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let (end, more) = match name.char_indices().nth(MAX_SHOWN_NAME) {
        Some((end, _)) => (end, "…"),
        None => (name.len(), ""),
    };
    format!("{}{more}", name[..end].escape_debug())
}

/// Maximum number of characters of a wrong value that a message shows.
const MAX_SHOWN_CHARS: usize = 32;

/// The beginning of a wrong text in quotes.
pub fn shown_value(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}

/// A wrong JSON value as a message shows it: only the kind of an object or a list, and the beginning of any other value.
pub(crate) fn shown_json(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "a list".to_owned(),
        Some(b'"') => {
            serde_json::from_str::<String>(json).map_or_else(|_| "a string".to_owned(), |text| shown_value(&text))
        }
        _ => json.chars().take(MAX_SHOWN_CHARS).collect(),
    }
}

/// The message for a wrong text: what is allowed, and the beginning of the text. Not for secrets.
pub fn describe_refused(rule: impl Display, text: &str) -> String {
    format!("{rule}, but is {}", shown_value(text))
}

/// [`describe_refused`] for bytes. Bytes that are not UTF-8 are shown as escape sequences.
pub(crate) fn describe_refused_bytes(rule: impl Display, bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => describe_refused(rule, text),
        Err(_) => format!("{rule}, but is \"{}\"", bytes[..bytes.len().min(MAX_SHOWN_CHARS)].escape_ascii()),
    }
}

/// A type that is text on the wire.
pub trait TextType: Sized {
    /// Parses the text that a client sends. The error is the message for the client. The message states which texts are
    /// allowed, and quotes the beginning of `text` unless `text` may contain a
    /// secret.
    fn parse_text(text: &str) -> Result<Self, String>;
}

/// The bytes that hexadecimal digits of any case represent. `None` if the text is not exactly `2 * N` such digits.
pub fn from_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The bytes as lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first control character or [invisible control](INVISIBLE_CONTROLS) of a text.
pub fn find_invisible_control(text: &str) -> Option<char> {
    text.chars().find(|&c| is_invisible_control(c))
}

/// The text with each invisible control character as its code point, such as `\u{202e}`. Otherwise, such characters
/// could change the order in which a terminal shows the text.
pub fn escape_invisible_controls(text: &str) -> Cow<'_, str> {
    if find_invisible_control(text).is_none() {
        return text.into();
    }
    let escape = |c: char| if is_invisible_control(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Invisible characters that control how other text is shown, in addition to control characters. These are the controls
/// of bidirectional text (Unicode property `Bidi_Control`), line separators, and invisible marks such as the zero width
/// space and tags. ZWNJ, ZWJ and the Mongolian vowel separator are not listed, because Persian, Hindi, Mongolian and
/// emoji need them.
const INVISIBLE_CONTROLS: [RangeInclusive<char>; 11] = [
    '\u{ad}'..='\u{ad}',
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200b}',
    '\u{200e}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e007f}',
];

fn is_invisible_control(c: char) -> bool {
    c.is_control() || INVISIBLE_CONTROLS.iter().any(|range| range.contains(&c))
}

/// The joiners, variation selectors, and letters that are shown as a space.
const BLANKS: [RangeInclusive<char>; 6] = [
    '\u{115f}'..='\u{1160}',
    '\u{200c}'..='\u{200d}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
];

/// Whether a text contains a visible character.
pub(crate) fn is_visible(text: &str) -> bool {
    let is_blank =
        |c: char| c.is_whitespace() || is_invisible_control(c) || BLANKS.iter().any(|range| range.contains(&c));
    !text.chars().all(is_blank)
}

/// Implements the traits of serde and poem-openapi for a type that is a JSON string on the wire.
///
/// The implementations use `FromStr` and `Display` of the type, so a client with serde and a server with poem-openapi use the
/// same text.
///
/// Arguments: the type, the OpenAPI format, a description, an example, and optionally the pattern of the text. Every text that
/// `Display` writes must match the pattern. The message for a wrong text is the error of `FromStr`, followed by the beginning of
/// the text. With `errors: verbatim`, the message is only this error: for texts that may contain a secret, and for types whose
/// error contains the text.
#[macro_export]
macro_rules! text_type {
    (@message $error:expr, $text:expr) => {
        $crate::text::describe_refused($error, $text)
    };
    (@message $error:expr, $text:expr, verbatim) => {
        $error.to_string()
    };
    (
        $type:ty, $format:literal, $description:literal, $example:literal
        $(, pattern: $pattern:literal)? $(, errors: $errors:ident)?
    ) => {
        impl $crate::text::TextType for $type {
            fn parse_text(text: &str) -> Result<Self, String> {
                text.parse::<Self>().map_err(|error| $crate::text_type!(@message error, text $(, $errors)?))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                <Self as $crate::text::TextType>::parse_text(&text).map_err(serde::de::Error::custom)
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
                    serde_json::Value::String(text) => <Self as $crate::text::TextType>::parse_text(&text)
                        .map_err(poem_openapi::types::ParseError::custom),
                    other => Err(poem_openapi::types::ParseError::expected_type(other)),
                }
            }
        }

        impl poem_openapi::types::ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> poem_openapi::types::ParseResult<Self> {
                <Self as $crate::text::TextType>::parse_text(text).map_err(poem_openapi::types::ParseError::custom)
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

#[cfg(test)]
mod tests;
