//! The current price record, held in memory so that an order does not wait for a call.
//!
//! The record says itself when it runs out, so one that is kept here is never used too long, whatever happens to
//! price-cache-proxy.

use std::{sync::Arc, time::Duration};

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
    Call(#[source] CallError),
}

#[derive(Clone)]
pub struct Prices {
    cache: PriceCache,
    record: Arc<ArcSwapOption<PriceRecord>>,
    /// Held while asking, so that many orders that find no price ask once.
    asking: Arc<Mutex<()>>,
}

impl Prices {
    pub fn new(cache: PriceCache) -> Self {
        Self { cache, record: Arc::default(), asking: Arc::default() }
    }

    /// The record that may be used now. Asks where none is held.
    pub async fn current(&self) -> Result<Arc<PriceRecord>, NoPrice> {
        if let Some(record) = self.held() {
            return Ok(record);
        }
        let _asking = self.asking.lock().await;
        if let Some(record) = self.held() {
            return Ok(record);
        }
        self.refresh().await.map_err(NoPrice::Call)?;
        self.held().ok_or(NoPrice::NoRecord)
    }

    fn held(&self) -> Option<Arc<PriceRecord>> {
        self.record.load_full().filter(|record| record.is_current(Timestamp::now()))
    }

    async fn refresh(&self) -> Result<(), CallError> {
        let record = self.cache.record().await?;
        self.record.store(record.map(Arc::new));
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
                Err(error) if reachable => tracing::warn!(%error, "the price record cannot be read"),
                Ok(()) if !reachable => tracing::info!("the price record can be read again"),
                _ => {}
            }
            reachable = result.is_ok();
        }
    }
}
