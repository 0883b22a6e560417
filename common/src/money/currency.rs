//! Currency codes.

use std::{fmt, str::FromStr};

/// A three-letter currency code in upper case, such as `EUR`. The setting `CURRENCIES` lists the codes that orders may use. The
/// currency of a wallet may also be `BTC`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Text that is not a currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a code of three letters, such as EUR")]
pub struct CurrencyError;

impl Currency {
    pub const BTC: Self = Self(*b"BTC");
    pub const EUR: Self = Self(*b"EUR");
    pub const GBP: Self = Self(*b"GBP");
    pub const RUB: Self = Self(*b"RUB");
    pub const USD: Self = Self(*b"USD");

    /// The decimals of each currency other than bitcoin.
    pub const FIAT_DECIMALS: u32 = 4;
    const BITCOIN_DECIMALS: u32 = 8;

    /// The number of decimals in which amounts in wallets are counted.
    pub fn decimals(self) -> u32 {
        if self == Self::BTC { Self::BITCOIN_DECIMALS } else { Self::FIAT_DECIMALS }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency holds ASCII letters only")
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    /// Parses a code in any case.
    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if code.iter().all(u8::is_ascii_alphabetic) {
            Ok(Self(code.map(|c| c.to_ascii_uppercase())))
        } else {
            Err(CurrencyError)
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text_type!(Currency, "currency", "A three-letter currency code.", "EUR", pattern: r"^[A-Za-z]{3}$");

#[cfg(test)]
mod tests;
