//! The rules of filters, the same in every service. `docs/requests.md` states them for users.

use std::fmt::Display;

use super::{FieldError, orders::OrderFilter};
use crate::{money::Currency, spelling, time::Timestamp};

/// Maximum number of known names that an error lists.
const MAX_LISTED_NAMES: usize = 200;
/// Longest part of an unknown name that an error repeats, in characters.
const MAX_SHOWN_CHARS: usize = 32;
/// Maximum number of unknown names that an error repeats.
const MAX_SHOWN_NAMES: usize = 10;

/// The error of a period that begins after it ends. A period may begin when it ends: it is then empty.
pub fn check_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<FieldError> {
    let contradictory = from.zip(to).is_some_and(|(from, to)| from > to);
    contradictory.then(|| FieldError::new("from", "must not be later than to"))
}

/// The wrong parameters of a filter of orders. `currencies` are the known ones.
pub fn check_order_filter(filter: &OrderFilter, currencies: &[Currency]) -> Vec<FieldError> {
    let unknown = filter.currency.filter(|currency| !currencies.contains(currency));
    let unknown = unknown.map(|_| FieldError::new("currency", must_be_one_of(currencies)));
    let contradictory = filter.min_amount.zip(filter.max_amount).is_some_and(|(min, max)| min > max);
    let amounts = contradictory.then(|| FieldError::new("min_amount", "must not be greater than max_amount"));
    [unknown, check_period(filter.from, filter.to), amounts].into_iter().flatten().collect()
}

/// The reason of an unknown name. Lists the known ones.
pub fn must_be_one_of(known: impl IntoIterator<Item = impl Display>) -> String {
    match list(known) {
        Some(names) => format!("must be one of {names}"),
        None => NO_NAMES.to_owned(),
    }
}

/// The reason of unknown names in a comma-separated list. Suggests the names that are probably meant, and lists the known ones.
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

const NO_NAMES: &str = "is unknown, as every name is until there is data";

/// The names, or `None` if there are none.
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
