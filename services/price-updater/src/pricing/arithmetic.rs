//! The little arithmetic that prices need, in whole numbers: a rate is below 2^60, so every product of two is exact.

use common::money::Rate;

fn units(rate: Rate) -> i128 {
    i128::from(rate.hundred_millionths())
}

/// The middle one of `sorted`; of an even number, the mean of the two in the middle, rounded half to even.
pub(crate) fn median(sorted: &[Rate]) -> Option<Rate> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    rate(divided(units(lower) + units(upper), 2))
}

/// `rate * times / by`, rounded half to even at the eighth decimal; nothing where that is no rate.
pub(crate) fn scaled(value: Rate, times: Rate, by: Rate) -> Option<Rate> {
    rate(divided(units(value).checked_mul(units(times))?, units(by)))
}

/// Whether the two are at most `thousandths` of `of` apart.
pub(crate) fn within(thousandths: i128, of: Rate, other: Rate) -> bool {
    (units(of) - units(other)).abs() * 1000 <= units(of) * thousandths
}

fn rate(units: i128) -> Option<Rate> {
    Rate::from_hundred_millionths(i64::try_from(units).ok()?).ok()
}

/// Of positive numbers, rounded half to even.
fn divided(number: i128, by: i128) -> i128 {
    let (whole, twice) = (number / by, number % by * 2);
    if twice > by || (twice == by && whole % 2 == 1) { whole + 1 } else { whole }
}

#[cfg(test)]
mod tests;
