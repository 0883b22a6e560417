//! The names of exchanges and assets, to validate filters and conversions. A course is the last price of one pair at
//! one exchange. The API calls the pair `direction` and the exchange `exchanger`.

use std::collections::BTreeSet;

use common::{
    api::{
        FieldError,
        courses::{MarketSnapshot, StoredCourse},
        parameters::AsSent,
    },
    money::{Asset, CurrencyPair},
    spelling::{must_be_one_of, must_each_be_one_of},
};

use crate::limits::MAX_CATALOGUE_NAMES;

/// The exchanges and assets of all snapshots since the start of the process. A snapshot also names the active sources
/// that report no price at the moment. An exchange that is unavailable is therefore a valid filter value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    exchangers: BTreeSet<String>,
    base_assets: BTreeSet<Asset>,
    quote_assets: BTreeSet<Asset>,
}

impl Catalogue {
    #[must_use]
    pub(crate) fn extended_by(mut self, snapshot: &MarketSnapshot) -> Self {
        for course in &snapshot.courses {
            self.add(&course.exchanger, course.direction);
        }
        for price in &snapshot.prices {
            self.add_pair(price.direction);
            for vote in &price.votes {
                self.add(&vote.exchanger, vote.pair);
            }
        }
        for source in &snapshot.sources {
            for pair in &source.directions {
                self.add(&source.exchanger, *pair);
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

    #[must_use]
    pub(crate) fn extended_by_stored(mut self, courses: &[StoredCourse]) -> Self {
        for course in courses {
            self.add(&course.exchanger, course.direction);
        }
        self
    }

    pub(crate) fn exchangers(&self) -> &BTreeSet<String> {
        &self.exchangers
    }

    pub(crate) fn base_assets(&self) -> &BTreeSet<Asset> {
        &self.base_assets
    }

    pub(crate) fn quote_assets(&self) -> &BTreeSet<Asset> {
        &self.quote_assets
    }

    /// Fails if the asset is neither the base nor the quote of any pair. The error lists the known assets.
    pub(crate) fn check_asset(&self, field: &str, asset: &AsSent<Asset>) -> Result<(), FieldError> {
        if self.contains_asset(asset.value) {
            return Ok(());
        }
        Err(FieldError::new(field, must_be_one_of(&asset.text, self.assets())))
    }

    /// Fails if an asset of the pair is unknown.
    pub(crate) fn check_pair(&self, field: &str, pair: &AsSent<CurrencyPair>) -> Result<(), FieldError> {
        let CurrencyPair { base, quote } = pair.value;
        let assets = [base, quote].into_iter().zip(pair.text.split('-'));
        let unknown: Vec<_> = assets.filter(|(asset, _)| !self.contains_asset(*asset)).map(|(_, text)| text).collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(FieldError::new(field, must_each_be_one_of(&unknown, self.assets())))
        }
    }

    pub(crate) fn contains_asset(&self, asset: Asset) -> bool {
        self.base_assets.contains(&asset) || self.quote_assets.contains(&asset)
    }

    /// Every base or quote asset.
    fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.base_assets.union(&self.quote_assets)
    }
}
