//! Amounts of fiat money.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use super::decimal::{NumberError, parse_without_exponent};

const DECIMALS: u32 = 4;
const UNIT: i64 = 10_i64.pow(DECIMALS);
/// Upper bound, exclusive: one billion currency units, in ten-thousandths.
const LIMIT: i64 = 1_000_000_000 * UNIT;

/// A fiat amount: above 0, below 1,000,000,000, at most 4 decimals. Stored in ten-thousandths of the currency unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiatAmount(i64);

/// Why a number is not a fiat amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error("must be greater than 0")]
    NotPositive,
    #[error("must be less than 1000000000")]
    TooLarge,
    #[error("must have at most {DECIMALS} decimals")]
    TooManyDecimals,
}

impl FiatAmount {
    pub fn from_ten_thousandths(ten_thousandths: i64) -> Result<Self, AmountError> {
        match ten_thousandths {
            ..=0 => Err(AmountError::NotPositive),
            LIMIT.. => Err(AmountError::TooLarge),
            _ => Ok(Self(ten_thousandths)),
        }
    }

    pub fn ten_thousandths(self) -> i64 {
        self.0
    }
}

impl TryFrom<Decimal> for FiatAmount {
    type Error = AmountError;

    fn try_from(number: Decimal) -> Result<Self, AmountError> {
        let number = number.normalize();
        if number.is_sign_negative() || number.is_zero() {
            return Err(AmountError::NotPositive);
        }
        if number >= Decimal::new(LIMIT, DECIMALS) {
            return Err(AmountError::TooLarge);
        }
        if number.scale() > DECIMALS {
            return Err(AmountError::TooManyDecimals);
        }
        let units = number.mantissa() * 10_i128.pow(DECIMALS - number.scale());
        i64::try_from(units).map_err(|_| AmountError::TooLarge).and_then(Self::from_ten_thousandths)
    }
}

impl FromStr for FiatAmount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        parse_without_exponent(text)?.try_into()
    }
}

impl fmt::Display for FiatAmount {
    /// Formats with at least two decimals. Further trailing zeros are omitted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::decimal::write_fixed(f, self.0, DECIMALS)
    }
}

crate::text_type!(FiatAmount, "decimal", "An amount of fiat money, at most 4 decimals.", "69.00", pattern: r"^(0\.[0-9]{1,4}|[1-9][0-9]{0,8}(\.[0-9]{1,4})?)$");

#[cfg(test)]
mod tests;
