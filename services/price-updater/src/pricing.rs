//! Computes prices from the votes of sources. The code is pure: it uses no clock, no network and no storage.

mod agreement;
mod arithmetic;
mod band_guard;
mod cross_rates;
mod freeze_detector;
mod market;

pub(crate) use agreement::{AgreementRules, Vote};
pub(crate) use band_guard::{BandConfig, BandGuard, GuardChange, GuardEvent, GuardPoll, percent_change};
pub(crate) use freeze_detector::{Freeze, FreezeDetector, Numbers, Observation, Series};
pub(crate) use market::{
    GoodPrice, MarketPrices, PriceHistory, PriceInUse, PriceOutcome, PricingConfig, is_used_by_orders,
};
