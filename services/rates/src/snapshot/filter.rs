//! Which courses somebody wants to see.

use std::collections::BTreeSet;

use common::{
    api::{FieldError, courses::Course},
    money::{Asset, CurrencyPair},
};

use super::catalogue::Catalogue;

/// What has to be named for a course to pass; an absent list lets all pass. The same wishes are the same filter, in
/// whatever order and case they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct SnapshotFilter {
    exchangers: Option<BTreeSet<String>>,
    from: Option<BTreeSet<Asset>>,
    to: Option<BTreeSet<Asset>>,
}

/// Filters as they were sent: names with commas between.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterParams {
    pub(crate) exchangers: Option<String>,
    pub(crate) coins_from: Option<String>,
    pub(crate) coins_to: Option<String>,
}

impl FilterParams {
    /// Names every field that holds something that nobody tells of.
    pub(crate) fn check(&self, catalogue: &Catalogue) -> Result<SnapshotFilter, Vec<FieldError>> {
        let mut errors = Vec::new();
        let exchangers = list(self.exchangers.as_deref(), "exchangers", &mut errors, |name| {
            let name = name.to_ascii_lowercase();
            catalogue.exchangers.contains(&name).then_some(name)
        });
        let mut assets = |text: Option<&str>, field, catalogue: &BTreeSet<Asset>| {
            list(text, field, &mut errors, |code| code.parse().ok().filter(|asset| catalogue.contains(asset)))
        };
        let from = assets(self.coins_from.as_deref(), "coins_from", &catalogue.from);
        let to = assets(self.coins_to.as_deref(), "coins_to", &catalogue.to);
        if errors.is_empty() { Ok(SnapshotFilter { exchangers, from, to }) } else { Err(errors) }
    }
}

/// An empty value is no filter, as a form sends it whose field was left empty.
fn list<T: Ord>(
    text: Option<&str>,
    field: &str,
    errors: &mut Vec<FieldError>,
    read: impl Fn(&str) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    let mut values = BTreeSet::new();
    for name in text.split(',').map(str::trim) {
        let Some(value) = read(name) else {
            let shown: String = name.chars().take(32).collect();
            errors.push(FieldError::new(field, format!("nobody tells of {shown:?}; without filters all are listed")));
            return None;
        };
        values.insert(value);
    }
    Some(values)
}

impl SnapshotFilter {
    pub(crate) fn is_everything(&self) -> bool {
        self.exchangers.is_none() && self.from.is_none() && self.to.is_none()
    }

    pub(crate) fn passes(&self, course: &Course) -> bool {
        self.exchangers.as_ref().is_none_or(|names| names.contains(&course.exchanger))
            && self.passes_direction(course.direction)
    }

    pub(crate) fn passes_direction(&self, direction: CurrencyPair) -> bool {
        self.from.as_ref().is_none_or(|assets| assets.contains(&direction.base))
            && self.to.as_ref().is_none_or(|assets| assets.contains(&direction.quote))
    }
}

#[cfg(test)]
mod tests;
