//! Placing an order: check, price, convert, hand over.

use common::{
    api::{
        orders::{ANONYMOUS, NewOrder, OrderPrice, OrderRequest, PlaceOrder, Placed, RefusalReason},
        prices::PriceRecord,
    },
    ids::IdempotencyKey,
    money::{Currency, Sats},
};

use crate::{
    error::Error,
    forward::Forward,
    prices::{NoPrice, Prices},
};

/// Under which key an order is placed.
#[derive(Debug, Clone)]
pub enum Key {
    /// The client's own: the order may have been placed before.
    OfClient(IdempotencyKey),
    /// Made here, for an order that came without one, so that our own retries are safe.
    Made(IdempotencyKey),
}

impl Key {
    pub fn get(&self) -> &IdempotencyKey {
        match self {
            Self::OfClient(key) | Self::Made(key) => key,
        }
    }
}

impl From<Option<IdempotencyKey>> for Key {
    fn from(key: Option<IdempotencyKey>) -> Self {
        key.map_or_else(|| Self::Made(IdempotencyKey::generate()), Self::OfClient)
    }
}

/// The use case of this service.
#[derive(Clone)]
pub struct Placer {
    pub currencies: Vec<Currency>,
    pub prices: Prices,
    pub forward: Forward,
}

impl Placer {
    /// Places an order once for its key, however often it is called; the order that comes back is durable.
    ///
    /// Where there is no price, an order with a client's own key still goes to db-proxy: it may have been placed before, and
    /// then its answer is the same as then.
    pub async fn place(&self, fields: &PlaceOrder, key: &Key) -> Result<Placed, Error> {
        let request = OrderRequest::check(fields, &self.currencies).map_err(Error::Invalid)?;
        let price = match self.prices.current().await {
            Ok(record) => price(&request, &record),
            Err(no_price) => Err(no_price.into()),
        };
        let (price, missing) = match (price, key) {
            (Ok(price), _) => (Some(price), None),
            (Err(error), Key::OfClient(_)) if error.is_passing() => (None, Some(error)),
            (Err(error), _) => return Err(error),
        };
        let order = NewOrder {
            client: ANONYMOUS.to_owned(),
            key: key.get().clone(),
            currency: request.currency,
            amount: request.amount,
            price,
        };
        let outcome = self.forward.place(order).await?;
        match (outcome.placed, outcome.refused) {
            (Some(placed), _) => Ok(placed),
            (None, Some(refused)) => Err(match (refused.reason, missing) {
                (RefusalReason::PriceUnavailable, Some(missing)) => missing,
                (RefusalReason::PriceUnavailable, None) => Error::NoPrice(NoPrice::NoRecord),
                (RefusalReason::KeyReused, _) => Error::KeyReused,
                (RefusalReason::LimitExceeded, _) => Error::LimitExceeded { remaining: refused.remaining },
            }),
            (None, None) => Err(Error::Forward(crate::forward::ForwardError::Unknown)),
        }
    }
}

/// The order's share of bitcoin at the record's price.
fn price(request: &OrderRequest, record: &PriceRecord) -> Result<OrderPrice, Error> {
    let price = record.prices.get(&request.currency).ok_or(Error::NoPriceFor(request.currency))?;
    let bitcoin_amount = Sats::bought_rounded_up(request.amount, price.price).map_err(|_| Error::LimitExceeded {
        // More than all bitcoin: no limit lets that through, and what is left of it does not matter.
        remaining: None,
    })?;
    Ok(OrderPrice {
        exchange_rate: price.price,
        bitcoin_amount,
        as_of: record.as_of,
        expires_at: record.expires_at,
        sources: price.sources.clone(),
        simulated: record.simulated,
    })
}
