//! The current price record, held in memory so that an order does not wait for a call.
//!
//! The record says itself when it runs out, so one that is kept here is never used too long, whatever happens to
//! price-cache-proxy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use common::{
    api::prices::PriceRecord,
    clients::{CallError, price_cache::PriceCache},
    time::Timestamp,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How often the record is asked for: a new price is used within this time of its being written.
const REFRESH: Duration = Duration::from_millis(500);

/// Why there is no price.
#[derive(Debug, thiserror::Error)]
pub enum NoPrice {
    #[error("there is no current price record")]
    NoRecord,
    #[error("price-cache-proxy gave no record")]
    Call(#[source] Arc<CallError>),
}

/// When an ask ended, and how it failed if it did.
type Asked = (Instant, Option<Arc<CallError>>);

#[derive(Clone)]
pub struct Prices {
    cache: PriceCache,
    record: Arc<ArcSwapOption<PriceRecord>>,
    /// Held while asking, so that many orders that find no price ask once: what came of the last ask, and when it ended.
    asked: Arc<Mutex<Option<Asked>>>,
}

impl Prices {
    pub fn new(cache: PriceCache) -> Self {
        Self { cache, record: Arc::default(), asked: Arc::default() }
    }

    /// The record that may be used now. Asks where none is held.
    pub async fn current(&self) -> Result<Arc<PriceRecord>, NoPrice> {
        if let Some(record) = self.held() {
            return Ok(record);
        }
        let waiting_since = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some(record) = self.held() {
            return Ok(record);
        }
        // What somebody else was told while this one waited is its answer too.
        let error = match asked.take().filter(|(ended, _)| *ended >= waiting_since) {
            Some((_, error)) => error,
            None => self.refresh().await.err().map(Arc::new),
        };
        *asked = Some((Instant::now(), error.clone()));
        match (self.held(), error) {
            (Some(record), _) => Ok(record),
            (None, Some(error)) => Err(NoPrice::Call(error)),
            (None, None) => Err(NoPrice::NoRecord),
        }
    }

    fn held(&self) -> Option<Arc<PriceRecord>> {
        self.record.load_full().filter(|record| record.is_current(Timestamp::now()))
    }

    async fn refresh(&self) -> Result<(), CallError> {
        let Some(new) = self.cache.record().await? else { return Ok(()) };
        // A cache that started empty, or went back in time, does not take away a price that is still good.
        if self.held().is_none_or(|held| held.as_of <= new.as_of) {
            self.record.store(Some(Arc::new(new)));
        }
        Ok(())
    }

    /// Asks again and again until `stop`. What is held stays while price-cache-proxy is away, for as long as it is valid.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(REFRESH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut reachable = true;
        loop {
            tokio::select! { () = stop.cancelled() => return, _ = ticks.tick() => {} }
            let result = self.refresh().await;
            match &result {
                Err(error) if reachable => tracing::warn!(error = %error.chain(), "the price record cannot be read"),
                Ok(()) if !reachable => tracing::info!("the price record can be read again"),
                _ => {}
            }
            reachable = result.is_ok();
        }
    }
}
