//! Within which numbers the right one lies, whoever of those who told it lies.
//!
//! Of `n` sorted numbers of which at most `f` are lies, the one at place `f` (from 0) has `f + 1` numbers that are not above
//! it, one of them honest; and the one at place `n - 1 - f` has `f + 1` that are not below it, one of them honest. So
//!
//! * the honest ones begin at or below `sorted[f]`, and end at or above `sorted[n - 1 - f]`;
//! * where `n > 2f`, whatever lies from the first to the second is within what the honest ones said, and the median does;
//! * where `f < n <= 2f`, the two have changed places. A number between them is right only as far as they agree, so they
//!   have to agree narrowly, and what comes out is off by that at most;
//! * where `n <= f`, all may be lies, and nothing can be said.

use common::money::Rate;

use super::super::arithmetic::{median, scaled, within};

/// How far apart, in thousandths, numbers may be that stand for each other where liars may be as many as the honest ones.
/// Exchanges differ by less on an ordinary day.
pub(super) const NARROW: i128 = 5;
/// How far from one dollar, in thousandths, USDT is while its peg holds. On most days it is within one.
const PEG: i128 = 20;

/// From where to where the right number lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    low: Rate,
    high: Rate,
}

impl Bounds {
    /// Of sorted numbers of which at most `liars` are lies; nothing where that does not say enough.
    pub(super) fn of(sorted: &[Rate], liars: usize) -> Option<Self> {
        let begin = *sorted.get(liars)?;
        let end = *sorted.get(sorted.len().checked_sub(1)?.checked_sub(liars)?)?;
        let (low, high) = (begin.min(end), begin.max(end));
        (begin <= end || within(NARROW, low, high)).then_some(Self { low, high })
    }

    pub(super) fn clamp(self, rate: Rate) -> Rate {
        rate.clamp(self.low, self.high)
    }
}

/// What one USDT is in dollars, of sorted numbers that were told for it and of which at most `liars` are lies.
///
/// That USDT is about a dollar is known beforehand, so who tells otherwise is a liar, and the others have one less among
/// them: this is what finds exchanges all of whose numbers are wrong by the same factor. Where more tell otherwise than can
/// lie, the peg is lost, and only what they tell counts.
pub(super) fn dollars(sorted: &[Rate], liars: usize) -> Option<Rate> {
    let one = Rate::from_hundred_millionths(100_000_000).ok()?;
    let pegged: Vec<_> = sorted.iter().copied().filter(|&rate| within(PEG, one, rate)).collect();
    let (told, liars) = match liars.checked_sub(sorted.len() - pegged.len()) {
        Some(liars) => (&pegged[..], liars),
        None => (sorted, liars),
    };
    Some(Bounds::of(told, liars)?.clamp(median(told)?))
}

/// A price in USDT, in dollars.
pub(super) fn in_dollars(price: Rate, usdt: Rate) -> Option<Rate> {
    scaled(price, usdt, Rate::from_hundred_millionths(100_000_000).ok()?)
}

#[cfg(test)]
mod tests;
