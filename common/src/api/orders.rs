//! Wire types of orders.
//!
//! Users send an [`OrderPayload`] and receive an [`Order`]. create-order validates a payload into an [`OrderRequest`] and
//! sends a [`PlaceOrderCommand`] to db-proxy, which answers with an [`Outcome`]. fetch-orders reads [`OrderPage`]s.

mod amounts;
mod annotations;
mod listing;
mod origin;
mod owner;
mod refusals;
mod wallets;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

pub use self::{
    amounts::{ConversionError, ConvertedAmounts, OrderedAmount, OrderedBy, PricedOrder},
    annotations::{Annotations, ClientReference, Metadata},
    listing::{Cursor, FoundOrders, OffsetPage, OrderFilter, OrderIds, OrderPage, OrderQuery, OrderSummary},
    origin::OrderOrigin,
    owner::{ANONYMOUS, OwnerError, OwnerFilter, client_name, names_a_user},
    refusals::{RefusalReason, Refused},
    wallets::OrderWallets,
};
use crate::{
    api::{FieldError, prices::PriceState},
    ids::{IdempotencyKey, OrderId, QuoteId, UserId, WalletId},
    money::{BitcoinText, Currency, DecimalText, FiatAmount, Rate, Sats},
    spelling::must_be_one_of,
    text::TextType,
    time::Timestamp,
};

/// Maximum number of orders on a page.
pub const MAX_PAGE: u32 = 1000;
/// Maximum number of orders that one request to db-proxy may place or look up.
pub const MAX_ORDERS_PER_REQUEST: usize = 256;

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
    /// `bitcoin_amount` if the client named the bitcoin amount. In this case `amount` is `bitcoin_amount * exchange_rate`,
    /// rounded up to 4 decimals. Otherwise absent.
    #[serde(default, skip_serializing_if = "OrderedBy::is_amount")]
    #[oai(default, skip_serializing_if = "OrderedBy::is_amount")]
    pub ordered_by: OrderedBy,
    /// The quote that the order took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub quote: Option<QuoteId>,
    /// The reference that the client gave the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub client_reference: Option<ClientReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub metadata: Option<Metadata>,
    /// The user who placed the order. Absent if it was placed without an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
    /// The wallet that paid the amount. Absent if no wallet paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub wallet_id: Option<WalletId>,
    /// The wallet that received the bitcoin. Absent if no wallet received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub credit_wallet_id: Option<WalletId>,
}

impl Order {
    /// The wallets of the order. `None` if no wallet paid.
    pub fn wallets(&self) -> Option<OrderWallets> {
        self.wallet_id.map(|paying| OrderWallets { paying, credited: self.credit_wallet_id })
    }

    /// The amount that the client named.
    pub fn ordered_amount(&self) -> OrderedAmount {
        match self.ordered_by {
            OrderedBy::Amount => OrderedAmount::Fiat(self.amount),
            OrderedBy::BitcoinAmount => OrderedAmount::Bitcoin(self.bitcoin_amount),
        }
    }
}

/// An order as a user sends it. No field is validated yet; [`OrderRequest::from_payload`] validates it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
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
    /// The bitcoin to buy, instead of `amount`: more than 0, with at most 8 decimals. The order buys exactly this much bitcoin.
    /// Its `amount` is `bitcoin_amount * exchange_rate`, rounded up to 4 decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitcoin_amount: Option<BitcoinText>,
    /// The id of a quote. The order has the currency, amounts and price of the quote, so these fields must be absent.
    #[serde(default)]
    pub quote: Option<String>,
    /// A reference of the client, such as the number of an invoice: 1 to 200 characters without control characters. It need
    /// not be unique. Lists can be filtered by it. Everyone who can read the order sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"))]
    pub client_reference: Option<String>,
    /// Further notes of the client. Everyone who can read the order sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// A wallet of the caller, in the currency of the order. Its balance pays the amount, in the same transaction as the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<String>,
    /// A wallet of the caller in BTC. It receives the bitcoin, in the same transaction. Requires `wallet_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_wallet_id: Option<String>,
}

/// A validated order: what it buys, the annotations of the client, and the wallets. Two requests with one idempotency key are the
/// same request if all fields are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub source: OrderSource,
    pub annotations: Annotations,
    /// `None` if no wallet pays the order.
    pub wallets: Option<OrderWallets>,
}

impl OrderRequest {
    /// Validates a payload. `allowed` are the configured currencies. The error lists the invalid fields, not only the first.
    pub fn from_payload(payload: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let source = OrderSource::from_payload(payload, allowed);
        let annotations = Annotations::validate(payload.client_reference.as_deref(), payload.metadata.as_ref());
        let wallets = OrderWallets::validate(payload.wallet_id.as_deref(), payload.credit_wallet_id.as_deref());
        match (source, annotations, wallets) {
            (Ok(source), Ok(annotations), Ok(wallets)) => Ok(Self { source, annotations, wallets }),
            (source, annotations, wallets) => {
                Err([source.err(), annotations.err(), wallets.err()].into_iter().flatten().flatten().collect())
            }
        }
    }
}

/// The validated currency and amount of an order at the market price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidatedOrder {
    pub currency: Currency,
    pub amount: OrderedAmount,
}

/// What a validated order buys, and at which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderSource {
    /// An amount at the current price.
    Market(ValidatedOrder),
    /// The currency, amount and price of the quote.
    Quoted(QuoteId),
}

impl OrderSource {
    /// Validates a payload. `allowed` are the configured currencies. The error lists the invalid fields, not only the first.
    pub fn from_payload(payload: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let Some(quote) = &payload.quote else {
            let order = ValidatedOrder::from_payload(payload, allowed).map(Self::Market);
            return order.map_err(|errors| errors.into_iter().map(with_quote_as_alternative).collect());
        };
        // A currency or amount beside the quote might contradict it.
        let redundant = [
            ("currency", payload.currency.is_some()),
            ("amount", payload.amount.is_some()),
            ("bitcoin_amount", payload.bitcoin_amount.is_some()),
        ];
        let redundant = redundant.into_iter().filter(|(_, is_present)| *is_present);
        let redundant = redundant.map(|(field, _)| FieldError::new(field, "must be absent if quote is present"));
        // A client that removes the quote from the request needs to know which other fields are invalid.
        let currency = payload.currency.as_deref().and_then(|code| parse_currency(code, allowed).err());
        let amounts = OrderedAmount::invalid_values(payload.amount.as_ref(), payload.bitcoin_amount.as_ref());
        let mut errors: Vec<_> = currency.into_iter().chain(amounts).chain(redundant).collect();
        match QuoteId::parse_text(quote) {
            Ok(quote) if errors.is_empty() => return Ok(Self::Quoted(quote)),
            Ok(_) => {}
            Err(reason) => errors.push(FieldError::new("quote", reason)),
        }
        Err(errors)
    }
}

/// Names the quote as an alternative in the error of a missing amount, because an order that takes a quote needs no amount.
/// Returns other errors unchanged.
fn with_quote_as_alternative(error: FieldError) -> FieldError {
    match error.field.as_str() {
        "amount" if error.is_missing() => FieldError::missing_unless("amount", "bitcoin_amount or quote"),
        _ => error,
    }
}

impl ValidatedOrder {
    /// Validates a payload. `allowed` are the configured currencies. The error lists the invalid fields, not only the first.
    pub fn from_payload(payload: &OrderPayload, allowed: &[Currency]) -> Result<Self, Vec<FieldError>> {
        let currency = match &payload.currency {
            Some(code) => parse_currency(code, allowed),
            None => Err(FieldError::missing("currency")),
        };
        let amount = OrderedAmount::parse(payload.amount.as_ref(), payload.bitcoin_amount.as_ref());
        match (currency, amount) {
            (Ok(currency), Ok(amount)) => Ok(Self { currency, amount }),
            (currency, amount) => Err(currency.err().into_iter().chain(amount.err().unwrap_or_default()).collect()),
        }
    }
}

fn parse_currency(code: &str, allowed: &[Currency]) -> Result<Currency, FieldError> {
    let currency = code.parse().ok().filter(|currency| allowed.contains(currency));
    currency.ok_or_else(|| FieldError::new("currency", must_be_one_of(code, allowed)))
}

/// The response of `/place_order`.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PlacedMessage {
    pub message: String,
    pub order: Order,
}

/// The price of an order and the bitcoin that the order buys. db-proxy converts the ordered amount again before it stores the
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPrice {
    pub exchange_rate: Rate,
    pub bitcoin_amount: Sats,
    /// When the price was observed at the exchanges.
    pub as_of: Timestamp,
    /// From this time on the price must not be used.
    pub expires_at: Timestamp,
    /// The exchanges or indices whose votes gave the price.
    pub sources: Vec<String>,
    pub simulated: bool,
    /// `prolonged` if the price was used beyond its normal lifetime because no newer one was available; otherwise absent.
    #[serde(default, skip_serializing_if = "PriceState::is_fresh")]
    #[oai(default, skip_serializing_if = "PriceState::is_fresh")]
    pub price_state: PriceState,
}

/// A request of create-order to db-proxy to place one order. Exactly one of `market` and `quote` is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct PlaceOrderCommand {
    /// The name of the client to which the idempotency key belongs; see [`client_name`].
    pub client: String,
    /// The idempotency key. create-order generates one if the client sent none, so that its own retries are safe.
    pub key: IdempotencyKey,
    /// The time at which create-order handled the request, or a little earlier, by the clock of the database. If this
    /// time is later than the receipt of the command, db-proxy uses the time of the receipt. The time identifies a
    /// delayed duplicate of a request that was already refused.
    #[serde(default, rename = "asked_at", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "asked_at")]
    pub requested_at: Option<Timestamp>,
    /// An order at the market price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketOrder>,
    /// The id of the quote that the order takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_reference: Option<ClientReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The user who places the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The wallet of the user that pays the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The wallet of the user that receives the bitcoin. Requires `wallet_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_wallet_id: Option<WalletId>,
    /// The trace context of the request, in the form of the header `traceparent`. Absent if the trace is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub traceparent: Option<String>,
}

impl PlaceOrderCommand {
    /// Whether the order must be sent to `/v3/orders`, because a db-proxy of the previous release would ignore a part
    /// of it.
    pub fn needs_v3_endpoint(&self) -> bool {
        self.wallet_id.is_some() || self.credit_wallet_id.is_some()
    }

    /// Whether the order must be sent to `/v2/orders`, because a db-proxy of an older release would ignore a part of it.
    pub fn needs_v2_endpoint(&self) -> bool {
        let has_bitcoin_amount = self.market.as_ref().is_some_and(|market| market.bitcoin_amount.is_some());
        has_bitcoin_amount || self.client_reference.is_some() || self.metadata.is_some() || self.user_id.is_some()
    }
}

/// A validated order at the market price, with that price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MarketOrder {
    pub currency: Currency,
    /// The amount that the client named. If the client named the bitcoin amount instead, this is the cost of that bitcoin
    /// amount at `price`, and is absent if there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<FiatAmount>,
    /// The bitcoin amount that the client named. Absent if the client named the amount to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitcoin_amount: Option<Sats>,
    /// Absent if no price is available. db-proxy then returns the order that an earlier request placed with the same key, or
    /// refuses the request.
    #[serde(default)]
    pub price: Option<OrderPrice>,
}

impl MarketOrder {
    pub fn new(ValidatedOrder { currency, amount }: ValidatedOrder, priced: Option<PricedOrder>) -> Self {
        let (cost, price) = priced.map_or((None, None), |PricedOrder { amount, price }| (Some(amount), Some(price)));
        match amount {
            OrderedAmount::Fiat(amount) => Self { currency, amount: Some(amount), bitcoin_amount: None, price },
            OrderedAmount::Bitcoin(bitcoin) => Self { currency, amount: cost, bitcoin_amount: Some(bitcoin), price },
        }
    }
}

/// An order that is stored durably.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Placed {
    pub order: Order,
    /// Whether an earlier request with the same key placed the order.
    pub replayed: bool,
}

/// A batch of orders. They are decided in this sequence. The refusal of one order does not affect the others.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
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

/// The outcomes of a batch of orders, in the sequence of the batch.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Outcomes {
    pub outcomes: Vec<Outcome>,
    /// The time of the database after the orders were decided. create-order derives `asked_at` of later orders from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub decided_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
