//! Agreed prices, and whether one may be shown as current.

use std::{fmt::Write as _, time::Duration};

use common::{
    api::courses::AgreedPrice,
    money::{CurrencyPair, Rate},
    time::Timestamp,
};

use crate::snapshot::{MarketSnapshotView, SnapshotOrigin};

/// A price that may be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CurrentPrice<'a> {
    pub(crate) agreed: &'a AgreedPrice,
    pub(crate) rate: Rate,
    pub(crate) as_of: Timestamp,
    /// From when on it must not be used.
    pub(crate) until: Timestamp,
}

/// Why there is no current price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriceError {
    #[error("there is no board yet")]
    NoSnapshot,
    #[error("nobody tells of {0}")]
    Unknown(CurrencyPair),
    #[error("no price is agreed for {0}; /api/v1/courses lists what single exchanges tell")]
    NotAgreed(CurrencyPair),
    #[error("there is no price of {0}: {1}")]
    Refused(CurrencyPair, String),
    #[error("the last price of {0} is of {1}, which is too long ago")]
    TooOld(CurrencyPair, Timestamp),
}

/// The price of a direction, where it may be used at `now`: agreed, and true no longer than `ttl` ago.
pub(crate) fn current_price(
    view: &MarketSnapshotView,
    direction: CurrencyPair,
    now: Timestamp,
    ttl: Duration,
) -> Result<CurrentPrice<'_>, PriceError> {
    let Some(agreed) = view.price(direction) else {
        return Err(match view.origin {
            SnapshotOrigin::Database => PriceError::NoSnapshot,
            SnapshotOrigin::PriceCacheClient if view.courses_of(direction).next().is_some() => {
                PriceError::NotAgreed(direction)
            }
            SnapshotOrigin::PriceCacheClient => PriceError::Unknown(direction),
        });
    };
    let (Some(rate), Some(as_of)) = (agreed.price, agreed.as_of) else {
        return Err(PriceError::Refused(direction, reason(agreed)));
    };
    // A cross price is as old as its live leg; price-updater takes no official rate that is out of date.
    let until = as_of.plus(ttl);
    if now < until {
        Ok(CurrentPrice { agreed, rate, as_of, until })
    } else {
        Err(PriceError::TooOld(direction, as_of))
    }
}

/// Why it was refused, and what became of each vote.
fn reason(agreed: &AgreedPrice) -> String {
    let mut text = agreed.refused.clone().unwrap_or_else(|| "none was agreed".to_owned());
    let rejected = agreed.votes.iter().filter_map(|vote| Some((vote, vote.rejected?)));
    for (n, (vote, rejection)) in rejected.enumerate() {
        let why = serde_json::to_value(rejection).ok();
        let why = why.as_ref().and_then(|why| why.as_str()).unwrap_or("rejected");
        let _ = write!(text, "{}{} ({}): {why}", if n == 0 { "; " } else { ", " }, vote.exchanger, vote.told);
    }
    text
}

#[cfg(test)]
mod tests;
