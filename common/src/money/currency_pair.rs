//! What is priced in what.

use std::{fmt, str::FromStr};

use super::Currency;

const MIN_LENGTH: usize = 2;
const MAX_LENGTH: usize = 8;

/// The code of a coin or a fiat currency in upper case, such as `BTC`, `USDT` or `EUR`. Held with zeros behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset([u8; MAX_LENGTH]);

/// Text that is not the code of a coin or a currency.
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

    /// What a code in a program's own text stands for.
    ///
    /// # Panics
    /// Where the text is no code, which in a constant does not compile.
    pub const fn from_code(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(asset) => asset,
            None => panic!("not the code of a coin or a currency"),
        }
    }

    const fn read(text: &[u8]) -> Option<Self> {
        if text.len() < MIN_LENGTH || text.len() > MAX_LENGTH {
            return None;
        }
        let mut code = [0; MAX_LENGTH];
        let mut at = 0;
        while at < text.len() {
            if !text[at].is_ascii_alphanumeric() {
                return None;
            }
            code[at] = text[at].to_ascii_uppercase();
            at += 1;
        }
        Some(Self(code))
    }

    pub fn as_str(&self) -> &str {
        let code = self.0.split(|&byte| byte == 0).next().unwrap_or(&[]);
        std::str::from_utf8(code).expect("a code holds ASCII only")
    }

    /// The fiat currency of this code; nothing for a code that is not of three letters.
    ///
    /// By form alone: `BTC` and `ETH` have it too.
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

    /// Reads a code in any case.
    fn from_str(text: &str) -> Result<Self, AssetError> {
        Self::read(text.as_bytes()).ok_or(AssetError)
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

/// What is priced and what in, such as `BTC-USD`: how many dollars one bitcoin costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyPair {
    pub base: Asset,
    pub quote: Asset,
}

/// Text that is not a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be two different codes with a hyphen between, such as BTC-USD")]
pub struct CurrencyPairError;

impl CurrencyPair {
    pub const fn new(base: Asset, quote: Asset) -> Self {
        Self { base, quote }
    }
}

impl FromStr for CurrencyPair {
    type Err = CurrencyPairError;

    /// Reads codes in any case.
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

crate::text_type!(Asset, "asset", "The code of a coin or a fiat currency.", "BTC");
crate::text_type!(CurrencyPair, "direction", "What is priced and what in.", "BTC-USD");

#[cfg(test)]
mod tests;
