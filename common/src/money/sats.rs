//! Amounts of bitcoin.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use super::{
    AmountError, FiatAmount, Rate,
    decimal::{NumberError, parse_without_exponent},
};

const DECIMALS: u32 = 8;
const PER_BITCOIN: i64 = 10_i64.pow(DECIMALS);
/// The supply of bitcoin is limited to 21 million.
const MAX: i64 = 21_000_000 * PER_BITCOIN;

/// An amount of bitcoin, zero or more. Stored in satoshi (hundred-millionths of a bitcoin).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sats(i64);

/// Why a number is not an amount of bitcoin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SatsError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error("must not be negative")]
    Negative,
    #[error("must be at most 21000000, the supply of bitcoin")]
    TooLarge,
    #[error("must have at most {DECIMALS} decimals")]
    TooManyDecimals,
}

impl Sats {
    pub const ZERO: Self = Self(0);

    pub fn new(satoshi: i64) -> Result<Self, SatsError> {
        match satoshi {
            ..=-1 => Err(SatsError::Negative),
            0..=MAX => Ok(Self(satoshi)),
            _ => Err(SatsError::TooLarge),
        }
    }

    pub fn get(self) -> i64 {
        self.0
    }

    pub fn checked_add(self, other: Self) -> Result<Self, SatsError> {
        // The sum of two amounts of at most 21 million bitcoin fits into an i64.
        Self::new(self.0 + other.0)
    }

    /// `self - other`, or zero if `other` is greater.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// The bitcoin that `amount` buys at `rate`: `amount / rate`, rounded up to the next satoshi.
    pub fn bought_rounded_up(amount: FiatAmount, rate: Rate) -> Result<Self, SatsError> {
        // amount / 1e4 / (rate / 1e8) bitcoin = amount * 1e12 / rate satoshi; the product is below 1e25.
        let numerator = i128::from(amount.ten_thousandths()) * 10_i128.pow(12);
        let rate = i128::from(rate.hundred_millionths());
        let rounded_up = (numerator + rate - 1) / rate;
        i64::try_from(rounded_up).map_err(|_| SatsError::TooLarge).and_then(Self::new)
    }

    /// The cost of this amount at `rate`: `self * rate`, rounded up to the next ten-thousandth of the currency unit.
    pub fn cost_rounded_up(self, rate: Rate) -> Result<FiatAmount, AmountError> {
        // satoshi / 1e8 * (rate / 1e8) units = satoshi * rate / 1e12 ten-thousandths; the product is below 1e34.
        let numerator = i128::from(self.0) * i128::from(rate.hundred_millionths());
        let rounded_up = (numerator + 10_i128.pow(12) - 1) / 10_i128.pow(12);
        i64::try_from(rounded_up).map_err(|_| AmountError::TooLarge).and_then(FiatAmount::from_ten_thousandths)
    }
}

impl TryFrom<Decimal> for Sats {
    type Error = SatsError;

    /// Converts a number of bitcoin.
    fn try_from(bitcoin: Decimal) -> Result<Self, SatsError> {
        let bitcoin = bitcoin.normalize();
        if bitcoin.is_sign_negative() && !bitcoin.is_zero() {
            return Err(SatsError::Negative);
        }
        if bitcoin.scale() > DECIMALS {
            return Err(SatsError::TooManyDecimals);
        }
        let satoshi = bitcoin.mantissa().checked_mul(10_i128.pow(DECIMALS - bitcoin.scale()));
        satoshi.and_then(|s| i64::try_from(s).ok()).ok_or(SatsError::TooLarge).and_then(Self::new)
    }
}

impl FromStr for Sats {
    type Err = SatsError;

    /// Parses an amount in bitcoin, not satoshi: `"0.5"` is 50,000,000 satoshi.
    fn from_str(text: &str) -> Result<Self, SatsError> {
        parse_without_exponent(text)?.try_into()
    }
}

impl fmt::Display for Sats {
    /// Formats the amount in bitcoin, always with 8 decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:08}", self.0 / PER_BITCOIN, self.0 % PER_BITCOIN)
    }
}

crate::text_type!(Sats, "decimal", "An amount of bitcoin, always 8 decimals.", "0.00082143", pattern: r"^(0|[1-9][0-9]{0,6}|1[0-9]{7}|20[0-9]{6}|21000000)(\.[0-9]{1,8})?$");

#[cfg(test)]
mod tests;
