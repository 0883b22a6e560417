//! The current price, held in memory as new as price-cache-proxy has it, so that an order is priced without a call.
//!
//! The record says itself when it runs out, so one that is held here is never used too long, whatever happens to
//! price-cache-proxy.

#[cfg(test)]
mod tests;

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
    concurrency::latest::Document,
    time::Clock,
};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

/// Why there is no price.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    #[error("there is no current price record")]
    NoRecord,
    #[error("price-cache-proxy gave no record")]
    Call(#[source] Arc<CallError>),
    /// It is prolonged, for nobody agrees on a newer one, and older than what this service takes.
    #[error("the current price is {} s old and may be {} s", age.as_secs(), bound.as_secs())]
    TooOld { age: Duration, bound: Duration },
}

/// When an ask ended, and how it failed if it did.
type Asked = (Instant, Option<Arc<CallError>>);

/// The prices that orders are placed at. A clone is the same.
#[derive(Clone)]
pub struct PriceReader {
    watch: PriceCacheWatch,
    clock: Clock,
    /// How old a prolonged record may be. Nothing: as long as it is valid.
    max_age: Option<Duration>,
    /// Held while asking, so that many orders that find no price ask once: what came of the last ask, and when it ended.
    asked: Arc<Mutex<Option<Asked>>>,
}

impl PriceReader {
    /// `max_age` bounds how old a prolonged record may be.
    pub fn new(cache: PriceCacheClient, max_age: Option<Duration>) -> Self {
        Self::with_upstream(Arc::new(cache), max_age, Clock::System)
    }

    /// Prices of another upstream than the real one, at another time: for tests.
    pub fn with_upstream(upstream: Arc<dyn DocumentSource>, max_age: Option<Duration>, clock: Clock) -> Self {
        Self {
            watch: PriceCacheWatch::new(upstream, &[Topic::PriceRecord], clock),
            clock,
            max_age,
            asked: Arc::default(),
        }
    }

    /// The record that an order may be priced with now. Asks where none is held.
    pub async fn current(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        let record = match self.watch.price_record() {
            Some(record) => record,
            None => self.ask().await?,
        };
        self.check_age(record.value())?;
        Ok(record)
    }

    async fn ask(&self) -> Result<Arc<Document<PriceRecord>>, PriceError> {
        let waiting_since = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some(record) = self.watch.price_record() {
            return Ok(record);
        }
        // What somebody else was told while this one waited is its answer too.
        let error = match asked.take().filter(|(ended, _)| *ended > waiting_since) {
            Some((_, error)) => error,
            None => self.watch.fetch(Topic::PriceRecord).await.err().map(Arc::new),
        };
        *asked = Some((Instant::now(), error.clone()));
        match (self.watch.price_record(), error) {
            (Some(record), _) => Ok(record),
            (None, Some(error)) => Err(PriceError::Call(error)),
            (None, None) => Err(PriceError::NoRecord),
        }
    }

    /// A record of the last round is as good as prices get; only one that is kept because rounds fail is bounded further.
    fn check_age(&self, record: &PriceRecord) -> Result<(), PriceError> {
        let age = self.clock.now().since(record.as_of);
        match self.max_age {
            Some(bound) if record.state == PriceState::Prolonged && age > bound => {
                Err(PriceError::TooOld { age, bound })
            }
            _ => Ok(()),
        }
    }

    /// Holds the record as new as it is there, until `stop`.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        self.watch.run(stop).await;
    }
}
