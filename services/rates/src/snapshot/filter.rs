//! Filters of courses and prices.

use std::collections::BTreeSet;

use common::{
    api::{FieldError, courses::Course},
    money::{Asset, CurrencyPair},
};

use super::catalogue::Catalogue;

/// A validated filter. `None` matches everything. Filters with the same names are equal, regardless of the order and case
/// of the names in the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct SnapshotFilter {
    exchangers: Option<BTreeSet<String>>,
    base_assets: Option<BTreeSet<Asset>>,
    quote_assets: Option<BTreeSet<Asset>>,
}

/// The query parameters of a filter: each is a comma-separated list of names.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterParams {
    pub(crate) exchangers: Option<String>,
    pub(crate) coins_from: Option<String>,
    pub(crate) coins_to: Option<String>,
}

impl FilterParams {
    /// Fails with one error for each parameter that contains an unknown name.
    pub(crate) fn parse(&self, catalogue: &Catalogue) -> Result<SnapshotFilter, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut add_error = |error| errors.push(error);
        let exchangers = parse_names("exchangers", self.exchangers.as_deref(), &mut add_error, |name| {
            Some(name.to_ascii_lowercase()).filter(|name| catalogue.contains_exchanger(name))
        });
        let base_assets = parse_names("coins_from", self.coins_from.as_deref(), &mut add_error, |code| {
            code.parse().ok().filter(|&asset| catalogue.contains_base(asset))
        });
        let quote_assets = parse_names("coins_to", self.coins_to.as_deref(), &mut add_error, |code| {
            code.parse().ok().filter(|&asset| catalogue.contains_quote(asset))
        });
        if errors.is_empty() { Ok(SnapshotFilter { exchangers, base_assets, quote_assets }) } else { Err(errors) }
    }
}

/// Parses a comma-separated list. `parse_name` returns `None` for an unknown name. A blank list is no filter, because an HTML
/// form sends an empty value for an empty field.
fn parse_names<T: Ord>(
    field: &str,
    names: Option<&str>,
    add_error: &mut impl FnMut(FieldError),
    parse_name: impl Fn(&str) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let names = names.map(str::trim).filter(|names| !names.is_empty())?;
    let mut parsed = BTreeSet::new();
    for name in names.split(',').map(str::trim) {
        let Some(value) = parse_name(name) else {
            let shown: String = name.chars().take(MAX_SHOWN_CHARS).collect();
            let reason =
                format!("contains the unknown name {shown:?}; a request without filters lists all known names");
            add_error(FieldError::new(field, reason));
            return None;
        };
        parsed.insert(value);
    }
    Some(parsed)
}

/// Longest part of an unknown name that the error repeats, in characters.
const MAX_SHOWN_CHARS: usize = 32;

impl SnapshotFilter {
    pub(crate) fn matches_everything(&self) -> bool {
        self.exchangers.is_none() && self.base_assets.is_none() && self.quote_assets.is_none()
    }

    pub(crate) fn matches_course(&self, course: &Course) -> bool {
        self.exchangers.as_ref().is_none_or(|names| names.contains(&course.exchanger))
            && self.matches_pair(course.direction)
    }

    pub(crate) fn matches_pair(&self, pair: CurrencyPair) -> bool {
        self.base_assets.as_ref().is_none_or(|assets| assets.contains(&pair.base))
            && self.quote_assets.as_ref().is_none_or(|assets| assets.contains(&pair.quote))
    }
}

#[cfg(test)]
mod tests;
