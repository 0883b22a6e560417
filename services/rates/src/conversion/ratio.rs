//! Exact conversion: one fraction of whole numbers, rounded once, at the end.

use std::cmp::Ordering;

use common::money::Rate;

/// Decimals of the amounts that are converted, and of rates.
pub(crate) const DECIMALS: u32 = 8;
const UNIT: u128 = 10_u128.pow(DECIMALS);

/// A positive fraction in lowest terms. Neither part reaches 2^120, which leaves room for a digit more in long division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ratio {
    numerator: u128,
    denominator: u128,
}

impl Ratio {
    pub(crate) const ONE: Self = Self { numerator: 1, denominator: 1 };
    const LIMIT: u128 = 1 << 120;

    /// Multiplies by a rate. Nothing where the product cannot be held; two rates always can.
    pub(crate) fn multiplied_by(self, rate: Rate) -> Option<Self> {
        self.scaled(units(rate), UNIT)
    }

    /// Divides by a rate.
    pub(crate) fn divided_by(self, rate: Rate) -> Option<Self> {
        self.scaled(UNIT, units(rate))
    }

    fn scaled(self, numerator: u128, denominator: u128) -> Option<Self> {
        let numerator = self.numerator.checked_mul(numerator)?;
        let denominator = self.denominator.checked_mul(denominator)?;
        let common = gcd(numerator, denominator);
        let ratio = Self { numerator: numerator / common, denominator: denominator / common };
        (ratio.numerator < Self::LIMIT && ratio.denominator < Self::LIMIT).then_some(ratio)
    }

    /// `amount` (in hundred-millionths) times the fraction, in units of the last of `decimals` decimals (8 at most), rounded
    /// half to even. Nothing where that is too large.
    pub(crate) fn scale_rounded_half_even(self, amount: u128, decimals: u32) -> Option<u128> {
        let (product_low, product_high) = amount.carrying_mul(self.numerator, 0);
        let (exact, rest) = divide(product_high, product_low, self.denominator)?;
        let unit = 10_u128.pow(DECIMALS.checked_sub(decimals)?);
        let (units, below) = (exact / unit, exact % unit);
        // What lies between two of the allowed values: hundred-millionths, and a rest smaller than one.
        let half = if unit == 1 {
            (rest * 2).cmp(&self.denominator)
        } else {
            (below * 2).cmp(&unit).then(if rest > 0 { Ordering::Greater } else { Ordering::Equal })
        };
        rounded_half_even(units, half)
    }

    /// The fraction itself as text with at most `decimals` decimals (18 at most), rounded half to even, and at least two.
    pub(crate) fn text_rounded_half_even(self, decimals: u32) -> String {
        let mut digits = self.numerator / self.denominator;
        let mut rest = self.numerator % self.denominator;
        for _ in 0..decimals {
            rest *= 10;
            digits = digits.saturating_mul(10).saturating_add(rest / self.denominator);
            rest %= self.denominator;
        }
        let digits = rounded_half_even(digits, (rest * 2).cmp(&self.denominator)).unwrap_or(digits);
        let text = format_fixed_point(digits, decimals);
        let whole = text.find('.').map_or(text.len(), |point| point + 3);
        let kept = text.trim_end_matches('0').len().max(whole.min(text.len()));
        text[..kept].to_owned()
    }
}

fn units(rate: Rate) -> u128 {
    u128::try_from(rate.hundred_millionths()).expect("a rate is above zero")
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `half` says how what was cut off compares with half a unit.
fn rounded_half_even(units: u128, half: Ordering) -> Option<u128> {
    let up = match half {
        Ordering::Less => false,
        Ordering::Equal => !units.is_multiple_of(2),
        Ordering::Greater => true,
    };
    units.checked_add(u128::from(up))
}

/// Divides a number of 256 bits by one of less than 127, bit by bit: quotient and rest. Nothing where the quotient is too
/// large.
fn divide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if high >= divisor {
        return None;
    }
    let (mut quotient, mut rest) = (0_u128, high);
    for bit in (0..u128::BITS).rev() {
        rest = rest << 1 | low >> bit & 1;
        quotient <<= 1;
        if rest >= divisor {
            rest -= divisor;
            quotient |= 1;
        }
    }
    Some((quotient, rest))
}

/// A fixed-point number as text, with all its decimals.
pub(crate) fn format_fixed_point(units: u128, decimals: u32) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let unit = 10_u128.pow(decimals);
    format!("{}.{:0width$}", units / unit, units % unit, width = decimals as usize)
}

#[cfg(test)]
mod tests;
