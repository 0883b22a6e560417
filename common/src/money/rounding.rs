//! Rounding half to even, the rule for computed rates and amounts that are not rounded in a fixed direction.

use std::cmp::Ordering;

use rust_decimal::Decimal;

/// Number of significant digits of a rounded price. From 10,000 on, a price has more digits, to keep [`PRICE_DECIMALS`]
/// decimals.
const PRICE_DIGITS: u32 = 6;
/// Minimum number of decimals of a rounded price.
const PRICE_DECIMALS: u32 = 2;

/// Rounds a non-negative number to a whole number of units, half to even.
///
/// `units` is the number rounded down. `remainder` is the result of comparing the part that was cut off with half a unit.
/// Returns `None` if the result does not fit into a `u128`.
pub fn round_half_even(units: u128, remainder: Ordering) -> Option<u128> {
    let round_up = match remainder {
        Ordering::Less => false,
        Ordering::Equal => !units.is_multiple_of(2),
        Ordering::Greater => true,
    };
    units.checked_add(u128::from(round_up))
}

/// `numerator / denominator`, rounded half to even. Returns `None` if `denominator` is zero.
pub fn divide_half_even(numerator: u128, denominator: u128) -> Option<u128> {
    let (units, remainder) = (numerator.checked_div(denominator)?, numerator % denominator);
    // Comparing `2 * remainder` with `denominator` could overflow.
    round_half_even(units, remainder.cmp(&(denominator - remainder)))
}

/// The text of a price for people, rounded half to even to six significant digits, but to no fewer than two decimals. Zeros at the end
/// are omitted after the second decimal: `91370.18`, `1.0833`, `0.0000119047`. Programs receive the exact price.
pub fn rounded_price(price: Decimal) -> String {
    let price = price.normalize();
    let digits = price.mantissa().unsigned_abs();
    let length = digits.checked_ilog10().map_or(1, |exponent| exponent + 1);
    let decimals = (price.scale() + PRICE_DIGITS).saturating_sub(length).max(PRICE_DECIMALS);
    let excess = price.scale().saturating_sub(decimals);
    let units = divide_half_even(digits, 10_u128.pow(excess)).and_then(|units| i128::try_from(units).ok());
    let magnitude = units.map_or(price.abs(), |units| Decimal::from_i128_with_scale(units, price.scale() - excess));
    let mut rounded = magnitude.normalize();
    if rounded.scale() < PRICE_DECIMALS {
        rounded.rescale(PRICE_DECIMALS);
    }
    rounded.set_sign_negative(price.is_sign_negative());
    rounded.to_string()
}

#[cfg(test)]
mod tests;
