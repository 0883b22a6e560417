//! The use cases of create-order: validate an order, find its price, convert the amount, and send it to db-proxy.

use std::fmt;

use common::{
    api::{
        orders::{
            ANONYMOUS, MarketOrder, OrderPayload, OrderPrice, OrderSource, PlaceOrderCommand, Placed, RefusalReason,
            Refused, ValidatedOrder,
        },
        quotes::{CreateQuoteCommand, Quote, QuoteOutcome, QuoteRequest},
    },
    clients::db_proxy::DbProxyClient,
    ids::IdempotencyKey,
    money::{Currency, Sats},
    time::Timestamp,
};

use crate::{
    dispatcher::{Decision, DispatchError, OrderDispatcher},
    error::Error,
    price_reader::PriceReader,
};

/// The idempotency key of an order.
#[derive(Debug, Clone)]
pub enum OrderKey {
    /// The client sent the key, so an earlier request may have placed the order.
    ClientSupplied(IdempotencyKey),
    /// The client sent no key. The generated key makes retries between the services safe.
    Generated(IdempotencyKey),
}

impl OrderKey {
    pub fn as_idempotency_key(&self) -> &IdempotencyKey {
        match self {
            Self::ClientSupplied(key) | Self::Generated(key) => key,
        }
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_idempotency_key().as_str())
    }
}

impl From<Option<IdempotencyKey>> for OrderKey {
    fn from(key: Option<IdempotencyKey>) -> Self {
        key.map_or_else(|| Self::Generated(IdempotencyKey::generate()), Self::ClientSupplied)
    }
}

/// Places orders and creates quotes.
#[derive(Clone)]
pub struct OrderService {
    pub currencies: Vec<Currency>,
    pub prices: PriceReader,
    pub dispatcher: OrderDispatcher,
    pub db_proxy: DbProxyClient,
    /// The lifetime of a quote in seconds.
    pub hold_secs: u32,
}

impl OrderService {
    /// Places an order. Calls with the same key place it once. The returned order is durable.
    ///
    /// An order with a client-supplied key is sent to db-proxy even if there is no price. If an earlier request placed the
    /// order, db-proxy returns it.
    pub async fn place_order(&self, payload: &OrderPayload, key: &OrderKey) -> Result<Placed, Error> {
        let mut command = PlaceOrderCommand {
            client: ANONYMOUS.to_owned(),
            key: key.as_idempotency_key().clone(),
            asked_at: Some(Timestamp::now()),
            market: None,
            quote: None,
        };
        let mut price_error = None;
        match OrderSource::from_payload(payload, &self.currencies).map_err(Error::Invalid)? {
            OrderSource::Quoted(quote) => command.quote = Some(quote),
            OrderSource::Market(order) => {
                let price = match (self.price_of(&order).await, key) {
                    (Ok(price), _) => Some(price),
                    (Err(error), OrderKey::ClientSupplied(_)) if error.is_transient() => {
                        price_error = Some(error);
                        None
                    }
                    (Err(error), _) => return Err(error),
                };
                command.market = Some(MarketOrder { currency: order.currency, amount: order.amount, price });
            }
        }
        match (self.dispatcher.dispatch(command).await?, price_error) {
            (Decision::Placed(placed), _) => Ok(placed),
            // The local error states why there is no price.
            (Decision::Refused(Refused { reason: RefusalReason::PriceUnavailable, .. }), Some(error)) => Err(error),
            (Decision::Refused(refused), _) => Err(refused.into()),
        }
    }

    /// Creates a quote: reserves the current price and the order's share of the limit.
    pub async fn create_quote(&self, request: &QuoteRequest) -> Result<Quote, Error> {
        let payload = OrderPayload { currency: request.currency.clone(), amount: request.amount.clone(), quote: None };
        let order = ValidatedOrder::from_payload(&payload, &self.currencies).map_err(Error::Invalid)?;
        let price = self.price_of(&order).await?;
        let ValidatedOrder { currency, amount } = order;
        let command = CreateQuoteCommand { currency, amount, price, hold_secs: self.hold_secs };
        match self.db_proxy.create_quote(&command).await? {
            QuoteOutcome { quote: Some(quote), .. } => Ok(quote),
            QuoteOutcome { quote: None, refused: Some(refused) } => Err(refused.into()),
            QuoteOutcome { quote: None, refused: None } => Err(DispatchError::OutcomeUnknown.into()),
        }
    }

    /// Converts the amount of an order to bitcoin at the current price.
    async fn price_of(&self, order: &ValidatedOrder) -> Result<OrderPrice, Error> {
        let document = self.prices.current_record().await?;
        let record = document.value();
        let price = record.prices.get(&order.currency).ok_or(Error::CurrencyNotPriced(order.currency))?;
        // The conversion fails if the amount buys more bitcoin than can exist. That exceeds every limit.
        let Ok(bitcoin_amount) = Sats::bought_rounded_up(order.amount, price.price) else {
            // The order is refused even if the remaining limit cannot be read.
            let remaining = self.db_proxy.order_summary().await.ok().map(|summary| summary.remaining);
            return Err(Error::LimitExceeded { remaining });
        };
        Ok(OrderPrice {
            exchange_rate: price.price,
            bitcoin_amount,
            as_of: record.as_of,
            expires_at: record.expires_at,
            sources: price.sources.clone(),
            simulated: record.simulated,
            price_state: record.state,
        })
    }
}
