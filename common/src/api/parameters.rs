//! Checks the value of a parameter against its schema. All services report the same messages.
//!
//! The framework reports only the first invalid parameter of a request. With this check, a service reports all of them.

use std::{borrow::Cow, collections::HashMap, str::FromStr, sync::LazyLock};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};
use serde_json::Value;

use super::{
    courses::{self, Resolution},
    history, orders,
    reports::{MinLevel, ReportCursor},
    users::{Email, UserCursor},
    wallets::{OperationCursor, VerificationCursor, WalletCursor},
};
use crate::{
    ids::{IdempotencyKey, OrderId, QuoteId},
    money::{Asset, Currency, CurrencyPair, FiatAmount},
    spelling::must_be_one_of,
    text::{TextType, describe_refused, shown_value},
    time::Timestamp,
};

type Check = fn(&str) -> Result<(), String>;

/// The format and the pattern in the schema of a text type. Together they identify the type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextFormat {
    format: Option<&'static str>,
    pattern: Option<String>,
}

impl TextFormat {
    fn of(schema: &MetaSchema) -> Self {
        Self { format: schema.format, pattern: schema.pattern.clone() }
    }
}

/// The check of each text type that a parameter can have.
static TEXT_CHECKS: LazyLock<HashMap<TextFormat, Check>> = LazyLock::new(|| {
    [
        text_check::<orders::ClientReference>(),
        text_check::<orders::Cursor>(),
        text_check::<courses::HistoryCursor>(),
        text_check::<history::HistoryCursor>(),
        text_check::<ReportCursor>(),
        text_check::<Asset>(),
        text_check::<Currency>(),
        text_check::<CurrencyPair>(),
        text_check::<Email>(),
        text_check::<FiatAmount>(),
        text_check::<IdempotencyKey>(),
        text_check::<MinLevel>(),
        text_check::<OperationCursor>(),
        text_check::<OrderId>(),
        text_check::<orders::OwnerFilter>(),
        text_check::<QuoteId>(),
        text_check::<Resolution>(),
        text_check::<Timestamp>(),
        text_check::<UserCursor>(),
        text_check::<VerificationCursor>(),
        text_check::<WalletCursor>(),
    ]
    .into()
});

fn text_check<T: Type + TextType>() -> (TextFormat, Check) {
    let MetaSchemaRef::Inline(schema) = T::schema_ref() else { panic!("{} has no schema of its own", T::name()) };
    (TextFormat::of(&schema), |text| T::parse_text(text).map(drop))
}

/// A parameter with its text. Errors show the text as it was sent, because parsing a currency code changes its letters
/// to upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSent<T> {
    pub value: T,
    pub text: String,
}

impl<T: FromStr> FromStr for AsSent<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(|value| Self { value, text: text.to_owned() })
    }
}

impl<T: Type> Type for AsSent<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.value.as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        self.value.raw_element_iter()
    }
}

impl<T: ParseFromParameter> ParseFromParameter for AsSent<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let parsed = T::parse_from_parameter(text).map(|value| Self { value, text: text.to_owned() });
        parsed.map_err(ParseError::propagate)
    }
}

/// Checks a value. The error states which values are allowed. A value of an unknown type passes.
pub fn check_value(schema: &MetaSchema, text: &str) -> Result<(), String> {
    if !schema.enum_items.is_empty() {
        let names: Vec<_> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        return if names.contains(&text) { Ok(()) } else { Err(must_be_one_of(text, names)) };
    }
    match schema.ty {
        "integer" => check_integer(schema, text),
        "boolean" if !matches!(text, "true" | "false") => {
            Err(format!("must be true or false, but is {}", shown_value(text)))
        }
        "string" => match TEXT_CHECKS.get(&TextFormat::of(schema)) {
            Some(check) => check(text),
            None => check_length(schema, text),
        },
        _ => Ok(()),
    }
}

fn check_integer(schema: &MetaSchema, text: &str) -> Result<(), String> {
    let (min, max) = range(schema);
    let is_within = |number: i128| min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    if text.parse().is_ok_and(is_within) {
        return Ok(());
    }
    Err(format!("{}, but is {}", whole_number_rule(schema), shown_value(text)))
}

/// The smallest and the largest number that a schema of integers allows.
fn range(schema: &MetaSchema) -> (Option<i128>, Option<i128>) {
    let bound = |bound: Option<f64>| bound.and_then(|bound| format!("{bound:.0}").parse::<i128>().ok());
    let (type_min, type_max) = match schema.format {
        Some("uint8") => (Some(0), Some(i128::from(u8::MAX))),
        Some("uint16") => (Some(0), Some(i128::from(u16::MAX))),
        Some("uint32") => (Some(0), Some(i128::from(u32::MAX))),
        Some("uint64") => (Some(0), Some(i128::from(u64::MAX))),
        Some("int64") => (Some(i128::from(i64::MIN)), Some(i128::from(i64::MAX))),
        _ => (None, None),
    };
    (bound(schema.minimum).or(type_min), bound(schema.maximum).or(type_max))
}

/// The rule that a schema of integers states, such as `must be a whole number from 1 to 60`.
pub fn whole_number_rule(schema: &MetaSchema) -> String {
    // A bound that needs more than 32 bits is not shown.
    let is_shown = |bound: &i128| bound.unsigned_abs() <= u128::from(u32::MAX);
    let (min, max) = range(schema);
    match (min.filter(is_shown), max.filter(is_shown)) {
        (Some(min), Some(max)) => format!("must be a whole number from {min} to {max}"),
        (Some(min), None) => format!("must be a whole number, {min} or more"),
        (None, Some(max)) => format!("must be a whole number, {max} or less"),
        (None, None) => "must be a whole number".to_owned(),
    }
}

fn check_length(schema: &MetaSchema, text: &str) -> Result<(), String> {
    match schema.max_length {
        Some(max) if text.chars().count() > max => {
            Err(describe_refused(format_args!("must have at most {max} characters"), text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
