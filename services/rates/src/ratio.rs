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
    pub(crate) fn times(self, rate: Rate) -> Option<Self> {
        self.scaled(units(rate), UNIT)
    }

    /// Divides by a rate.
    pub(crate) fn over(self, rate: Rate) -> Option<Self> {
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
    pub(crate) fn of_rounded_half_even(self, amount: u128, decimals: u32) -> Option<u128> {
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
        let text = fixed(digits, decimals);
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
pub(crate) fn fixed(units: u128, decimals: u32) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let unit = 10_u128.pow(decimals);
    format!("{}.{:0width$}", units / unit, units % unit, width = decimals as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(units: i64) -> Rate {
        Rate::from_hundred_millionths(units).unwrap()
    }

    fn any_rate() -> impl Strategy<Value = Rate> {
        prop_oneof![1..1_000_000_000_000_000_000_i64, 1..1_000_000_i64, Just(100_000_000)].prop_map(rate)
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let half = Ratio::ONE.times(rate(50_000_000)).unwrap();
        for (amount, decimals, result) in [(1, 8, 0), (3, 8, 2), (5, 8, 2), (1_000_000, 2, 0), (3_000_000, 2, 2)] {
            assert_eq!(half.of_rounded_half_even(amount, decimals), Some(result), "{amount}");
        }
        // A rest too small for the eighth decimal still breaks the tie.
        let third = Ratio::ONE.over(rate(300_000_000)).unwrap();
        assert_eq!(third.of_rounded_half_even(1_500_001, 2), Some(1));
        assert_eq!(third.of_rounded_half_even(1_500_000, 2), Some(0));
        assert_eq!(third.of_rounded_half_even(4_500_000, 2), Some(2));
    }

    #[test]
    fn fractions_are_shown_with_as_many_decimals_as_they_need() {
        let text = |ratio: Option<Ratio>| ratio.unwrap().text_rounded_half_even(16);
        assert_eq!(text(Ratio::ONE.times(rate(8_400_012_000_000))), "84000.12");
        assert_eq!(text(Ratio::ONE.times(rate(100_000_000))), "1.00");
        assert_eq!(text(Ratio::ONE.over(rate(8_400_000_000_000))), "0.0000119047619048");
        assert_eq!(text(Ratio::ONE.over(rate(1))), "100000000.00");
        assert_eq!(fixed(5, 2), "0.05");
        assert_eq!(fixed(12_345, 0), "12345");
    }

    proptest! {
        /// What is told is nearer to the truth than any other value with the same decimals.
        #[test]
        fn the_result_is_the_nearest(amount in 1..1_000_000_000_u128, a in 1..1_000_000_000_000_i64,
                                     b in 1..1_000_000_000_000_i64, decimals in 0..=8_u32) {
            let ratio = Ratio::ONE.times(rate(a)).unwrap().over(rate(b)).unwrap();
            let units = ratio.of_rounded_half_even(amount, decimals).unwrap();
            // |units / 10^decimals - amount / 10^8 * a / b| <= half a unit, in whole numbers.
            let (a, b) = (u128::try_from(a).unwrap(), u128::try_from(b).unwrap());
            let scale = 10_u128.pow(8 - decimals);
            let off = (units * scale * b).abs_diff(amount * a);
            prop_assert!(off * 2 <= scale * b);
        }

        #[test]
        fn dividing_undoes_multiplying(amount in 0..1_000_000_000_000_000_000_u128, rate in any_rate(), other in any_rate()) {
            let there = Ratio::ONE.times(rate).unwrap();
            prop_assert_eq!(there.over(rate).unwrap(), Ratio::ONE);
            prop_assert_eq!(there.over(rate).unwrap().of_rounded_half_even(amount, 8), Some(amount));
            // Every pair of rates can be held, both ways.
            prop_assert!(there.times(other).is_some() && there.over(other).is_some());
            let inverse = Ratio::ONE.over(rate).unwrap();
            prop_assert!(inverse.times(other).is_some() && inverse.over(other).is_some());
        }

        #[test]
        fn long_division_is_division(high in 0..1_u128 << 60, low in any::<u128>(), divisor in 1_u128 << 60..1 << 120) {
            let (quotient, rest) = divide(high, low, divisor).unwrap();
            prop_assert!(rest < divisor);
            let (product, carry) = quotient.carrying_mul(divisor, rest);
            prop_assert_eq!((carry, product), (high, low));
        }
    }
}
