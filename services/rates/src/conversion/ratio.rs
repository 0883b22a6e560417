//! Exact fractions for conversions. A result is rounded once, at the end.

use std::cmp::Ordering;

use common::money::{Rate, round_half_even};

/// Decimals of the amount to convert and of prices.
pub(super) const AMOUNT_DECIMALS: u32 = 8;
const UNIT: u128 = 10_u128.pow(AMOUNT_DECIMALS);

/// A positive fraction in lowest terms. The numerator and the denominator are below 2^120, which leaves room for one
/// more decimal digit in long division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio {
    numerator: u128,
    denominator: u128,
}

impl Ratio {
    pub(super) const ONE: Self = Self { numerator: 1, denominator: 1 };
    const LIMIT: u128 = 1 << 120;

    /// Returns `None` if the product is out of range. The product of two rates is always in range.
    pub(super) fn multiplied_by(self, rate: Rate) -> Option<Self> {
        self.multiplied_by_fraction(hundred_millionths(rate), UNIT)
    }

    /// Returns `None` if the quotient is out of range.
    pub(super) fn divided_by(self, rate: Rate) -> Option<Self> {
        self.multiplied_by_fraction(UNIT, hundred_millionths(rate))
    }

    fn multiplied_by_fraction(self, numerator: u128, denominator: u128) -> Option<Self> {
        let numerator = self.numerator.checked_mul(numerator)?;
        let denominator = self.denominator.checked_mul(denominator)?;
        let divisor = gcd(numerator, denominator);
        let ratio = Self { numerator: numerator / divisor, denominator: denominator / divisor };
        (ratio.numerator < Self::LIMIT && ratio.denominator < Self::LIMIT).then_some(ratio)
    }

    /// Multiplies `amount`, in hundred-millionths, by the fraction. The result has `decimals` decimals (8 at most), and
    /// is a number of units of the last decimal. It is rounded half to even. Returns `None` if the result is out of
    /// range.
    pub(super) fn scale_rounded_half_even(self, amount: u128, decimals: u32) -> Option<u128> {
        let (product_low, product_high) = amount.carrying_mul(self.numerator, 0);
        let (exact, remainder) = divide(product_high, product_low, self.denominator)?;
        let unit = 10_u128.pow(AMOUNT_DECIMALS.checked_sub(decimals)?);
        let (units, fraction) = (exact / unit, exact % unit);
        // The discarded part is `fraction` hundred-millionths plus the remainder, which is less than one
        // hundred-millionth.
        let to_half = if unit == 1 {
            (remainder * 2).cmp(&self.denominator)
        } else {
            (fraction * 2).cmp(&unit).then(if remainder > 0 { Ordering::Greater } else { Ordering::Equal })
        };
        round_half_even(units, to_half)
    }

    /// Formats the fraction with at least two and at most `decimals` decimals (18 at most), rounded half to even.
    pub(super) fn text_rounded_half_even(self, decimals: u32) -> String {
        let mut digits = self.numerator / self.denominator;
        let mut remainder = self.numerator % self.denominator;
        for _ in 0..decimals {
            remainder *= 10;
            digits = digits.saturating_mul(10).saturating_add(remainder / self.denominator);
            remainder %= self.denominator;
        }
        let digits = round_half_even(digits, (remainder * 2).cmp(&self.denominator)).unwrap_or(digits);
        let text = format_fixed_point(digits, decimals);
        let min_len = text.find('.').map_or(text.len(), |point| point + 3).min(text.len());
        let len = text.trim_end_matches('0').len().max(min_len);
        text[..len].to_owned()
    }
}

fn hundred_millionths(rate: Rate) -> u128 {
    u128::try_from(rate.hundred_millionths()).expect("a rate is greater than zero")
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Divides the 256-bit number `high * 2^128 + low` by a divisor of less than 2^127, bit by bit. Returns the quotient
/// and the remainder, or `None` if the quotient needs more than 128 bits.
fn divide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if high >= divisor {
        return None;
    }
    let (mut quotient, mut remainder) = (0_u128, high);
    for bit in (0..u128::BITS).rev() {
        remainder = remainder << 1 | low >> bit & 1;
        quotient <<= 1;
        if remainder >= divisor {
            remainder -= divisor;
            quotient |= 1;
        }
    }
    Some((quotient, remainder))
}

/// Formats a fixed-point number with all its decimals.
pub(super) fn format_fixed_point(units: u128, decimals: u32) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let unit = 10_u128.pow(decimals);
    format!("{}.{:0width$}", units / unit, units % unit, width = decimals as usize)
}

#[cfg(test)]
mod tests;
