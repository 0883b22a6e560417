//! Checks of the filter parameters that several services share. `docs/requests.md` describes them for users.

use std::str::FromStr;

use super::{FieldError, orders::OrderFilter};
use crate::{
    money::{Currency, FiatAmount},
    spelling::must_be_one_of,
    text::shown_value,
    time::Timestamp,
};

/// Returns an error if the period begins after it ends. If `from` equals `to`, the period is empty, which is allowed.
pub fn check_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<FieldError> {
    let (from, to) = from.zip(to).filter(|(from, to)| from > to)?;
    Some(reversed_period(&from.shortest(), &to.shortest()))
}

/// Returns an error if the smallest amount is greater than the largest.
pub fn check_amounts(min: Option<FiatAmount>, max: Option<FiatAmount>) -> Option<FieldError> {
    let (min, max) = min.zip(max).filter(|(min, max)| min > max)?;
    Some(reversed_amounts(&min.to_string(), &max.to_string()))
}

/// The errors of [`check_period`] and [`check_amounts`] for parameters as they were sent. The errors quote these texts.
/// All operations use the same parameter names for a period, and for a range of amounts.
pub fn check_ranges_as_sent<T: AsRef<str>>(value_of: impl Fn(&str) -> Option<T>) -> Vec<FieldError> {
    fn is_reversed<V: FromStr + PartialOrd>(low: &str, high: &str) -> bool {
        matches!((low.parse::<V>(), high.parse::<V>()), (Ok(low), Ok(high)) if low > high)
    }
    let range = |low: &str, high: &str| value_of(low).zip(value_of(high));
    let period = range("from", "to").filter(|(from, to)| is_reversed::<Timestamp>(from.as_ref(), to.as_ref()));
    let amounts = range("min_amount", "max_amount");
    let amounts = amounts.filter(|(min, max)| is_reversed::<FiatAmount>(min.as_ref(), max.as_ref()));
    let period = period.map(|(from, to)| reversed_period(from.as_ref(), to.as_ref()));
    period.into_iter().chain(amounts.map(|(min, max)| reversed_amounts(min.as_ref(), max.as_ref()))).collect()
}

fn reversed_period(from: &str, to: &str) -> FieldError {
    let reason = format!("must not be later than to ({}), but is {}", shown_value(to), shown_value(from));
    FieldError::new("from", reason)
}

fn reversed_amounts(min: &str, max: &str) -> FieldError {
    let reason = format!("must not be greater than max_amount ({}), but is {}", shown_value(max), shown_value(min));
    FieldError::new("min_amount", reason)
}

/// Returns an error if `text`, the parameter `currency` as it was sent, is not one of `currencies`.
pub fn check_currency(text: &str, currencies: &[Currency]) -> Option<FieldError> {
    let is_known = text.parse().is_ok_and(|currency| currencies.contains(&currency));
    (!is_known).then(|| FieldError::new("currency", must_be_one_of(text, currencies)))
}

/// Returns an error for each invalid parameter of a filter of orders. `currency_text` is the parameter `currency` as it was sent.
/// `currencies` are the configured currencies.
pub fn check_order_filter(
    filter: &OrderFilter,
    currency_text: Option<&str>,
    currencies: &[Currency],
) -> Vec<FieldError> {
    let unknown = currency_text.and_then(|text| check_currency(text, currencies));
    let amounts = check_amounts(filter.min_amount, filter.max_amount);
    [unknown, check_period(filter.from, filter.to), amounts].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
