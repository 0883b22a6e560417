//! Exact money types: fixed-point integers. No float is used.
//!
//! | type | unit of its integer | on the wire |
//! |---|---|---|
//! | [`FiatAmount`] | a ten-thousandth of the currency unit | `"69.00"`, `"0.0001"` |
//! | [`Rate`] | a hundred-millionth of a unit of the quote asset, per unit of the base asset | `"84000.12"` |
//! | [`OperationAmount`] | a hundred-millionth of a unit of the currency of the wallet | `"1000.00"` |
//! | [`Money`] | the smallest unit of its currency: a satoshi, or a ten-thousandth of a fiat unit | `"1000.00"`, `"0.00082143"` |
//! | [`Sats`] | a hundred-millionth of a bitcoin | `"0.00082143"` |

mod currency;
mod currency_pair;
mod decimal;
mod fiat;
mod rate;
mod rounding;
mod sats;
mod wallet_amounts;

pub use currency::{Currency, CurrencyError};
pub use currency_pair::{Asset, AssetError, CurrencyPair, CurrencyPairError};
pub use decimal::{BitcoinText, DecimalText, NumberError, parse_decimal, parse_without_exponent};
pub use fiat::{AmountError, FiatAmount};
pub use rate::{Rate, RateError};
pub use rounding::{divide_half_even, round_half_even, rounded_price};
pub use sats::{Sats, SatsError};
pub use wallet_amounts::{Money, MoneyError, OperationAmount, OperationAmountError};
