//! Why orders in several currencies are refused. A reason that several currencies share is stated once.

use crate::money::Currency;

/// The currencies whose orders are refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedReason<'a> {
    pub currencies: Vec<Currency>,
    pub reason: &'a str,
}

impl SharedReason<'_> {
    /// The currencies, such as `EUR, USD`.
    pub fn names(&self) -> String {
        self.currencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Groups the currencies by their reasons, in the order of the currencies.
pub fn group_by_reason<'a>(refused: impl IntoIterator<Item = (Currency, &'a str)>) -> Vec<SharedReason<'a>> {
    let mut groups: Vec<SharedReason<'a>> = Vec::new();
    for (currency, reason) in refused {
        match groups.iter_mut().find(|group| group.reason == reason) {
            Some(group) => group.currencies.push(currency),
            None => groups.push(SharedReason { currencies: vec![currency], reason }),
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
