//! Quotes: a price that is held for a while, with its share of the limit.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::{
    orders::{OrderPrice, Refused},
    prices::PriceState,
};
use crate::{
    ids::QuoteId,
    money::{Currency, DecimalText, FiatAmount, Rate, Sats},
    time::Timestamp,
};

/// A quote as a user asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
#[oai(rename = "AskQuote")]
pub struct QuoteRequest {
    /// A three-letter currency code, any case.
    #[serde(default)]
    #[oai(validator(pattern = "^[A-Za-z]{3}$"))]
    pub currency: Option<String>,
    /// Above 0, below 1000000000, at most 4 decimals.
    #[serde(default)]
    pub amount: Option<DecimalText>,
}

/// A price that is held until `expires_at`, with the bitcoin for it. One order can take it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Quote {
    pub id: QuoteId,
    pub created_at: Timestamp,
    /// From when on it cannot be taken, and what it held is free again.
    pub expires_at: Timestamp,
    pub currency: Currency,
    pub amount: FiatAmount,
    /// The price of one bitcoin that an order which takes it gets.
    pub exchange_rate: Rate,
    /// `amount / exchange_rate`, rounded up to 8 decimals.
    pub bitcoin_amount: Sats,
    /// When the price was true.
    pub price_as_of: Timestamp,
    /// Whether the price came from a simulated exchange.
    pub simulated: bool,
    /// `prolonged` where exchanges told no newer price for a while and the last good one was used; absent otherwise.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
}

/// A quote on its way from create-order to db-proxy.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "NewQuote")]
pub struct CreateQuoteCommand {
    pub currency: Currency,
    pub amount: FiatAmount,
    pub price: OrderPrice,
    /// How long it is held, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "3600")))]
    pub hold_secs: u32,
}

/// Longest time that a quote may be held.
pub const MAX_HOLD_SECS: u32 = 3600;

/// How a request for a quote ended: exactly one of the two fields is there.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct QuoteOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub quote: Option<Quote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<Refused>,
}
