//! Amounts of money in wallets. The number of decimals depends on the currency: 8 for bitcoin, and 4 for every other currency.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;

use super::{
    Currency,
    decimal::{NumberError, parse_without_exponent, write_fixed},
};

/// The decimals of an amount whose currency is not known yet: the maximum of all currencies.
const MAX_DECIMALS: u32 = 8;
/// Upper bound of the amount of an operation, exclusive: one billion units of the currency, in hundred-millionths.
const AMOUNT_LIMIT: i64 = 1_000_000_000 * 10_i64.pow(MAX_DECIMALS);
/// The highest balance: 18 digits in the smallest unit of the currency.
const MAX_UNITS: i64 = 10_i64.pow(18) - 1;
/// Minimum number of decimals in the text of a fiat amount. The text of an amount of bitcoin always has 8 decimals.
const MIN_FIAT_DECIMALS: usize = 2;

/// The amount of an operation before the currency of its wallet is known: above 0, below 1,000,000,000, at most 8 decimals. Stored
/// in hundred-millionths of a unit of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationAmount(i64);

/// Why a text is not the amount of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperationAmountError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error("must be greater than 0")]
    NotPositive,
    #[error("must be less than 1000000000")]
    TooLarge,
    #[error("must have at most {0} decimals")]
    TooManyDecimals(u32),
}

impl OperationAmount {
    /// The amount in the smallest units of the currency. Fails if the amount has more decimals than the currency.
    pub fn units_of(self, currency: Currency) -> Result<i64, OperationAmountError> {
        let decimals = currency.decimals();
        let unit = 10_i64.pow(MAX_DECIMALS - decimals);
        if self.0 % unit == 0 { Ok(self.0 / unit) } else { Err(OperationAmountError::TooManyDecimals(decimals)) }
    }
}

impl FromStr for OperationAmount {
    type Err = OperationAmountError;

    fn from_str(text: &str) -> Result<Self, OperationAmountError> {
        parse_without_exponent(text)?.try_into()
    }
}

impl TryFrom<Decimal> for OperationAmount {
    type Error = OperationAmountError;

    fn try_from(number: Decimal) -> Result<Self, OperationAmountError> {
        let number = number.normalize();
        if number.is_sign_negative() || number.is_zero() {
            return Err(OperationAmountError::NotPositive);
        }
        if number.scale() > MAX_DECIMALS {
            return Err(OperationAmountError::TooManyDecimals(MAX_DECIMALS));
        }
        let units = number.mantissa().checked_mul(10_i128.pow(MAX_DECIMALS - number.scale()));
        let units = units.and_then(|units| i64::try_from(units).ok()).filter(|units| *units < AMOUNT_LIMIT);
        units.map(Self).ok_or(OperationAmountError::TooLarge)
    }
}

impl fmt::Display for OperationAmount {
    /// Formats with at least two decimals. Further trailing zeros are omitted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_fixed(f, self.0, MAX_DECIMALS)
    }
}

crate::text_type!(
    OperationAmount,
    "decimal",
    "An amount of money: greater than 0, less than 1000000000, at most 4 decimals, or 8 for bitcoin.",
    "1000.00",
    pattern: r"^(0\.[0-9]{1,8}|[1-9][0-9]{0,8}(\.[0-9]{1,8})?)$"
);

/// An amount of money in a wallet, such as a balance: zero or more, at most 18 digits. Stored in the smallest unit of its currency.
///
/// The text of an amount of bitcoin has 8 decimals. The text of a fiat amount has 2 to 4 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    units: i64,
    decimals: u32,
}

/// Why a number or a text is not an amount of money in a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("must not be negative")]
    Negative,
    #[error("must have at most 18 digits")]
    TooLarge,
    #[error("must be a decimal number with 2 to 4 decimals, or 8 for bitcoin")]
    Syntax,
}

impl Money {
    pub const MAX_UNITS: i64 = MAX_UNITS;

    pub fn new(currency: Currency, units: i64) -> Result<Self, MoneyError> {
        Self::of_units(units, currency.decimals())
    }

    /// The amount in the smallest unit of the currency.
    pub fn units(self) -> i64 {
        self.units
    }

    fn of_units(units: i64, decimals: u32) -> Result<Self, MoneyError> {
        match units {
            ..=-1 => Err(MoneyError::Negative),
            0..=MAX_UNITS => Ok(Self { units, decimals }),
            _ => Err(MoneyError::TooLarge),
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Parses the text that `Display` writes, and no other text.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once('.').ok_or(MoneyError::Syntax)?;
        if !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::Syntax);
        }
        let decimals = match fraction.len() {
            8 => MAX_DECIMALS,
            2..=4 => Currency::FIAT_DECIMALS,
            _ => return Err(MoneyError::Syntax),
        };
        let padded = format!("{whole}{fraction:0<width$}", width = decimals as usize);
        let units = padded.parse().map_err(|_| MoneyError::TooLarge)?;
        let money = Self::of_units(units, decimals)?;
        if money.to_string() == text { Ok(money) } else { Err(MoneyError::Syntax) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i64.pow(self.decimals);
        let (whole, mut fraction, mut width) = (self.units / unit, self.units % unit, self.decimals as usize);
        while self.decimals == Currency::FIAT_DECIMALS && width > MIN_FIAT_DECIMALS && fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{fraction:0width$}")
    }
}

crate::text_type!(
    Money,
    "decimal",
    "An amount of money in a wallet: 2 to 4 decimals, or 8 for bitcoin.",
    "1000.00",
    pattern: r"^(0|[1-9][0-9]{0,13})\.([0-9]{2,4}|[0-9]{8})$"
);

#[cfg(test)]
mod tests;
