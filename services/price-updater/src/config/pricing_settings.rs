//! The settings that can change while the service runs.

use std::sync::Arc;

use common::{config::LiveSetting, money::Currency};

use super::Config;
use crate::pricing::BandConfig;

/// The settings in [`PricingSettings`].
pub(crate) const LIVE_SETTINGS: &[LiveSetting] = &[
    LiveSetting::new("CURRENCIES"),
    LiveSetting::with_computed_default("MIN_SOURCES"),
    LiveSetting::new("PRICE_BAND_ACTION"),
    LiveSetting::new("PRICE_BAND_INTERVALS"),
    LiveSetting::new("PRICE_BAND_PERCENT"),
    LiveSetting::new("PRICE_MAX_SPREAD_PERCENT"),
    LiveSetting::new("PRICE_SOURCES"),
];

/// How prices are agreed. See the fields of the same names in [`Config`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PricingSettings {
    pub(crate) currencies: Arc<[Currency]>,
    /// The names of the sources, in the order of `PRICE_SOURCES`.
    pub(crate) sources: Vec<&'static str>,
    pub(crate) min_sources: Option<usize>,
    pub(crate) max_spread_percent: i128,
    pub(crate) band: BandConfig,
    pub(crate) stop_while_withheld: bool,
}

impl PricingSettings {
    pub(crate) fn of(config: &Config) -> Self {
        let Config { currencies, sources, min_sources, max_spread_percent, band, stop_while_withheld, .. } = config;
        Self {
            currencies: currencies.as_slice().into(),
            sources: sources.iter().map(|(source, _)| source.name).collect(),
            min_sources: *min_sources,
            max_spread_percent: *max_spread_percent,
            band: band.clone(),
            stop_while_withheld: *stop_while_withheld,
        }
    }

    /// How many sources must agree on a price. `exchanges` is the number of active exchanges. The default is 1 for fewer
    /// than three exchanges, and 2 otherwise.
    pub(crate) fn min_sources(&self, exchanges: usize) -> usize {
        self.min_sources.unwrap_or(if exchanges < 3 { 1 } else { 2 })
    }

    /// Minimum number of voting sources that must remain active when sources are selected. Exchanges and indices vote;
    /// banks do not.
    pub(crate) fn min_voters(&self) -> usize {
        self.min_sources.unwrap_or(1)
    }
}
