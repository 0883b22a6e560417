//! Decides on prices. Everything here is pure: no clock, no network, no storage.

mod agreement;
mod arithmetic;
mod cross_rates;
mod freeze_detector;
mod market;

pub(crate) use agreement::{AgreementRules, Vote};
pub(crate) use freeze_detector::{FreezeDetector, Numbers, Observation, Series};
pub(crate) use market::{MarketPrices, PriceHistory, PricingConfig};
