//! Bounds of the right price, whichever minority of the sources is faulty.
//!
//! Take `n` sorted rates of which at most `f` are faulty. At least `f + 1` rates are not above the rate at index `f`, and one
//! of these is right. At least `f + 1` rates are not below the rate at index `n - 1 - f`, and one of these is right.
//! Therefore:
//!
//! * The lowest right rate is at or below `sorted[f]`. The highest right rate is at or above `sorted[n - 1 - f]`.
//! * If `n > 2f`, everything from `sorted[f]` to `sorted[n - 1 - f]` lies within the range of the right rates, and so does
//!   the median.
//! * If `f < n <= 2f`, `sorted[f]` is the upper bound and `sorted[n - 1 - f]` the lower one. A rate between them can be
//!   wrong by their distance. So there are bounds only if the two are close.
//! * If `n <= f`, all rates may be faulty, and there are no bounds.

use common::money::Rate;

use crate::pricing::arithmetic::{Ratio, Tolerance, median, one};

/// The largest distance of the bounds if as many rates may be faulty as are right, in thousandths. The prices of exchanges
/// differ by less on an ordinary day.
pub(super) const MAX_UNCERTAINTY: i128 = 5;
/// How far the price of USDT may be from one dollar while its peg holds, in thousandths. On most days it is within one.
const PEG_TOLERANCE: i128 = 20;

/// The range of the right price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    low: Rate,
    high: Rate,
}

impl Bounds {
    /// The bounds from sorted rates of which at most `max_faulty` are faulty. `None` if the rates are too few or too far
    /// apart to tell.
    pub(super) fn of(sorted: &[Rate], max_faulty: usize) -> Option<Self> {
        let first = *sorted.get(max_faulty)?;
        let second = *sorted.get(sorted.len().checked_sub(1)?.checked_sub(max_faulty)?)?;
        let (low, high) = (first.min(second), first.max(second));
        let close = Tolerance { center: low, per_mille: MAX_UNCERTAINTY }.contains(high);
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
    /// The rate from sorted rates of which at most `max_faulty` are faulty. `None` if that is too uncertain.
    ///
    /// USDT is pegged to the dollar. So a source whose rate is far from one is faulty, and one faulty rate less remains among
    /// the others. This finds an exchange all of whose numbers are wrong by the same factor. If more rates are far from one
    /// than can be faulty, the peg is lost, and no rate is left out.
    pub(super) fn of(sorted: &[Rate], max_faulty: usize) -> Option<Self> {
        let peg = Tolerance { center: one(), per_mille: PEG_TOLERANCE };
        let pegged: Vec<_> = sorted.iter().copied().filter(|&rate| peg.contains(rate)).collect();
        let (rates, max_faulty) = match max_faulty.checked_sub(sorted.len() - pegged.len()) {
            Some(remaining) => (&pegged[..], remaining),
            None => (sorted, max_faulty),
        };
        Some(Self(Bounds::of(rates, max_faulty)?.clamp(median(rates)?)))
    }

    /// Converts a price in USDT to dollars.
    pub(super) fn to_dollars(self, price: Rate) -> Option<Rate> {
        Ratio { numerator: self.0, denominator: one() }.convert(price)
    }
}

#[cfg(test)]
mod tests;
