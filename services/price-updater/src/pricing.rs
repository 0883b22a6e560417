//! Decides on prices. Everything here is pure: no clock, no network, no storage.

mod agreement;
mod arithmetic;
mod cross_rates;
mod freeze_detector;
mod market;

pub(crate) use agreement::{Rules, Voice};
pub(crate) use freeze_detector::{Seen, Stillness};
pub(crate) use market::{Market, Past, Wanted};
