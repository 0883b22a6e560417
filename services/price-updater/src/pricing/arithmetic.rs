//! The little arithmetic that prices need, in whole numbers: a rate is below 2^60, so every product of two is exact.

use common::money::{Rate, divide_half_even};

fn units(rate: Rate) -> u128 {
    u128::try_from(rate.hundred_millionths()).expect("a rate is above zero")
}

/// The middle one of `sorted`; of an even number, the mean of the two in the middle, rounded half to even.
pub(crate) fn median(sorted: &[Rate]) -> Option<Rate> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    rate(divide_half_even(units(lower) + units(upper), 2)?)
}

/// `rate * times / by`, rounded half to even at the eighth decimal; nothing where that is no rate.
pub(crate) fn scaled(value: Rate, times: Rate, by: Rate) -> Option<Rate> {
    rate(divide_half_even(units(value).checked_mul(units(times))?, units(by))?)
}

/// Whether the two are at most `thousandths` of `of` apart.
pub(crate) fn within(thousandths: i128, of: Rate, other: Rate) -> bool {
    let (of, other) = (i128::from(of.hundred_millionths()), i128::from(other.hundred_millionths()));
    (of - other).abs() * 1000 <= of * thousandths
}

fn rate(units: u128) -> Option<Rate> {
    Rate::from_hundred_millionths(i64::try_from(units).ok()?).ok()
}

#[cfg(test)]
mod tests;
