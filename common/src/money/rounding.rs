//! Rounding half to even, the rule for all computed rates and amounts that are not rounded in a fixed direction.

use std::cmp::Ordering;

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
    // Compares the remainder with the rest of the unit, because twice the remainder may overflow.
    round_half_even(units, remainder.cmp(&(denominator - remainder)))
}

#[cfg(test)]
mod tests;
