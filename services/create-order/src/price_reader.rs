//! The current price record. price-cache-proxy pushes each new record, so an order is normally priced from memory, without a
//! call.
//!
//! Each price contains its expiry time. An expired price is therefore never used, even if price-cache-proxy is unavailable.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    api::{
        events::Topic,
        health::{Component, OrderPriceStatus, describe_refusals},
        prices::{CurrencyPrice, PriceRecord, PriceState, price_marks},
    },
    clients::{
        CallError,
        price_cache::{DocumentSource, PriceCacheClient, PriceCacheWatch},
    },
    concurrency::{
        latest::Document,
        single_flight::{JoinPolicy, SingleFlight, UNLIMITED},
    },
    config::Live,
    money::Currency,
    time::{Clock, Timestamp, format_time},
};
use tokio_util::sync::CancellationToken;

/// Why no price can be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    #[error("there is no price, because price-cache-proxy has received no prices from price-updater")]
    NoRecord,
    /// The current record has no price in this currency, or the price has expired. `last` is the last known price, if any.
    #[error("there is no price in {currency}")]
    NotPriced { currency: Currency, last: Option<LastPrice> },
    /// db-proxy refused the price, for example because it expired before the order was stored.
    #[error("the price has expired")]
    Refused,
    #[error("the price record could not be read from price-cache-proxy")]
    Call(#[source] Arc<CallError>),
    /// The price is prolonged and older than the maximum age. The message contains the time of the price, because an
    /// age would be outdated when health-check shows the message.
    #[error(
        "no newer price than that of {} was accepted, and orders accept a prolonged price only up to an age of {} s \
         (PRICE_MAX_AGE_SECS)",
        format_time(*as_of),
        max_age.as_secs()
    )]
    TooOld { as_of: Timestamp, age: Duration, max_age: Duration },
}

/// The last known price in a currency that has no current price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastPrice {
    as_of: Timestamp,
    expires_at: Timestamp,
    /// False if price-updater withdrew the price before it expired.
    has_expired: bool,
}

impl fmt::Display for LastPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let as_of = format_time(self.as_of);
        if self.has_expired {
            write!(f, "the last price, of {as_of}, expired at {}", format_time(self.expires_at))
        } else {
            write!(f, "price-updater withdrew the last price, of {as_of}, before it expired")
        }
    }
}

/// A price that an order may use now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderablePrice {
    pub price: CurrencyPrice,
    pub simulated: bool,
}

/// Reads the price record that orders are priced with. Clones share the same record.
#[derive(Clone)]
pub struct PriceReader {
    watch: PriceCacheWatch,
    clock: Clock,
    /// Maximum age of a prolonged price. If it is `None`, a prolonged price is used until it expires.
    max_age: Live<Option<Duration>>,
    /// Fetches the record into `watch`. Returns the error if the fetch fails. Callers that find no record in memory at the same
    /// time share one fetch.
    fetch: SingleFlight<(), Option<Arc<CallError>>>,
    /// For each currency, the last price that the readiness check found, possibly expired. Only for texts for
    /// people.
    last_prices: Arc<Mutex<BTreeMap<Currency, CurrencyPrice>>>,
}

impl PriceReader {
    /// Reads the record from price-cache-proxy.
    pub fn new(cache: PriceCacheClient, max_age: Option<Duration>) -> Self {
        Self::with_source(Arc::new(cache), max_age, Clock::System)
    }

    /// Like [`PriceReader::new`], with another source and clock. For tests.
    pub fn with_source(source: Arc<dyn DocumentSource>, max_age: Option<Duration>, clock: Clock) -> Self {
        let watch = PriceCacheWatch::new(source, &[Topic::PriceRecord], clock);
        let fetch_watch = watch.clone();
        // The number of waiting callers needs no limit here, because the number of connections of the server limits it.
        let fetch = SingleFlight::new(JoinPolicy::Running, UNLIMITED, move |()| {
            let watch = fetch_watch.clone();
            async move { watch.fetch_now(Topic::PriceRecord).await.err().map(Arc::new) }
        });
        Self { watch, clock, max_age: Live::new(max_age), fetch, last_prices: Arc::default() }
    }

    /// Replaces the maximum age of a prolonged price, for all clones.
    pub fn set_max_age(&self, max_age: Option<Duration>) {
        self.max_age.set(max_age);
    }

    /// Returns the current record. Fetches it if no valid record is in memory. A record may contain expired prices.
    pub async fn current_record(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        match self.watch.price_record() {
            Some(record) => Ok(record),
            None => self.fetch_record().await,
        }
    }

    /// Returns the price in `currency` that an order may use now.
    pub async fn current_price(&self, currency: Currency) -> Result<OrderablePrice, PriceError> {
        match self.current_record().await {
            Ok(record) => self.orderable_price(record.value(), currency),
            Err(PriceError::NoRecord) => Err(match self.last_price(currency) {
                Some(last) => PriceError::NotPriced { currency, last: Some(last) },
                None => PriceError::NoRecord,
            }),
            Err(error) => Err(error),
        }
    }

    /// The price of `record` in `currency`, if an order may use it now.
    pub fn orderable_price(&self, record: &PriceRecord, currency: Currency) -> Result<OrderablePrice, PriceError> {
        let price = record.price(currency);
        let Some(current) = price.clone().and_then(|price| self.unexpired_price(record, price)) else {
            let expired = price.map(|price| self.last_price_of(&price)).filter(|last| last.has_expired);
            return Err(PriceError::NotPriced { currency, last: expired.or_else(|| self.last_price(currency)) });
        };
        self.check_age(&current.price)?;
        Ok(current)
    }

    /// Returns `price`, a price of `record`, if it has not expired. Does not check its age.
    fn unexpired_price(&self, record: &PriceRecord, price: CurrencyPrice) -> Option<OrderablePrice> {
        price.is_current(self.clock.now()).then_some(OrderablePrice { price, simulated: record.simulated })
    }

    /// The prices in memory that orders may use now. Makes no call.
    pub fn orderable_prices(&self, currencies: &[Currency]) -> Vec<(Currency, OrderablePrice)> {
        let Some(record) = self.watch.price_record() else { return Vec::new() };
        let usable = |&currency: &Currency| Some((currency, self.orderable_price(record.value(), currency).ok()?));
        currencies.iter().filter_map(usable).collect()
    }

    async fn fetch_record(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        // A fetch that panicked counts as a missing record.
        let error = self.fetch.get(()).await.ok().flatten();
        match self.watch.price_record() {
            Some(record) => Ok(record),
            None => Err(error.map_or(PriceError::NoRecord, PriceError::Call)),
        }
    }

    /// Checks the age of a prolonged price. A fresh price is used until it expires.
    fn check_age(&self, price: &CurrencyPrice) -> Result<(), PriceError> {
        let age = self.clock.now().since(price.as_of);
        match self.max_age.get() {
            Some(max_age) if price.state == PriceState::Prolonged && age > max_age => {
                Err(PriceError::TooOld { as_of: price.as_of, age, max_age })
            }
            _ => Ok(()),
        }
    }

    /// Returns the component `price` and an optional component for each currency. `price` is ready if orders in at
    /// least one currency have a price. A component whose price is too old for orders shows the price but is not ready.
    pub async fn components(&self, currencies: &[Currency]) -> Vec<Component> {
        let record = self.current_record().await;
        let by_currency: Vec<_> =
            currencies.iter().map(|&currency| self.currency_component(&record, currency)).collect();
        let price = if by_currency.iter().any(|component| component.ready) {
            Component::ready(Component::ORDER_PRICE)
        } else {
            let reasons = by_currency.iter().map(|component| component.detail.as_deref().unwrap_or_default());
            let reason = describe_refusals(currencies.iter().copied().zip(reasons));
            Component::not_ready(Component::ORDER_PRICE, reason)
        };
        std::iter::once(price).chain(by_currency).collect()
    }

    fn currency_component(
        &self,
        record: &Result<Arc<Document<PriceRecord>>, PriceError>,
        currency: Currency,
    ) -> Component {
        let name = format!("{}{currency}", Component::PRICE);
        let record = match record {
            Ok(record) => record.value(),
            Err(error) => return Component::not_ready(name, self.reason(error, currency)).optional(),
        };
        let price = record.price(currency);
        if let Some(price) = &price {
            self.last_prices.lock().unwrap_or_else(PoisonError::into_inner).insert(currency, price.clone());
        }
        let Some(valid) = price.and_then(|price| self.unexpired_price(record, price)) else {
            let error = PriceError::NotPriced { currency, last: None };
            return Component::not_ready(name, self.reason(&error, currency)).optional();
        };
        let component = match self.check_age(&valid.price) {
            Ok(()) => Component::ready(name),
            Err(error) => Component::not_ready(name, self.reason(&error, currency)),
        };
        Component {
            observed_at: Some(valid.price.as_of),
            marks: price_marks(valid.simulated, valid.price.state),
            price: Some(self.price_status(&valid)),
            ..component.optional()
        }
    }

    fn price_status(&self, OrderablePrice { price, simulated }: &OrderablePrice) -> OrderPriceStatus {
        let &CurrencyPrice { price, state, as_of, expires_at, prolongable_until, .. } = price;
        let too_old_at = self.max_age.get().map(|max_age| as_of.plus(max_age));
        let usable_until = prolongable_until.map(|end| too_old_at.map_or(end, |too_old_at| end.min(too_old_at)));
        let usable_until = usable_until.filter(|&until| self.clock.now() < until);
        OrderPriceStatus { price, state, simulated: *simulated, as_of, expires_at, usable_until, prolongable_until }
    }

    /// Why orders in `currency` are refused, for operators. Without a current price, the text contains the time of the
    /// last price.
    fn reason(&self, error: &PriceError, currency: Currency) -> String {
        match (error, self.last_price(currency)) {
            (PriceError::NoRecord | PriceError::NotPriced { .. }, Some(last)) => last.to_string(),
            (error, _) => error.to_string(),
        }
    }

    /// The last price in `currency` that the readiness check found.
    fn last_price(&self, currency: Currency) -> Option<LastPrice> {
        let last_prices = self.last_prices.lock().unwrap_or_else(PoisonError::into_inner);
        last_prices.get(&currency).map(|price| self.last_price_of(price))
    }

    fn last_price_of(&self, &CurrencyPrice { as_of, expires_at, .. }: &CurrencyPrice) -> LastPrice {
        LastPrice { as_of, expires_at, has_expired: expires_at <= self.clock.now() }
    }

    /// Receives pushed records until `stop` is cancelled.
    pub async fn receive_records(self, stop: CancellationToken) {
        self.watch.run(stop).await;
    }
}

#[cfg(test)]
mod tests;
