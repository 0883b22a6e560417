//! Placing an order: check, price, convert, hand over.

use common::{
    api::{
        orders::{
            ANONYMOUS, MarketOrder, OrderPayload, OrderPrice, OrderSource, PlaceOrderCommand, Placed, RefusalReason,
            ValidatedOrder,
        },
        quotes::{CreateQuoteCommand, Quote, QuoteRequest},
    },
    clients::db_proxy::DbProxyClient,
    ids::IdempotencyKey,
    money::{Currency, Sats},
    time::Timestamp,
};

use crate::{
    dispatcher::{DispatchError, OrderDispatcher},
    error::Error,
    price_reader::PriceReader,
};

/// Under which key an order is placed.
#[derive(Debug, Clone)]
pub enum OrderKey {
    /// The client's own: the order may have been placed before.
    ClientSupplied(IdempotencyKey),
    /// Made here, for an order that came without one, so that our own retries are safe.
    Generated(IdempotencyKey),
}

impl OrderKey {
    pub fn get(&self) -> &IdempotencyKey {
        match self {
            Self::ClientSupplied(key) | Self::Generated(key) => key,
        }
    }
}

impl From<Option<IdempotencyKey>> for OrderKey {
    fn from(key: Option<IdempotencyKey>) -> Self {
        key.map_or_else(|| Self::Generated(IdempotencyKey::generate()), Self::ClientSupplied)
    }
}

/// The use cases of this service.
#[derive(Clone)]
pub struct OrderService {
    pub currencies: Vec<Currency>,
    pub prices: PriceReader,
    pub forward: OrderDispatcher,
    pub db_proxy: DbProxyClient,
    /// How long a quote holds its price, in seconds.
    pub hold_secs: u32,
}

impl OrderService {
    /// Places an order once for its key, however often it is called; the order that comes back is durable.
    ///
    /// Where there is no price, an order with a client's own key still goes to db-proxy: it may have been placed before, and
    /// then its answer is the same as then.
    pub async fn place(&self, fields: &OrderPayload, key: &OrderKey) -> Result<Placed, Error> {
        let asked_at = Some(Timestamp::now());
        let kind = OrderSource::check(fields, &self.currencies).map_err(Error::Invalid)?;
        let (market, quote, missing) = match kind {
            OrderSource::Quoted(quote) => (None, Some(quote), None),
            OrderSource::Market(request) => {
                let (price, missing) = match (self.price(&request).await, key) {
                    (Ok(price), _) => (Some(price), None),
                    (Err(error), OrderKey::ClientSupplied(_)) if error.is_transient() => (None, Some(error)),
                    (Err(error), _) => return Err(error),
                };
                let ValidatedOrder { currency, amount } = request;
                (Some(MarketOrder { currency, amount, price }), None, missing)
            }
        };
        let order = PlaceOrderCommand { client: ANONYMOUS.to_owned(), key: key.get().clone(), asked_at, market, quote };
        let outcome = self.forward.place(order).await?;
        match (outcome.placed, outcome.refused) {
            (Some(placed), _) => Ok(placed),
            (None, Some(refused)) => Err(match (refused.reason, missing) {
                (RefusalReason::PriceUnavailable, Some(missing)) => missing,
                _ => refused.into(),
            }),
            (None, None) => Err(Error::Dispatch(DispatchError::Unknown)),
        }
    }

    /// Holds the current price and its share of the limit.
    pub async fn quote(&self, fields: &QuoteRequest) -> Result<Quote, Error> {
        let fields = OrderPayload { currency: fields.currency.clone(), amount: fields.amount.clone(), quote: None };
        let request = ValidatedOrder::check(&fields, &self.currencies).map_err(Error::Invalid)?;
        let price = self.price(&request).await?;
        let ValidatedOrder { currency, amount } = request;
        let outcome = self
            .db_proxy
            .create_quote(&CreateQuoteCommand { currency, amount, price, hold_secs: self.hold_secs })
            .await?;
        match (outcome.quote, outcome.refused) {
            (Some(quote), _) => Ok(quote),
            (None, Some(refused)) => Err(refused.into()),
            (None, None) => Err(Error::Dispatch(DispatchError::Unknown)),
        }
    }

    /// The order's share of bitcoin at the current price.
    async fn price(&self, request: &ValidatedOrder) -> Result<OrderPrice, Error> {
        let document = self.prices.current().await?;
        let record = document.value();
        let price = record.prices.get(&request.currency).ok_or(Error::CurrencyNotPriced(request.currency))?;
        // More than all bitcoin: no limit lets that through.
        let Ok(bitcoin_amount) = Sats::bought_rounded_up(request.amount, price.price) else {
            // Whoever cannot be told what is left is told that it is too much all the same.
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
