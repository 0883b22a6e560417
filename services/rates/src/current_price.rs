//! Agreed prices that may be used at a point in time. A course is the last price of one pair at one exchange. The API
//! calls a pair `direction`.

use std::{fmt::Write as _, time::Duration};

use common::{
    api::{
        courses::{AgreedPrice, CastVote},
        health::group_by_reason,
        prices::PriceState,
    },
    money::{Asset, CurrencyPair, Rate},
    time::{Timestamp, format_time},
};

use crate::snapshot::{MarketSnapshotView, SnapshotOrigin};

/// The prices of a snapshot that may be used at a point in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CurrentPrices<'a> {
    pub(crate) view: &'a MarketSnapshotView,
    pub(crate) now: Timestamp,
    /// Lifetime of a price without an expiry time, counted from its `as_of`. A newly agreed price has no expiry time. The
    /// last good price of bitcoin, which the snapshot contains while no newer price is accepted, has an expiry time.
    pub(crate) ttl: Duration,
}

/// A price that may be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CurrentPrice<'a> {
    pub(crate) agreed: &'a AgreedPrice,
    pub(crate) rate: Rate,
    pub(crate) as_of: Timestamp,
    pub(crate) state: PriceState,
    /// The first moment at which the price must not be used.
    pub(crate) expires_at: Timestamp,
}

/// Why a pair has no current price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriceError {
    /// Only stored courses are available. The database stores no agreed prices.
    #[error("no prices are available yet")]
    NotLoaded,
    /// The price sources know these assets, but report no course of them at the moment.
    #[error("there is no price of {} at the moment, because no price source reports one", join_assets(.0))]
    NotReported(Vec<Asset>),
    #[error("no exchange reports {0}")]
    UnknownPair(CurrencyPair),
    /// The snapshot contains only the inverse of the pair.
    #[error("no exchange reports {0}; its price is the inverse of the price of {1}")]
    InvertedPair(CurrencyPair, CurrencyPair),
    #[error(
        "no price is agreed for {0}; /api/v1/convert converts by way of other prices and official rates, and /api/v1/courses \
             lists the courses of the exchanges"
    )]
    NotAgreed(CurrencyPair),
    #[error("{pair} has no price: {reason}")]
    Refused { pair: CurrencyPair, reason: String },
    #[error(
        "the last price of {pair} is not current: it was observed at {}{}",
        format_time(*as_of),
        missing_rate(*without_official_rate)
    )]
    Expired {
        pair: CurrencyPair,
        as_of: Timestamp,
        /// The quote asset, if the price is a cross price and no official rate of the quote asset is available now.
        without_official_rate: Option<Asset>,
    },
}

impl PriceError {
    /// The error of a pair of which the snapshot has neither a price nor a course.
    pub(crate) fn of_unreported(pair: CurrencyPair, view: &MarketSnapshotView) -> Self {
        let MarketSnapshotView { snapshot, catalogue, .. } = view;
        let is_missing = |asset: &Asset| catalogue.contains_asset(*asset) && !snapshot.contains_asset(*asset);
        let missing: Vec<_> = [pair.base, pair.quote].into_iter().filter(is_missing).collect();
        let inverted = pair.inverted();
        if !missing.is_empty() {
            Self::NotReported(missing)
        } else if snapshot.contains(inverted) {
            Self::InvertedPair(pair, inverted)
        } else {
            Self::UnknownPair(pair)
        }
    }

    /// Whether the price is missing permanently, so that a retry is useless.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::UnknownPair(_) | Self::InvertedPair(..) | Self::NotAgreed(_) => true,
            Self::NotLoaded | Self::NotReported(_) | Self::Refused { .. } | Self::Expired { .. } => false,
        }
    }
}

impl<'a> CurrentPrices<'a> {
    pub(crate) fn price(&self, pair: CurrencyPair) -> Result<CurrentPrice<'a>, PriceError> {
        let view = self.view;
        let Some(agreed) = view.snapshot.price(pair) else {
            return Err(match view.origin {
                SnapshotOrigin::Database => PriceError::NotLoaded,
                SnapshotOrigin::PriceCache if view.snapshot.contains(pair) => PriceError::NotAgreed(pair),
                SnapshotOrigin::PriceCache => PriceError::of_unreported(pair, view),
            });
        };
        let (Some(rate), Some(as_of)) = (agreed.price, agreed.as_of) else {
            return Err(PriceError::Refused { pair, reason: describe_refusal(pair, agreed) });
        };
        // The time of a cross price is the time of its exchange-traded leg. Its official rate needs no check, because
        // price-updater uses no outdated official rate.
        let expires_at = agreed.expires_at.unwrap_or_else(|| as_of.plus(self.ttl));
        if self.now < expires_at && !as_of.is_beyond_skew(self.now) {
            Ok(CurrentPrice { agreed, rate, as_of, state: agreed.state.unwrap_or_default(), expires_at })
        } else {
            let lacks_official_rate = !agreed.legs.is_empty() && view.snapshot.official_rate(pair.quote).is_none();
            Err(PriceError::Expired { pair, as_of, without_official_rate: lacks_official_rate.then_some(pair.quote) })
        }
    }
}

/// The clause that names a missing official rate.
fn missing_rate(asset: Option<Asset>) -> String {
    asset.map(|asset| format!(", and no source reports an official rate of {asset} at the moment")).unwrap_or_default()
}

fn join_assets(assets: &[Asset]) -> String {
    assets.iter().map(Asset::as_str).collect::<Vec<_>>().join(" or ")
}

/// The reason of the refusal, followed by the sources with rejected votes, grouped by the reason of the rejection.
fn describe_refusal(pair: CurrencyPair, agreed: &AgreedPrice) -> String {
    let mut text = agreed.refused.clone().unwrap_or_else(|| "the sources agree on no price".to_owned());
    let rejected = agreed.votes.iter().filter_map(|vote| Some((name_of_vote(pair, vote), vote.rejected?)));
    for group in group_by_reason(rejected) {
        let code = serde_json::to_value(group.reason).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or("rejected");
        let _ = write!(text, "; {code}: {}", group.names());
    }
    text
}

/// The source of a vote, followed by the pair that the source reported if this pair is not `priced_pair`.
fn name_of_vote(priced_pair: CurrencyPair, CastVote { exchanger, pair, .. }: &CastVote) -> String {
    if *pair == priced_pair { exchanger.clone() } else { format!("{exchanger} ({pair})") }
}

#[cfg(test)]
mod tests;
