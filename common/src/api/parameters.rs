//! Checks the value of a parameter against its schema. All services report the same messages.
//!
//! The framework reports only the first invalid parameter of a request. With this check, a service reports all of them.

use std::{collections::HashMap, fmt::Display, str::FromStr, sync::LazyLock};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::Type,
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

fn text_check<T: Type + FromStr<Err: Display>>() -> (TextFormat, Check) {
    let MetaSchemaRef::Inline(schema) = T::schema_ref() else { panic!("{} has no schema of its own", T::name()) };
    (TextFormat::of(&schema), |text| text.parse::<T>().map(drop).map_err(|error| error.to_string()))
}

/// Checks a value. The error states which values are allowed. A value of an unknown type passes.
pub fn check_value(schema: &MetaSchema, text: &str) -> Result<(), String> {
    if !schema.enum_items.is_empty() {
        let names: Vec<_> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        return if names.contains(&text) { Ok(()) } else { Err(format!("must be one of {}", names.join(", "))) };
    }
    match schema.ty {
        "integer" => check_integer(schema, text),
        "boolean" if !matches!(text, "true" | "false") => Err("must be true or false".to_owned()),
        "string" => match TEXT_CHECKS.get(&TextFormat::of(schema)) {
            Some(check) => check(text),
            None => check_length(schema, text),
        },
        _ => Ok(()),
    }
}

fn check_integer(schema: &MetaSchema, text: &str) -> Result<(), String> {
    let bound = |bound: Option<f64>| bound.and_then(|bound| format!("{bound:.0}").parse::<i128>().ok());
    let (type_min, type_max) = match schema.format {
        Some("uint32") => (Some(0), Some(i128::from(u32::MAX))),
        Some("uint64") => (Some(0), Some(i128::from(u64::MAX))),
        _ => (None, None),
    };
    let (min, max) = (bound(schema.minimum).or(type_min), bound(schema.maximum));
    let number = text.parse::<i128>().ok();
    let within = |number: i128| min.is_none_or(|min| number >= min) && max.or(type_max).is_none_or(|max| number <= max);
    if number.is_some_and(within) {
        return Ok(());
    }
    Err(match (min, max) {
        (Some(min), Some(max)) => format!("must be a whole number from {min} to {max}"),
        (Some(min), None) => format!("must be a whole number, {min} or more"),
        (None, Some(max)) => format!("must be a whole number, {max} or less"),
        (None, None) => "must be a whole number".to_owned(),
    })
}

fn check_length(schema: &MetaSchema, text: &str) -> Result<(), String> {
    match schema.max_length {
        Some(max) if text.chars().count() > max => Err(format!("must have at most {max} characters")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
