//! Exchange rates.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use super::{
    decimal::{NumberError, parse_decimal, write_fixed},
    divide_half_even,
};

const DECIMALS: u32 = 8;
/// Upper bound, exclusive, in whole currency units. One bitcoin costs, for example, about 2e9 Vietnamese dong.
const LIMIT: i64 = 10_000_000_000;

/// The price of one unit of a base asset in a quote asset: above 0, at most 8 decimals. Stored in hundred-millionths of
/// a unit of the quote asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

/// Why a number is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error("must be greater than 0")]
    NotPositive,
    #[error("must be less than {LIMIT}")]
    TooLarge,
    #[error("must have at most {DECIMALS} decimals")]
    TooManyDecimals,
}

impl Rate {
    pub fn from_hundred_millionths(hundred_millionths: i64) -> Result<Self, RateError> {
        match hundred_millionths {
            ..=0 => Err(RateError::NotPositive),
            units if units / 10_i64.pow(DECIMALS) >= LIMIT => Err(RateError::TooLarge),
            units => Ok(Self(units)),
        }
    }

    pub fn hundred_millionths(self) -> i64 {
        self.0
    }

    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, DECIMALS)
    }

    /// How far `other` is from this rate, in millionths of this rate, rounded up.
    pub fn distance_millionths(self, other: Self) -> u128 {
        let [center, other] = [self, other].map(|rate| u128::from(rate.0.unsigned_abs()));
        (center.abs_diff(other) * 1_000_000).div_ceil(center)
    }

    /// Rounds a computed rate, such as a mean, half to even at the eighth decimal.
    pub fn rounded_half_even(number: Decimal) -> Result<Self, RateError> {
        let Some(excess_decimals) = number.scale().checked_sub(DECIMALS) else { return number.try_into() };
        let numerator = u128::try_from(number.mantissa()).map_err(|_| RateError::NotPositive)?;
        let units = divide_half_even(numerator, 10_u128.pow(excess_decimals)).ok_or(RateError::TooLarge)?;
        i64::try_from(units).map_err(|_| RateError::TooLarge).and_then(Self::from_hundred_millionths)
    }
}

impl TryFrom<Decimal> for Rate {
    type Error = RateError;

    fn try_from(number: Decimal) -> Result<Self, RateError> {
        let number = number.normalize();
        if number.is_sign_negative() || number.is_zero() {
            return Err(RateError::NotPositive);
        }
        if number >= Decimal::from(LIMIT) {
            return Err(RateError::TooLarge);
        }
        if number.scale() > DECIMALS {
            return Err(RateError::TooManyDecimals);
        }
        let units = number.mantissa() * 10_i128.pow(DECIMALS - number.scale());
        i64::try_from(units).map_err(|_| RateError::TooLarge).and_then(Self::from_hundred_millionths)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        parse_decimal(text)?.try_into()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, self.0, DECIMALS)
    }
}

crate::text_type!(Rate, "decimal", "The price of one unit of an asset, at most 8 decimals.", "84000.12", pattern: r"^(0\.[0-9]{1,8}|[1-9][0-9]{0,9}(\.[0-9]{1,8})?)$");

#[cfg(test)]
mod tests;
