//! The exchanges and assets that market snapshots named.

use std::collections::BTreeSet;

use common::{
    api::courses::MarketSnapshot,
    money::{Asset, CurrencyPair},
};

use crate::limits::MAX_CATALOGUE_NAMES;

/// What exchanges and assets there are: all that were ever told of since the start, so that an exchange which is silent at
/// the moment is not taken for a typing error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    pub(super) exchangers: BTreeSet<String>,
    pub(super) from: BTreeSet<Asset>,
    pub(super) to: BTreeSet<Asset>,
}

impl Catalogue {
    /// With what a board tells of.
    pub(crate) fn with(&self, snapshot: &MarketSnapshot) -> Self {
        let mut catalogue = self.clone();
        for course in &snapshot.courses {
            catalogue.note(&course.exchanger, course.direction);
        }
        for price in &snapshot.prices {
            catalogue.note_direction(price.direction);
            for vote in &price.votes {
                catalogue.note(&vote.exchanger, vote.told);
            }
        }
        catalogue
    }

    fn note(&mut self, exchanger: &str, direction: CurrencyPair) {
        if self.exchangers.len() < MAX_CATALOGUE_NAMES && !self.exchangers.contains(exchanger) {
            self.exchangers.insert(exchanger.to_owned());
        }
        self.note_direction(direction);
    }

    fn note_direction(&mut self, CurrencyPair { base, quote }: CurrencyPair) {
        for (assets, asset) in [(&mut self.from, base), (&mut self.to, quote)] {
            if assets.len() < MAX_CATALOGUE_NAMES {
                assets.insert(asset);
            }
        }
    }

    /// Whether the asset is on any side of any direction.
    pub(crate) fn has(&self, asset: Asset) -> bool {
        self.from.contains(&asset) || self.to.contains(&asset)
    }
}
