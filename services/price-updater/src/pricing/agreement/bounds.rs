//! Bounds of the correct price if a minority of the sources is faulty.
//!
//! Take `n` sorted rates of which at most `f` are faulty. At least `f + 1` rates are not above the rate at index `f`, so at
//! least one of them is correct. At least `f + 1` rates are not below the rate at index `n - 1 - f`, so at least one of
//! them is correct. Therefore:
//!
//! * The lowest correct rate is at or below `sorted[f]`. The highest correct rate is at or above `sorted[n - 1 - f]`.
//! * If `n > 2f`, everything from `sorted[f]` to `sorted[n - 1 - f]` lies within the range of the correct rates, and so does
//!   the median.
//! * If `f < n <= 2f`, `sorted[f]` is the upper bound and `sorted[n - 1 - f]` the lower bound. A rate between the bounds can
//!   be wrong by their distance. So there are bounds only if the two rates are close.
//! * If `n <= f`, all rates may be faulty, and there are no bounds.

use common::money::Rate;

use crate::pricing::arithmetic::{Ratio, Tolerance, median, unit_rate};

/// Maximum distance between the bounds if at least half of the rates may be faulty, in thousandths of the lower bound.
/// On an ordinary day the prices of exchanges differ by less.
pub(super) const MAX_UNCERTAINTY_PER_MILLE: i128 = 5;
/// How far the price of USDT may be from one dollar while its peg holds. On most days the difference is below one
/// thousandth.
const PEG_TOLERANCE_PER_MILLE: i128 = 20;

/// The range of the correct price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    low: Rate,
    high: Rate,
}

impl Bounds {
    /// Computes the bounds from sorted rates of which at most `max_faulty` are faulty. `None` if there are too few rates,
    /// or if they are too far apart.
    pub(super) fn from_sorted(sorted: &[Rate], max_faulty: usize) -> Option<Self> {
        let first = *sorted.get(max_faulty)?;
        let second = *sorted.get(sorted.len().checked_sub(1)?.checked_sub(max_faulty)?)?;
        let (low, high) = (first.min(second), first.max(second));
        let close = Tolerance { center: low, per_mille: MAX_UNCERTAINTY_PER_MILLE }.contains(high);
        (first <= second || close).then_some(Self { low, high })
    }

    pub(super) fn clamp(self, rate: Rate) -> Rate {
        rate.clamp(self.low, self.high)
    }
}

/// The price of one USDT in dollars.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsdtRate(Rate);

impl UsdtRate {
    /// Computes the rate from sorted rates of which at most `max_faulty` are faulty. `None` if the rate is too uncertain.
    ///
    /// USDT is pegged to the dollar, so a rate far from 1 is faulty. Such a rate is ignored, and the number of possibly
    /// faulty rates decreases by one. This detects an exchange that falsifies all of its numbers by the same factor. If more
    /// rates are far from 1 than can be faulty, USDT has lost its peg, and no rate is ignored.
    pub(super) fn from_sorted(sorted: &[Rate], max_faulty: usize) -> Option<Self> {
        let peg = Tolerance { center: unit_rate(), per_mille: PEG_TOLERANCE_PER_MILLE };
        let pegged: Vec<_> = sorted.iter().copied().filter(|&rate| peg.contains(rate)).collect();
        let (rates, max_faulty) = match max_faulty.checked_sub(sorted.len() - pegged.len()) {
            Some(remaining) => (&pegged[..], remaining),
            None => (sorted, max_faulty),
        };
        Some(Self(Bounds::from_sorted(rates, max_faulty)?.clamp(median(rates)?)))
    }

    /// Converts a price in USDT to dollars.
    pub(super) fn to_dollars(self, price: Rate) -> Option<Rate> {
        Ratio { numerator: self.0, denominator: unit_rate() }.convert(price)
    }
}

#[cfg(test)]
mod tests;
