//! Filters of courses and prices. A course is the last price of one pair at one exchange. The API calls the pair `direction`
//! and the exchange `exchanger`.

use std::{collections::BTreeSet, fmt::Display};

use common::{
    api::{
        FieldError,
        courses::{Course, EXCHANGERS},
    },
    money::{Asset, CurrencyPair},
    spelling::must_each_be_one_of,
};

use super::catalogue::Catalogue;

/// A validated filter. A list that is `None` matches everything. Filters with the same names are equal, regardless of the order
/// and case of the names in the request.
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
        let exchangers = catalogue.exchangers();
        let exchangers = parse_names(EXCHANGERS, self.exchangers.as_deref(), exchangers, &mut add_error, |name| {
            Some(name.to_ascii_lowercase())
        });
        let parse_asset = |code: &str| code.parse::<Asset>().ok();
        let known = catalogue.base_assets();
        let base_assets = parse_names("coins_from", self.coins_from.as_deref(), known, &mut add_error, parse_asset);
        let known = catalogue.quote_assets();
        let quote_assets = parse_names("coins_to", self.coins_to.as_deref(), known, &mut add_error, parse_asset);
        if errors.is_empty() { Ok(SnapshotFilter { exchangers, base_assets, quote_assets }) } else { Err(errors) }
    }
}

/// Parses a comma-separated list of known names. Passes an error with all unknown names to `add_error`. Returns `None` in case
/// of an error, and also for a blank list, because an HTML form sends an empty value for an empty field.
pub(crate) fn parse_names<T: Ord + Display>(
    field: &str,
    names: Option<&str>,
    known: &BTreeSet<T>,
    add_error: &mut impl FnMut(FieldError),
    parse_name: impl Fn(&str) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let names = names.map(str::trim).filter(|names| !names.is_empty())?;
    let (mut parsed, mut unknown) = (BTreeSet::new(), Vec::new());
    for name in names.split(',').map(str::trim) {
        match parse_name(name).filter(|value| known.contains(value)) {
            Some(value) => drop(parsed.insert(value)),
            None if unknown.contains(&name) => {}
            None => unknown.push(name),
        }
    }
    if unknown.is_empty() {
        return Some(parsed);
    }
    add_error(FieldError::new(field, must_each_be_one_of(&unknown, known)));
    None
}

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
