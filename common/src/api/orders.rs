//! Orders: what users send and see, and what create-order, fetch-orders and db-proxy say to each other.

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

/// Most orders a page of results may hold.
pub const MAX_PAGE: u32 = 1000;
/// Most orders that are handed to db-proxy, or asked for, in one request.
pub const MAX_GROUP: usize = 256;

/// An order, as every answer shows it. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    /// When it was accepted.
    pub created_at: Timestamp,
    pub currency: Currency,
    /// What is spent, in the currency's unit.
    pub amount: FiatAmount,
    /// The price of one bitcoin that the order was accepted at.
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

/// An order as a user asks for it; [`ValidatedOrder`] is what is left when every field is right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
#[oai(rename = "PlaceOrder")]
pub struct OrderPayload {
    /// A three-letter currency code, any case.
    #[serde(default)]
    #[oai(validator(pattern = "^[A-Za-z]{3}$"))]
    pub currency: Option<String>,
    /// Above 0, below 1000000000, at most 4 decimals.
    #[serde(default)]
    pub amount: Option<DecimalText>,
    /// The id of a quote: the order takes its currency, amount and price. The other fields may be left out then.
    #[serde(default)]
    pub quote: Option<String>,
}

/// What is bought at the market price, every field checked. Two requests are the same request when these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidatedOrder {
    pub currency: Currency,
    pub amount: FiatAmount,
}

/// What an order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderSource {
    /// The price of the moment.
    Market(ValidatedOrder),
    /// The price that was held by a quote.
    Quoted(QuoteId),
}

impl OrderSource {
    /// Checks each field and names every one that is wrong, not only the first.
    pub fn check(fields: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let Some(quote) = &fields.quote else { return ValidatedOrder::check(fields, allowed).map(Self::Market) };
        // What the quote says is not said again: where the two differed, one of them would be passed over.
        let twice = [("currency", fields.currency.is_some()), ("amount", fields.amount.is_some())];
        let twice = twice.into_iter().filter(|(_, given)| *given);
        let mut errors: Vec<_> =
            twice.map(|(field, _)| FieldError::new(field, "must be left out: it is the quote's")).collect();
        match quote.parse() {
            Ok(quote) if errors.is_empty() => return Ok(Self::Quoted(quote)),
            Ok(_) => {}
            Err(error) => errors.push(FieldError::new("quote", error)),
        }
        Err(errors)
    }
}

impl ValidatedOrder {
    /// Checks each field and names every one that is wrong, not only the first.
    pub fn check(fields: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let currency = fields.currency.as_deref().map_or(Err("is required".to_owned()), |code| {
            let codes = || allowed.iter().map(Currency::as_str).collect::<Vec<_>>().join(", ");
            match code.parse::<Currency>() {
                Ok(currency) if allowed.contains(&currency) => Ok(currency),
                Ok(_) | Err(_) => Err(format!("must be one of {}", codes())),
            }
        });
        let amount = fields.amount.as_ref().map_or(Err("is required".to_owned()), |amount| {
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

/// The answer of the short form, `/place_order`.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PlacedMessage {
    pub message: String,
    pub order: Order,
}

/// The price that an order was converted at. Its `bitcoin_amount` is checked again before it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPrice {
    pub exchange_rate: Rate,
    pub bitcoin_amount: Sats,
    /// When the price was true.
    pub as_of: Timestamp,
    /// From when on it must not be used.
    pub expires_at: Timestamp,
    /// The exchanges it was agreed from.
    pub sources: Vec<String>,
    pub simulated: bool,
    /// `prolonged` where it was prolonged; absent otherwise.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
}

/// An order on its way from create-order to db-proxy.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "NewOrder")]
pub struct PlaceOrderCommand {
    /// Whose key it is; all anonymous clients are one.
    pub client: String,
    /// Every order has one: create-order makes it where the client sent none, so that its own retries are safe.
    pub key: IdempotencyKey,
    /// When its client asked for it. A request that lay somewhere while the same one was refused elsewhere is known by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// What is bought at the market price; nothing where `quote` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketOrder>,
    /// The quote that is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteId>,
}

/// An order at the market price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MarketOrder {
    pub currency: Currency,
    pub amount: FiatAmount,
    /// Nothing where there is no price: then only an order that the key was used for before is answered.
    #[serde(default)]
    pub price: Option<OrderPrice>,
}

/// The name that all clients without an account share.
pub const ANONYMOUS: &str = "anonymous";

/// An order that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Placed {
    pub order: Order,
    /// Whether the order was placed by an earlier request with the same key.
    pub replayed: bool,
}

/// Orders that are decided together, each on its own.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "NewOrders")]
pub struct PlaceOrderCommands {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub orders: Vec<PlaceOrderCommand>,
}

/// How one order of a group ended: exactly one of the two fields is there.
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
    /// What is left under the limit, where the limit is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub remaining: Option<Sats>,
}

/// Why an order was not placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum RefusalReason {
    /// It does not fit under the limit of all orders.
    LimitExceeded,
    /// The key was used for another order.
    KeyReused,
    /// There was no price, or it ran out before the order was decided.
    PriceUnavailable,
    /// There is no such quote.
    QuoteUnknown,
    /// Another order took the quote.
    QuoteTaken,
    /// The quote was not taken in time.
    QuoteExpired,
}

/// The outcomes of a group, in the order of the group.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Outcomes {
    pub outcomes: Vec<Outcome>,
}

/// Orders to be found by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderIds {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub ids: Vec<OrderId>,
}

/// The orders that were found, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FoundOrders {
    pub orders: Vec<Order>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPage {
    pub data: Vec<Order>,
    /// Where the next page starts; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

/// A page of orders that is cut by offset, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OffsetPage {
    pub data: Vec<Order>,
    /// Whether there are older ones.
    pub more: bool,
}

/// A place in the walk through all orders: the sequence number of the last order that was seen.
///
/// Clients are to take it as it is. Sequence numbers have no gap and grow in the order of commit, so a walk by them misses
/// nothing and repeats nothing while new orders arrive.
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

crate::text_type!(Cursor, "cursor", "A place in a walk; take it as it is.", "o1f");

/// Which orders to list; a field that is not set lets all pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OrderFilter {
    pub currency: Option<Currency>,
    /// Accepted at this time or later.
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    pub to: Option<Timestamp>,
    pub min_amount: Option<FiatAmount>,
    pub max_amount: Option<FiatAmount>,
}

impl OrderFilter {
    /// Whether orders must be looked at to know if they pass; time alone is found by an index.
    pub fn selects_by_value(&self) -> bool {
        self.currency.is_some() || self.min_amount.is_some() || self.max_amount.is_some()
    }

    /// The query of a page of these orders.
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
        let given = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }
}

/// What all orders come to.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderSummary {
    pub count: i64,
    /// The bitcoin of all orders.
    pub bitcoin_amount: Sats,
    /// The bitcoin that quotes hold and no order has taken yet.
    pub reserved: Sats,
    /// What may still be ordered.
    pub remaining: Sats,
    pub limit: Sats,
}

#[cfg(test)]
mod tests;
