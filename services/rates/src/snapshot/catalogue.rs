//! The names of exchanges and assets, to validate filters and conversions.

use std::collections::BTreeSet;

use common::{
    api::courses::MarketSnapshot,
    money::{Asset, CurrencyPair},
};

use crate::limits::MAX_CATALOGUE_NAMES;

/// The exchanges and assets of all snapshots since the start of the process. An exchange that is unavailable at the moment
/// therefore stays a valid filter value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    exchangers: BTreeSet<String>,
    base_assets: BTreeSet<Asset>,
    quote_assets: BTreeSet<Asset>,
}

impl Catalogue {
    /// Adds the names that the snapshot contains.
    #[must_use]
    pub(super) fn extended_by(mut self, snapshot: &MarketSnapshot) -> Self {
        for course in &snapshot.courses {
            self.add(&course.exchanger, course.direction);
        }
        for price in &snapshot.prices {
            self.add_pair(price.direction);
            for vote in &price.votes {
                self.add(&vote.exchanger, vote.told);
            }
        }
        self
    }

    fn add(&mut self, exchanger: &str, pair: CurrencyPair) {
        if self.exchangers.len() < MAX_CATALOGUE_NAMES && !self.exchangers.contains(exchanger) {
            self.exchangers.insert(exchanger.to_owned());
        }
        self.add_pair(pair);
    }

    fn add_pair(&mut self, CurrencyPair { base, quote }: CurrencyPair) {
        for (assets, asset) in [(&mut self.base_assets, base), (&mut self.quote_assets, quote)] {
            if assets.len() < MAX_CATALOGUE_NAMES {
                assets.insert(asset);
            }
        }
    }

    pub(super) fn contains_exchanger(&self, name: &str) -> bool {
        self.exchangers.contains(name)
    }

    pub(super) fn contains_base(&self, asset: Asset) -> bool {
        self.base_assets.contains(&asset)
    }

    pub(super) fn contains_quote(&self, asset: Asset) -> bool {
        self.quote_assets.contains(&asset)
    }

    /// Whether the asset is the base or the quote of any pair.
    pub(crate) fn contains_asset(&self, asset: Asset) -> bool {
        self.contains_base(asset) || self.contains_quote(asset)
    }
}
