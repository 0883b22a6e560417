//! How far the sources of a price are apart. A conversion compares possible paths by their known errors.

use std::ops::Add;

use common::{
    api::courses::{AgreedPrice, Method, OfficialRate},
    money::DecimalText,
};

use super::ratio::format_fixed_point;
use crate::snapshot::SortedSnapshot;

/// The assumed error of an agreed price whose error is not known: the default maximum distance between the price and a
/// used vote.
const UNKNOWN_PRICE_ERROR: KnownError = KnownError { millionths: 50_000, is_known: false };
/// The assumed error of an official rate that only one bank publishes: the maximum distance between rates of banks that
/// agree.
const UNKNOWN_OFFICIAL_ERROR: KnownError = KnownError { millionths: 20_000, is_known: false };
/// The number of decimals of a percentage that is computed from millionths.
const PERCENT_DECIMALS: u32 = 4;

/// The relative error of a price or of a product of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownError {
    /// In millionths of the price. An assumption if the error is not known.
    pub(super) millionths: u128,
    is_known: bool,
}

impl KnownError {
    pub(super) const ZERO: Self = Self { millionths: 0, is_known: true };

    /// The largest distance between the price and a used vote, the bid or the ask. A single vote does not count,
    /// because there is no other vote to compare with. The error is assumed if there is only one vote, no bid and no
    /// ask. The error of a computed price is the sum of the errors of its legs.
    pub(super) fn of_price(snapshot: &SortedSnapshot, price: &AgreedPrice) -> Self {
        let voted = snapshot.voted(price).and_then(Self::of_votes).unwrap_or(UNKNOWN_PRICE_ERROR);
        match price.method {
            Method::Median => voted,
            Method::Cross => {
                let official = snapshot.official_rate(price.direction.quote);
                voted + official.map_or(UNKNOWN_OFFICIAL_ERROR, Self::of_official)
            }
        }
    }

    fn of_votes(price: &AgreedPrice) -> Option<Self> {
        let rate = price.price?;
        let has_several_votes = price.votes.iter().filter(|vote| vote.used).count() > 1;
        let extremes = [price.low, price.high].into_iter().filter(|_| has_several_votes);
        let distances = extremes.chain([price.bid, price.ask]).flatten().map(|other| rate.distance_millionths(other));
        distances.max().map(|millionths| Self { millionths, is_known: true })
    }

    /// The largest distance between this rate and the rate of another bank that confirms it. The error is assumed if no
    /// other bank publishes the rate.
    pub(super) fn of_official(rate: &OfficialRate) -> Self {
        rate.spread_millionths
            .map_or(UNKNOWN_OFFICIAL_ERROR, |spread| Self { millionths: spread.into(), is_known: true })
    }

    pub(super) fn larger(self, other: Self) -> Self {
        let millionths = self.millionths.max(other.millionths);
        Self { millionths, is_known: self.is_known && other.is_known }
    }

    pub(super) fn percent(self) -> Option<DecimalText> {
        self.is_known.then(|| format_fixed_point(self.millionths, PERCENT_DECIMALS).into())
    }
}

impl Add for KnownError {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let millionths = self.millionths.saturating_add(other.millionths);
        Self { millionths, is_known: self.is_known && other.is_known }
    }
}
