//! The rules for filter parameters. They are the same in every service. `docs/requests.md` describes them for users.

use std::fmt::Display;

use super::{FieldError, orders::OrderFilter};
use crate::{money::Currency, spelling, time::Timestamp};

/// Maximum number of known names that an error lists.
const MAX_LISTED_NAMES: usize = 200;
/// Maximum number of characters of an unknown name that an error shows.
const MAX_SHOWN_CHARS: usize = 32;
/// Maximum number of unknown names that an error repeats.
const MAX_SHOWN_NAMES: usize = 10;

/// Returns an error if the period begins after it ends. If `from` equals `to`, the period is empty, which is allowed.
pub fn check_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<FieldError> {
    let contradictory = from.zip(to).is_some_and(|(from, to)| from > to);
    contradictory.then(|| FieldError::new("from", "must not be later than to"))
}

/// Returns an error for each invalid parameter of a filter of orders. `currencies` are the configured currencies.
pub fn check_order_filter(filter: &OrderFilter, currencies: &[Currency]) -> Vec<FieldError> {
    let unknown = filter.currency.filter(|currency| !currencies.contains(currency));
    let unknown = unknown.map(|_| FieldError::new("currency", must_be_one_of(currencies)));
    let contradictory = filter.min_amount.zip(filter.max_amount).is_some_and(|(min, max)| min > max);
    let amounts = contradictory.then(|| FieldError::new("min_amount", "must not be greater than max_amount"));
    [unknown, check_period(filter.from, filter.to), amounts].into_iter().flatten().collect()
}

/// The message for an unknown name. It lists the known names.
pub fn must_be_one_of(known: impl IntoIterator<Item = impl Display>) -> String {
    match list(known) {
        Some(names) => format!("must be one of {names}"),
        None => NO_NAMES.to_owned(),
    }
}

/// The message for unknown names in a comma-separated list. It suggests the names that are probably meant, and lists the known
/// names.
pub fn must_each_be_one_of(unknown: &[&str], known: impl IntoIterator<Item = impl Display>) -> String {
    let known: Vec<_> = known.into_iter().map(|name| name.to_string()).collect();
    let shown = unknown.iter().take(MAX_SHOWN_NAMES).map(|name| {
        let shown: String = name.chars().take(MAX_SHOWN_CHARS).collect();
        match spelling::nearest(&shown, known.iter().map(String::as_str)) {
            Some(meant) => format!("{shown:?} (did you mean {meant}?)"),
            None => format!("{shown:?}"),
        }
    });
    let mut shown: Vec<_> = shown.collect();
    if unknown.len() > MAX_SHOWN_NAMES {
        shown.push(format!("and {} more", unknown.len() - MAX_SHOWN_NAMES));
    }
    let (names, shown) = (if unknown.len() == 1 { "name" } else { "names" }, shown.join(", "));
    match list(known) {
        Some(known) => format!("contains the unknown {names} {shown}; each name must be one of {known}"),
        None => NO_NAMES.to_owned(),
    }
}

const NO_NAMES: &str = "is unknown; there is no data yet, so no name is known";

/// The names, separated by commas. `None` if there are no names.
fn list(known: impl IntoIterator<Item = impl Display>) -> Option<String> {
    let mut names: Vec<_> = known.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(MAX_LISTED_NAMES);
    names.truncate(MAX_LISTED_NAMES);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests;
