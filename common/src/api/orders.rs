//! Wire types of orders.
//!
//! Users send an [`OrderPayload`] and receive an [`Order`]. create-order validates a payload into an [`OrderSource`] and
//! sends a [`PlaceOrderCommand`] to db-proxy, which answers with an [`Outcome`]. fetch-orders reads [`OrderPage`]s.

mod origin;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        FieldError,
        cursor::{CursorError, parse_cursor, parse_hex},
        prices::PriceState,
    },
    ids::{IdempotencyKey, OrderId, QuoteId},
    money::{Currency, DecimalText, FiatAmount, Rate, Sats},
    time::Timestamp,
};

pub use self::origin::OrderOrigin;

/// Maximum number of orders on a page.
pub const MAX_PAGE: u32 = 1000;
/// Maximum number of orders that one request to db-proxy may place or look up.
pub const MAX_GROUP: usize = 256;

/// An accepted order. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    /// When the order was accepted.
    pub created_at: Timestamp,
    pub currency: Currency,
    /// The amount spent, in units of the currency.
    pub amount: FiatAmount,
    /// The price of one bitcoin in the currency.
    pub exchange_rate: Rate,
    /// `amount / exchange_rate`, rounded up to 8 decimals.
    pub bitcoin_amount: Sats,
    /// When the price was observed at the exchanges.
    pub price_as_of: Timestamp,
    /// Whether the price came from a simulated exchange.
    pub simulated: bool,
    /// `prolonged` if the price was used beyond its normal lifetime because no newer one was available; otherwise absent.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
}

/// An order as a user sends it. No field is validated yet; [`OrderSource::from_payload`] validates it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
#[oai(rename = "PlaceOrder")]
pub struct OrderPayload {
    /// A three-letter currency code, any case.
    #[serde(default)]
    #[oai(validator(pattern = "^[A-Za-z]{3}$"))]
    pub currency: Option<String>,
    /// More than 0 and less than 1000000000, with at most 4 decimals. The service may be configured with a smaller range.
    ///
    /// An order buys at least one satoshi (0.00000001 BTC), because the bitcoin amount is rounded up. At a price of 84000, an
    /// order of 0.0001 buys a satoshi that is worth eight times as much.
    #[serde(default)]
    pub amount: Option<DecimalText>,
    /// The id of a quote. The order has the currency, amount and price of the quote, so the other fields must be absent.
    #[serde(default)]
    pub quote: Option<String>,
}

/// The validated currency and amount of an order at the market price. Two requests under one idempotency key are the same
/// request if these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidatedOrder {
    pub currency: Currency,
    pub amount: FiatAmount,
}

/// A validated order: what it buys, and at which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderSource {
    /// An amount at the current price.
    Market(ValidatedOrder),
    /// The currency, amount and price of the quote.
    Quoted(QuoteId),
}

impl OrderSource {
    /// Validates a payload. `allowed` are the configured currencies. Lists every invalid field, not only the first.
    pub fn from_payload(payload: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let Some(quote) = &payload.quote else {
            return ValidatedOrder::from_payload(payload, allowed).map(Self::Market);
        };
        // A currency or amount beside the quote might contradict it.
        let redundant = [("currency", payload.currency.is_some()), ("amount", payload.amount.is_some())];
        let redundant = redundant.into_iter().filter(|(_, is_present)| *is_present);
        let mut errors: Vec<_> =
            redundant.map(|(field, _)| FieldError::new(field, "must be absent if quote is present")).collect();
        match quote.parse() {
            Ok(quote) if errors.is_empty() => return Ok(Self::Quoted(quote)),
            Ok(_) => {}
            Err(error) => errors.push(FieldError::new("quote", error)),
        }
        Err(errors)
    }
}

impl ValidatedOrder {
    /// Validates a payload. `allowed` are the configured currencies. Lists every invalid field, not only the first.
    pub fn from_payload(payload: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let currency = payload.currency.as_deref().map_or(Err("is required".to_owned()), |code| {
            let codes = || allowed.iter().map(Currency::as_str).collect::<Vec<_>>().join(", ");
            match code.parse::<Currency>() {
                Ok(currency) if allowed.contains(&currency) => Ok(currency),
                Ok(_) | Err(_) => Err(format!("must be one of {}", codes())),
            }
        });
        let amount = payload.amount.as_ref().map_or(Err("is required".to_owned()), |amount| {
            amount.as_str().parse::<FiatAmount>().map_err(|e| e.to_string())
        });
        match (currency, amount) {
            (Ok(currency), Ok(amount)) => Ok(Self { currency, amount }),
            (currency, amount) => Err([("currency", currency.err()), ("amount", amount.err())]
                .into_iter()
                .filter_map(|(field, reason)| Some(FieldError::new(field, reason?)))
                .collect()),
        }
    }
}

/// The response of `/place_order`.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PlacedMessage {
    pub message: String,
    pub order: Order,
}

/// The price of an order and the bitcoin amount that results from it. db-proxy computes `bitcoin_amount` again before it
/// stores the order.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPrice {
    pub exchange_rate: Rate,
    pub bitcoin_amount: Sats,
    /// When the price was observed at the exchanges.
    pub as_of: Timestamp,
    /// From this time on the price must not be used.
    pub expires_at: Timestamp,
    /// The exchanges that the price was computed from.
    pub sources: Vec<String>,
    pub simulated: bool,
    /// `prolonged` if the price was used beyond its normal lifetime because no newer one was available; otherwise absent.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
}

/// A request of create-order to db-proxy to place one order. Exactly one of `market` and `quote` is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "NewOrder")]
pub struct PlaceOrderCommand {
    /// The owner of the key. All anonymous clients share one name.
    pub client: String,
    /// The idempotency key. create-order generates one if the client sent none, so that its own retries are safe.
    pub key: IdempotencyKey,
    /// When the client requested the order, by the clock of the database and never later than that. Identifies a delayed
    /// duplicate of a request that was already refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// An order at the market price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketOrder>,
    /// The id of the quote that the order takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteId>,
}

/// A validated order at the market price, with that price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MarketOrder {
    pub currency: Currency,
    pub amount: FiatAmount,
    /// Absent if no price is available. db-proxy then returns the order that an earlier request placed with the same key, or
    /// refuses the request.
    #[serde(default)]
    pub price: Option<OrderPrice>,
}

/// The name that all anonymous clients share.
pub const ANONYMOUS: &str = "anonymous";

/// An order that is stored durably.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Placed {
    pub order: Order,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
}

/// A group of orders. Each is decided on its own.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "NewOrders")]
pub struct PlaceOrderCommands {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub orders: Vec<PlaceOrderCommand>,
}

/// The outcome of one order. Exactly one of the two fields is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Outcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub placed: Option<Placed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<Refused>,
}

/// Why an order was not placed.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Refused {
    pub reason: RefusalReason,
    /// What remains of the limit. Present if the limit is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub remaining: Option<Sats>,
    /// The origin of the orders in the database. Present if the price has the other origin, which is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub database_origin: Option<OrderOrigin>,
}

impl Refused {
    /// A refusal that needs no further details.
    pub fn because(reason: RefusalReason) -> Self {
        Self { reason, remaining: None, database_origin: None }
    }
}

/// Why an order was not placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The order exceeds what remains of the limit.
    LimitExceeded,
    /// The key was used for a different order.
    KeyReused,
    /// No price was available, or the price expired before the order was decided.
    PriceUnavailable,
    /// No quote has this id.
    QuoteUnknown,
    /// A different order took the quote.
    QuoteTaken,
    /// The quote has expired.
    QuoteExpired,
}

/// The outcomes of a group of orders, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Outcomes {
    pub outcomes: Vec<Outcome>,
    /// The time of the database after the orders were decided. create-order derives `asked_at` of later orders from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub decided_at: Option<Timestamp>,
}

/// The ids of orders to look up.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderIds {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub ids: Vec<OrderId>,
}

/// The orders that were found, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FoundOrders {
    pub orders: Vec<Order>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPage {
    pub data: Vec<Order>,
    /// The cursor of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

/// A page of orders by offset, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OffsetPage {
    pub data: Vec<Order>,
    /// Whether there are older orders.
    pub more: bool,
}

/// The position of a page: the sequence number of the last order of the previous page.
///
/// A cursor is opaque to clients. Sequence numbers have no gap and grow in the order of commit. Reading page after page
/// therefore returns each order once, even while new orders arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub i64);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "o{:x}", self.0)
    }
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'o', |digits| parse_hex(digits).filter(|&number| number > 0).map(Self))
    }
}

crate::text_type!(Cursor, "cursor", "The opaque position of a page.", "o1f", pattern: r"^o[1-9a-f][0-9a-f]{0,15}$");

/// Selects orders. An absent field excludes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    pub currency: Option<Currency>,
    /// Accepted at or after this time.
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    pub to: Option<Timestamp>,
    pub min_amount: Option<FiatAmount>,
    pub max_amount: Option<FiatAmount>,
}

impl OrderFilter {
    /// Whether the filter restricts the currency or the amount. No index covers them; an index covers only the time.
    pub fn selects_by_value(&self) -> bool {
        self.currency.is_some() || self.min_amount.is_some() || self.max_amount.is_some()
    }

    /// The query string that requests a page of these orders.
    pub fn to_query(&self, cursor: Option<Cursor>, limit: u32) -> String {
        let parts = [
            ("limit", Some(limit.to_string())),
            ("cursor", cursor.map(|cursor| cursor.to_string())),
            ("currency", self.currency.map(|currency| currency.to_string())),
            ("from", self.from.map(|time| time.to_string())),
            ("to", self.to.map(|time| time.to_string())),
            ("min_amount", self.min_amount.map(|amount| amount.to_string())),
            ("max_amount", self.max_amount.map(|amount| amount.to_string())),
        ];
        let present = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(present).finish()
    }
}

/// Totals over all orders.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderSummary {
    pub count: i64,
    /// The bitcoin amount of all orders.
    pub bitcoin_amount: Sats,
    /// The bitcoin amount that open quotes reserve.
    pub reserved: Sats,
    /// What remains of the limit.
    pub remaining: Sats,
    /// The maximum bitcoin amount of all orders and open quotes together.
    pub limit: Sats,
}

#[cfg(test)]
mod tests;
