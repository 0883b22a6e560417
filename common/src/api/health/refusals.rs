//! Why orders in several currencies, or the votes of several sources, are refused. A reason that several of them share is stated once.

use std::fmt::Display;

use crate::money::Currency;

/// The currencies or sources that are refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedReason<T, R> {
    pub refused: Vec<T>,
    pub reason: R,
}

impl<T: Display, R> SharedReason<T, R> {
    /// The currencies or sources, such as `EUR, USD`.
    pub fn names(&self) -> String {
        self.refused.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Groups currencies or sources by their reasons. The groups are in the order of their first elements.
pub fn group_by_reason<T, R: PartialEq>(refused: impl IntoIterator<Item = (T, R)>) -> Vec<SharedReason<T, R>> {
    let mut groups: Vec<SharedReason<T, R>> = Vec::new();
    for (refused, reason) in refused {
        match groups.iter_mut().find(|group| group.reason == reason) {
            Some(group) => group.refused.push(refused),
            None => groups.push(SharedReason { refused: vec![refused], reason }),
        }
    }
    groups
}

/// One text for all reasons, such as `EUR, USD: it has expired; GBP: it is implausible`. Does not name the currencies if all share
/// one reason.
pub fn describe_refusals<'a>(refused: impl IntoIterator<Item = (Currency, &'a str)>) -> String {
    match &group_by_reason(refused)[..] {
        [only] => only.reason.to_owned(),
        groups => {
            let named = groups.iter().map(|group| format!("{}: {}", group.names(), group.reason));
            named.collect::<Vec<_>>().join("; ")
        }
    }
}
