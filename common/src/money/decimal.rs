//! Decimal numbers, parsed exactly from their text.

use std::{borrow::Cow, fmt, ops::Deref, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use crate::text::{describe_refused, shown_json};

/// Maximum length of a number in characters. An amount or a rate needs at most 19 characters.
const MAX_LEN: usize = 64;

/// Why a text is not a number that can be represented exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("must be a decimal number, such as 69 or 0.25")]
    Syntax,
    #[error("must be written without leading zeros, such as 69 or 0.25")]
    LeadingZeros,
    #[error("must have at most 28 digits")]
    TooManyDigits,
    #[error("must be written without an exponent, such as 1000")]
    Exponent,
}

/// Parses a number in the grammar of JSON (`0.1`, `600`, `1e3`) without rounding.
///
/// The parsers of `rust_decimal` accept more than this grammar (underscores, a leading point), and the parser for
/// scientific notation rounds. So this function checks the grammar, and `rust_decimal` parses only the part without the
/// exponent.
pub fn parse_decimal(text: &str) -> Result<Decimal, NumberError> {
    if !is_number(text) {
        let is_otherwise_valid = without_leading_zeros(text).is_some_and(|text| is_number(&text));
        return Err(if is_otherwise_valid { NumberError::LeadingZeros } else { NumberError::Syntax });
    }
    if text.len() > MAX_LEN {
        return Err(NumberError::TooManyDigits);
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| NumberError::TooManyDigits)?),
        None => (text, 0),
    };
    let number = Decimal::from_str_exact(digits).map_err(|_| NumberError::TooManyDigits)?.normalize();
    scale_by_power_of_ten(number, exponent).ok_or(NumberError::TooManyDigits)
}

/// Parses a number without an exponent. In the text of an amount of money, an exponent is probably a typing error: `1e5` for `105`.
pub fn parse_without_exponent(text: &str) -> Result<Decimal, NumberError> {
    let number = parse_decimal(text);
    if text.contains(['e', 'E']) && number != Err(NumberError::Syntax) {
        return Err(NumberError::Exponent);
    }
    number
}

/// `number` times ten to the power of `exponent`. `None` if the result cannot be represented exactly.
fn scale_by_power_of_ten(number: Decimal, exponent: i32) -> Option<Decimal> {
    if number.is_zero() {
        return Some(Decimal::ZERO);
    }
    let scale = i64::from(number.scale()) - i64::from(exponent);
    if scale >= 0 {
        Decimal::try_from_i128_with_scale(number.mantissa(), u32::try_from(scale).ok()?).ok()
    } else {
        let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
        Decimal::try_from_i128_with_scale(number.mantissa().checked_mul(factor)?, 0).ok()
    }
}

/// Whether `text` is a JSON number (RFC 8259, section 6).
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if unsigned.starts_with('0') && unsigned[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let Some(mut rest) = digits(unsigned) else { return false };
    if let Some(fraction) = rest.strip_prefix('.') {
        let Some(after) = digits(fraction) else { return false };
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let Some(after) = digits(unsigned) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// The text without the leading zeros of its integer part; `007` becomes `7`. `None` if the first digit is not 0.
fn without_leading_zeros(text: &str) -> Option<String> {
    let (sign, unsigned) = text.split_at(usize::from(text.starts_with('-')));
    let rest = unsigned.strip_prefix('0')?.trim_start_matches('0');
    let integer = if rest.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    Some(format!("{sign}{integer}{rest}"))
}

/// Writes a fixed-point number with at least two decimals. Further trailing zeros are omitted.
pub(super) fn write_fixed(f: &mut fmt::Formatter<'_>, value: i64, decimals: u32) -> fmt::Result {
    let unit = 10_u64.pow(decimals);
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    let (mut fraction, mut width) = (value % unit, decimals as usize);
    while width > 2 && fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(f, "{sign}{}.{fraction:0width$}", value / unit)
}

/// The original, unrounded text of a JSON number, or of a JSON string that should contain a number.
#[derive(Debug, Clone)]
pub struct DecimalText {
    text: String,
    is_json_number: bool,
}

/// Compares the texts. A JSON number equals a JSON string with the same text.
impl PartialEq for DecimalText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for DecimalText {}

impl DecimalText {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The message for a wrong number: what is allowed, and the beginning of the text.
    pub fn describe_refused(&self, rule: impl fmt::Display) -> String {
        if self.is_json_number {
            format!("{rule}, but is {}", shown_json(&self.text))
        } else {
            describe_refused(rule, &self.text)
        }
    }

    /// Parses an amount of money. An exponent is permitted in a JSON number, because JSON libraries write numbers such
    /// as `1e3`. In a string, an exponent is an error.
    pub fn parse_amount<T, E>(&self) -> Result<T, E>
    where
        T: FromStr<Err = E> + TryFrom<Decimal, Error = E>,
        E: From<NumberError>,
    {
        if self.is_json_number { parse_decimal(&self.text)?.try_into() } else { self.text.parse() }
    }
}

impl From<&str> for DecimalText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for DecimalText {
    fn from(text: String) -> Self {
        Self { text, is_json_number: false }
    }
}

impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => {
                let text: Cow<'_, str> =
                    serde_json::from_str(raw).map_err(|_| de::Error::custom(NumberError::Syntax))?;
                Ok(text.into_owned().into())
            }
            Some(b'-' | b'0'..=b'9') => Ok(Self { text: raw.to_owned(), is_json_number: true }),
            _ => Err(de::Error::custom(format!("{}, but is {}", NumberError::Syntax, shown_json(raw)))),
        }
    }
}

impl Serialize for DecimalText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Like [`DecimalText`], for an amount of bitcoin. The only difference is the example in OpenAPI documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BitcoinText(DecimalText);

impl Deref for BitcoinText {
    type Target = DecimalText;

    fn deref(&self) -> &DecimalText {
        &self.0
    }
}

impl From<&str> for BitcoinText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for BitcoinText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

mod openapi {
    use poem_openapi::{
        registry::{MetaSchema, MetaSchemaRef},
        types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
    };
    use serde_json::Value;

    use super::{BitcoinText, DecimalText};

    fn schema(example: &str) -> MetaSchemaRef {
        let text = MetaSchema {
            pattern: Some(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$".to_owned()),
            ..MetaSchema::new_with_format("string", "decimal")
        };
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some(
                "A decimal number, as a string without an exponent or as a JSON number. Both are parsed exactly.",
            ),
            one_of: vec![
                MetaSchemaRef::Inline(Box::new(text)),
                MetaSchemaRef::Inline(Box::new(MetaSchema::new("number"))),
            ],
            example: Some(Value::String(example.to_owned())),
            ..MetaSchema::ANY
        }))
    }

    macro_rules! decimal_type {
        ($name:ident, $example:literal) => {
            impl Type for $name {
                const IS_REQUIRED: bool = true;
                type RawValueType = Self;
                type RawElementValueType = Self;

                fn name() -> std::borrow::Cow<'static, str> {
                    "decimal".into()
                }

                fn schema_ref() -> MetaSchemaRef {
                    schema($example)
                }

                fn as_raw_value(&self) -> Option<&Self> {
                    Some(self)
                }

                fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                    Box::new(std::iter::once(self))
                }
            }

            impl ParseFromJSON for $name {
                /// Accepts only strings: a number in a `Value` may be a float, which is not exact.
                fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                    match value.unwrap_or_default() {
                        Value::String(text) => Ok(text.into()),
                        other => Err(ParseError::expected_type(other)),
                    }
                }
            }

            impl ToJSON for $name {
                fn to_json(&self) -> Option<Value> {
                    Some(Value::String(self.as_str().to_owned()))
                }
            }
        };
    }

    decimal_type!(DecimalText, "69.00");
    decimal_type!(BitcoinText, "0.00082143");
}

#[cfg(test)]
mod tests;
