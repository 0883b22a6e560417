//! Exact arithmetic on rates, in whole hundred-millionths.
//!
//! A rate is below 2^60 hundred-millionths, so the product of two rates fits into a `u128`.

use common::money::{Rate, divide_half_even};

/// A fraction that converts rates from one currency to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    pub(super) numerator: Rate,
    pub(super) denominator: Rate,
}

impl Ratio {
    /// `rate` times the fraction, rounded half to even at the eighth decimal. `None` if the result is not a valid rate.
    pub(super) fn convert(self, rate: Rate) -> Option<Rate> {
        let product = units(rate).checked_mul(units(self.numerator))?;
        to_rate(divide_half_even(product, units(self.denominator))?)
    }
}

/// The range of rates around a center.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) center: Rate,
    /// Maximum distance from `center`, in thousandths of `center`.
    pub(super) per_mille: i128,
}

impl Tolerance {
    pub(super) fn contains(self, rate: Rate) -> bool {
        let [center, rate] = [self.center, rate].map(|rate| i128::from(rate.hundred_millionths()));
        (center - rate).abs() * 1000 <= center * self.per_mille
    }
}

/// The rate 1.
pub(super) fn unit_rate() -> Rate {
    Rate::from_hundred_millionths(100_000_000).expect("1 is a valid rate")
}

/// The median of sorted rates. The median of an even number of rates is the mean of the middle two, rounded half to even.
/// `None` if there are no rates.
pub(super) fn median(sorted: &[Rate]) -> Option<Rate> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    to_rate(divide_half_even(units(lower) + units(upper), 2)?)
}

fn units(rate: Rate) -> u128 {
    u128::try_from(rate.hundred_millionths()).expect("a rate is above zero")
}

fn to_rate(units: u128) -> Option<Rate> {
    Rate::from_hundred_millionths(i64::try_from(units).ok()?).ok()
}

#[cfg(test)]
mod tests;
