//! Wire types of quotes. A quote offers a price for some time, and reserves its bitcoin amount under the limit.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{
    orders::{OrderPrice, OrderedAmount, OrderedBy, Refused},
    prices::PriceState,
};
use crate::{
    ids::{OrderId, QuoteId, UserId},
    money::{BitcoinText, Currency, DecimalText, FiatAmount, Rate, Sats},
    time::Timestamp,
};

/// A request for a quote as a user sends it. No field is validated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct QuoteRequest {
    /// A three-letter currency code, any case.
    #[serde(default)]
    #[oai(validator(pattern = "^[A-Za-z]{3}$"))]
    pub currency: Option<String>,
    /// More than 0 and less than 1000000000, with at most 4 decimals. The service may be configured with a smaller range.
    #[serde(default)]
    pub amount: Option<DecimalText>,
    /// The bitcoin to buy, instead of `amount`: more than 0, with at most 8 decimals. The `amount` of the quote is
    /// `bitcoin_amount * exchange_rate`, rounded up to 4 decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitcoin_amount: Option<BitcoinText>,
}

/// The state of a quote. It starts as `open` and changes at most once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum QuoteState {
    /// The bitcoin amount is reserved. An order can take the quote until it expires.
    #[default]
    Open,
    /// An order took the quote.
    Taken,
    /// No order took the quote in time.
    Expired,
    /// The client released the reservation.
    Released,
}

/// A price that is offered until `expires_at`, with a reserved bitcoin amount. One order can take it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Quote {
    pub id: QuoteId,
    pub created_at: Timestamp,
    /// From this time on no order can take the quote, and its reservation is released.
    pub expires_at: Timestamp,
    pub currency: Currency,
    pub amount: FiatAmount,
    /// The price of one bitcoin in the currency.
    pub exchange_rate: Rate,
    /// `amount / exchange_rate`, rounded up to 8 decimals; or the amount that the client named, see `ordered_by`.
    pub bitcoin_amount: Sats,
    /// When the price was observed at the exchanges.
    pub price_as_of: Timestamp,
    /// Whether the price came from a simulated exchange.
    pub simulated: bool,
    /// `prolonged` if the price was used beyond its normal lifetime because no newer one was available; otherwise absent.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
    /// Absent in the response of an older db-proxy, which returns only open quotes.
    #[serde(default)]
    pub state: QuoteState,
    /// The order that took the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub order_id: Option<OrderId>,
    /// `bitcoin_amount` if the client named the bitcoin amount. In this case `amount` is `bitcoin_amount * exchange_rate`,
    /// rounded up to 4 decimals. Otherwise absent.
    #[serde(default, skip_serializing_if = "OrderedBy::is_amount")]
    #[oai(default, skip_serializing_if = "OrderedBy::is_amount")]
    pub ordered_by: OrderedBy,
    /// The user who requested the quote. No other user, and no client without an API key, can take, read or release it. Absent if the
    /// quote was requested without an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
}

/// A request of create-order to db-proxy to create a quote.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CreateQuoteCommand {
    pub currency: Currency,
    pub amount: FiatAmount,
    pub price: OrderPrice,
    /// The lifetime of the quote in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "3600")))]
    pub hold_secs: u32,
    /// The client that requested the quote. A cap applies to all open quotes of one client together. An older create-order does
    /// not send this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub client: Option<String>,
    /// Which amount the client named. The other amount is computed from the price.
    #[serde(default, skip_serializing_if = "OrderedBy::is_amount")]
    #[oai(default, skip_serializing_if = "OrderedBy::is_amount")]
    pub ordered_by: OrderedBy,
    /// The user who requested the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
}

impl CreateQuoteCommand {
    /// Whether the quote must be sent to `/v2/quotes`, because a db-proxy of an older release would ignore a part of it. Such
    /// a db-proxy always computes the bitcoin amount from `amount`.
    pub fn needs_v2_endpoint(&self) -> bool {
        !self.ordered_by.is_amount() || self.user_id.is_some()
    }

    /// The amount that the client named.
    pub fn ordered_amount(&self) -> OrderedAmount {
        match self.ordered_by {
            OrderedBy::Amount => OrderedAmount::Fiat(self.amount),
            OrderedBy::BitcoinAmount => OrderedAmount::Bitcoin(self.price.bitcoin_amount),
        }
    }
}

/// Maximum lifetime of a quote, in seconds.
pub const MAX_HOLD_SECS: u32 = 3600;

/// The outcome of a request to create, read or release a quote. Either `quote` or `refused` is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct QuoteOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub quote: Option<Quote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<Refused>,
    /// The first cap in `exceeded_caps`. If it is present, the reason in `refused` is `limit_exceeded`. Absent if the quote
    /// exceeds no cap, or if it also exceeds the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub exceeded_cap: Option<QuoteCap>,
    /// Every cap that the quote exceeds. If the quote also exceeds the limit, `refused` states the amount that remains of the
    /// limit. An older db-proxy does not send this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub exceeded_caps: Vec<ExceededCap>,
}

/// A cap that a quote exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ExceededCap {
    pub cap: QuoteCap,
    /// The amount that a quote may reserve under this cap now.
    pub remaining: Sats,
}

/// A cap on the bitcoin that quotes reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum QuoteCap {
    /// The cap of one quote.
    Quote,
    /// The cap of all open quotes of one client.
    Client,
    /// The cap of all open quotes.
    AllQuotes,
}
