//! The current price record. price-cache-proxy pushes it, so an order is priced from memory, without a call.
//!
//! A record contains its expiry time. An expired record is therefore never used, even if price-cache-proxy is unavailable.

use std::{sync::Arc, time::Duration};

use common::{
    api::{
        events::Topic,
        prices::{PriceRecord, PriceState},
    },
    clients::{
        CallError,
        price_cache::{DocumentSource, PriceCacheClient, PriceCacheWatch},
    },
    concurrency::{
        latest::Document,
        single_flight::{JoinPolicy, SingleFlight, UNLIMITED},
    },
    time::Clock,
};
use tokio_util::sync::CancellationToken;

/// Why no price can be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    #[error("there is no current price record")]
    NoRecord,
    #[error("the price record could not be read from price-cache-proxy")]
    Call(#[source] Arc<CallError>),
    /// The record is prolonged because the exchanges agreed on no newer price, and it is older than the maximum age.
    #[error("the current price is {} s old; at most {} s are allowed", age.as_secs(), max_age.as_secs())]
    TooOld { age: Duration, max_age: Duration },
}

/// Reads the price record that orders are priced with. Clones share the same record.
#[derive(Clone)]
pub struct PriceReader {
    watch: PriceCacheWatch,
    clock: Clock,
    /// Maximum age of a prolonged record. If it is `None`, a prolonged record is used until it expires.
    max_age: Option<Duration>,
    /// Fetches the record into `watch`. The result is the error of the fetch, if it failed. Orders that find no record share
    /// one fetch.
    fetch: SingleFlight<(), Option<Arc<CallError>>>,
}

impl PriceReader {
    /// Reads the record from price-cache-proxy. `max_age` limits the age of a prolonged record.
    pub fn new(cache: PriceCacheClient, max_age: Option<Duration>) -> Self {
        Self::with_source(Arc::new(cache), max_age, Clock::System)
    }

    /// Like [`PriceReader::new`], with another source and clock. For tests.
    pub fn with_source(source: Arc<dyn DocumentSource>, max_age: Option<Duration>, clock: Clock) -> Self {
        let watch = PriceCacheWatch::new(source, &[Topic::PriceRecord], clock);
        let fetched = watch.clone();
        // The number of waiting callers needs no limit here, because each of them already holds a connection.
        let fetch = SingleFlight::new(JoinPolicy::Running, UNLIMITED, move |()| {
            let watch = fetched.clone();
            async move { watch.fetch_now(Topic::PriceRecord).await.err().map(Arc::new) }
        });
        Self { watch, clock, max_age, fetch }
    }

    /// Returns the record that an order may be priced with now. Fetches it if no valid record is in memory.
    pub async fn current_record(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        let record = match self.watch.price_record() {
            Some(record) => record,
            None => self.fetch_record().await?,
        };
        self.check_age(record.value())?;
        Ok(record)
    }

    async fn fetch_record(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        // A fetch that panicked leaves no record and no error, so it counts as a missing record.
        let error = self.fetch.get(()).await.ok().flatten();
        match self.watch.price_record() {
            Some(record) => Ok(record),
            None => Err(error.map_or(PriceError::NoRecord, PriceError::Call)),
        }
    }

    /// Checks the age of a prolonged record. A fresh record is the newest available price and is used until it expires.
    fn check_age(&self, record: &PriceRecord) -> Result<(), PriceError> {
        let age = self.clock.now().since(record.as_of);
        match self.max_age {
            Some(max_age) if record.state == PriceState::Prolonged && age > max_age => {
                Err(PriceError::TooOld { age, max_age })
            }
            _ => Ok(()),
        }
    }

    /// Receives pushed records until `stop` is cancelled.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        self.watch.run(stop).await;
    }
}

#[cfg(test)]
mod tests;
