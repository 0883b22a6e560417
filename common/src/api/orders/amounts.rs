//! The two amounts of an order. The client names one amount. The other amount is computed from the price.

use std::fmt;

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use super::OrderPrice;
use crate::{
    api::FieldError,
    money::{AmountError, BitcoinText, DecimalText, FiatAmount, Rate, Sats, SatsError},
};

/// Which amount of an order the client named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum OrderedBy {
    /// The amount spent. `bitcoin_amount` is `amount / exchange_rate`, rounded up to 8 decimals.
    #[default]
    Amount,
    /// The bitcoin bought. `amount` is `bitcoin_amount * exchange_rate`, rounded up to 4 decimals.
    BitcoinAmount,
}

impl OrderedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::BitcoinAmount => "bitcoin_amount",
        }
    }

    pub fn is_amount(&self) -> bool {
        *self == Self::Amount
    }
}

/// The amount that a client named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderedAmount {
    Fiat(FiatAmount),
    /// Greater than zero.
    Bitcoin(Sats),
}

impl fmt::Display for OrderedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fiat(amount) => amount.fmt(f),
            Self::Bitcoin(bitcoin) => bitcoin.fmt(f),
        }
    }
}

/// Both amounts of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertedAmounts {
    pub amount: FiatAmount,
    pub bitcoin_amount: Sats,
}

/// Why an amount cannot be converted at a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The amount buys more bitcoin than can exist.
    #[error("the amount cannot be converted to bitcoin: {0}")]
    ToBitcoin(SatsError),
    /// The bitcoin costs more than the maximum amount of an order.
    #[error("the bitcoin cannot be converted to money: {0}")]
    ToFiat(AmountError),
}

impl OrderedAmount {
    /// Parses the two fields of a request, of which exactly one must be present. If both are present, the error also lists the
    /// fields with invalid values.
    pub fn parse(amount: Option<&DecimalText>, bitcoin_amount: Option<&BitcoinText>) -> Result<Self, Vec<FieldError>> {
        match (amount, bitcoin_amount) {
            (Some(amount), None) => Self::parse_fiat(amount).map_err(|error| vec![error]),
            (None, Some(bitcoin_amount)) => Self::parse_bitcoin(bitcoin_amount).map_err(|error| vec![error]),
            (Some(_), Some(_)) => {
                let mut errors = Self::invalid_values(amount, bitcoin_amount);
                errors.push(FieldError::new("bitcoin_amount", "must be absent if amount is present"));
                Err(errors)
            }
            (None, None) => Err(vec![FieldError::missing_unless("amount", "bitcoin_amount")]),
        }
    }

    /// One error for each field with an invalid value. An absent field is not invalid.
    pub(super) fn invalid_values(
        amount: Option<&DecimalText>,
        bitcoin_amount: Option<&BitcoinText>,
    ) -> Vec<FieldError> {
        let amount = amount.and_then(|amount| Self::parse_fiat(amount).err());
        let bitcoin_amount = bitcoin_amount.and_then(|bitcoin_amount| Self::parse_bitcoin(bitcoin_amount).err());
        amount.into_iter().chain(bitcoin_amount).collect()
    }

    fn parse_fiat(amount: &DecimalText) -> Result<Self, FieldError> {
        let describe = |error: AmountError| FieldError::new("amount", amount.describe_refused(error));
        amount.parse_amount().map(Self::Fiat).map_err(describe)
    }

    fn parse_bitcoin(bitcoin: &BitcoinText) -> Result<Self, FieldError> {
        let refused = |reason| FieldError::new("bitcoin_amount", reason);
        match bitcoin.parse_amount::<Sats, _>() {
            Ok(Sats::ZERO) => Err(refused(bitcoin.describe_refused("must be greater than 0"))),
            Ok(bitcoin) => Ok(Self::Bitcoin(bitcoin)),
            Err(error) => Err(refused(bitcoin.describe_refused(error))),
        }
    }

    pub fn ordered_by(self) -> OrderedBy {
        match self {
            Self::Fiat(_) => OrderedBy::Amount,
            Self::Bitcoin(_) => OrderedBy::BitcoinAmount,
        }
    }

    /// Returns both amounts. `rate` is the price of one bitcoin. The computed amount is rounded up.
    pub fn convert_rounded_up(self, rate: Rate) -> Result<ConvertedAmounts, ConversionError> {
        match self {
            Self::Fiat(amount) => {
                let bitcoin_amount = Sats::bought_rounded_up(amount, rate).map_err(ConversionError::ToBitcoin)?;
                Ok(ConvertedAmounts { amount, bitcoin_amount })
            }
            Self::Bitcoin(bitcoin_amount) => {
                let amount = bitcoin_amount.cost_rounded_up(rate).map_err(ConversionError::ToFiat)?;
                Ok(ConvertedAmounts { amount, bitcoin_amount })
            }
        }
    }
}

/// The price of an order, and the amount that the order costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedOrder {
    pub amount: FiatAmount,
    pub price: OrderPrice,
}

impl PricedOrder {
    /// Whether both amounts are the result of converting `ordered`, the amount that the client named, at the price.
    pub fn is_conversion_of(&self, ordered: OrderedAmount) -> bool {
        let Self { amount, price: OrderPrice { exchange_rate, bitcoin_amount, .. } } = self;
        ordered.convert_rounded_up(*exchange_rate)
            == Ok(ConvertedAmounts { amount: *amount, bitcoin_amount: *bitcoin_amount })
    }
}
