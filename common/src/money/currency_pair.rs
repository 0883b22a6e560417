//! Assets and pairs of assets.

use std::{fmt, str::FromStr};

use super::Currency;

const MIN_LENGTH: usize = 2;
const MAX_LENGTH: usize = 8;

/// The code of a coin or a fiat currency in upper case, such as `BTC`, `USDT` or `EUR`. Padded with zero bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset([u8; MAX_LENGTH]);

/// Text that is not an asset code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a code of {MIN_LENGTH} to {MAX_LENGTH} letters and digits, such as BTC")]
pub struct AssetError;

impl Asset {
    pub const BTC: Self = Self::from_code("BTC");
    pub const ETH: Self = Self::from_code("ETH");
    pub const EUR: Self = Self::from_code("EUR");
    pub const GBP: Self = Self::from_code("GBP");
    pub const RUB: Self = Self::from_code("RUB");
    pub const USD: Self = Self::from_code("USD");
    pub const USDT: Self = Self::from_code("USDT");

    /// Creates an asset from a constant code, such as `BTC`.
    ///
    /// # Panics
    /// If `text` is not an asset code. In a constant, this is a compile error.
    pub const fn from_code(text: &str) -> Self {
        match Self::parse_code(text.as_bytes()) {
            Some(asset) => asset,
            None => panic!("not an asset code"),
        }
    }

    const fn parse_code(text: &[u8]) -> Option<Self> {
        if text.len() < MIN_LENGTH || text.len() > MAX_LENGTH {
            return None;
        }
        let mut code = [0; MAX_LENGTH];
        let mut index = 0;
        while index < text.len() {
            if !text[index].is_ascii_alphanumeric() {
                return None;
            }
            code[index] = text[index].to_ascii_uppercase();
            index += 1;
        }
        Some(Self(code))
    }

    pub fn as_str(&self) -> &str {
        let code = self.0.split(|&byte| byte == 0).next().unwrap_or(&[]);
        std::str::from_utf8(code).expect("an asset code is ASCII")
    }

    /// The code as a [`Currency`]. `None` if the code does not consist of three letters.
    ///
    /// Only the form is checked, so `BTC` and `ETH` are converted too.
    pub fn to_currency(self) -> Option<Currency> {
        self.as_str().parse().ok()
    }
}

impl From<Currency> for Asset {
    fn from(currency: Currency) -> Self {
        Self::from_code(currency.as_str())
    }
}

impl FromStr for Asset {
    type Err = AssetError;

    /// Parses a code in any case.
    fn from_str(text: &str) -> Result<Self, AssetError> {
        Self::parse_code(text.as_bytes()).ok_or(AssetError)
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A base asset and the quote asset that it is priced in: the price of `BTC-USD` is in dollars per bitcoin.
///
/// In the API, the field for the pair of a course or a price is named `direction`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyPair {
    pub base: Asset,
    pub quote: Asset,
}

/// Text that is not a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be two different asset codes separated by a hyphen, such as BTC-USD")]
pub struct CurrencyPairError;

impl CurrencyPair {
    /// The pair with base and quote exchanged.
    #[must_use]
    pub const fn inverted(self) -> Self {
        Self { base: self.quote, quote: self.base }
    }

    pub const fn new(base: Asset, quote: Asset) -> Self {
        Self { base, quote }
    }
}

impl FromStr for CurrencyPair {
    type Err = CurrencyPairError;

    /// Parses a pair in any case.
    fn from_str(text: &str) -> Result<Self, CurrencyPairError> {
        let (base, quote) = text.split_once('-').ok_or(CurrencyPairError)?;
        let [base, quote] = [base, quote].map(str::parse::<Asset>);
        match (base, quote) {
            (Ok(base), Ok(quote)) if base != quote => Ok(Self { base, quote }),
            _ => Err(CurrencyPairError),
        }
    }
}

impl fmt::Display for CurrencyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.base, self.quote)
    }
}

impl fmt::Debug for CurrencyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text_type!(Asset, "asset", "The code of a coin or a fiat currency.", "BTC", pattern: r"^[A-Za-z0-9]{2,8}$");
crate::text_type!(CurrencyPair, "direction", "A base asset and the quote asset that it is priced in.", "BTC-USD", pattern: r"^[A-Za-z0-9]{2,8}-[A-Za-z0-9]{2,8}$");

#[cfg(test)]
mod tests;
