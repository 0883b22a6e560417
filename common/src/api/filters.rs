//! Checks of the filter parameters that several services share. `docs/requests.md` describes them for users.

use super::{FieldError, orders::OrderFilter};
use crate::{
    money::{Currency, FiatAmount},
    spelling::must_be_one_of,
    time::Timestamp,
};

/// Returns an error if the period begins after it ends. If `from` equals `to`, the period is empty, which is allowed.
pub fn check_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<FieldError> {
    let (from, to) = from.zip(to).filter(|(from, to)| from > to)?;
    Some(FieldError::new("from", format!("must not be later than to ({to}), but is {from}")))
}

/// Returns an error if the smallest amount is greater than the largest.
pub fn check_amounts(min: Option<FiatAmount>, max: Option<FiatAmount>) -> Option<FieldError> {
    let (min, max) = min.zip(max).filter(|(min, max)| min > max)?;
    Some(FieldError::new("min_amount", format!("must not be greater than max_amount ({max}), but is {min}")))
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
