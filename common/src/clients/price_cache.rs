//! The client of price-cache-proxy.

use std::time::{Duration, Instant};

use poem::http::{Method, StatusCode};

use super::{CallError, Caller, Retry};
use crate::api::prices::{NewPriceRecord, PriceRecord};

const DEADLINE: Duration = Duration::from_secs(2);
/// First wait before a record is put again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Reads and writes the current price record.
#[derive(Debug, Clone)]
pub struct PriceCache(pub Caller);

impl PriceCache {
    pub const SERVICE: &'static str = "price-cache-proxy";

    /// The current record; nothing where there is none.
    pub async fn record(&self) -> Result<Option<PriceRecord>, CallError> {
        let bytes = self.0.bytes(Method::GET, "/record", None::<&()>, Retry::Safe, DEADLINE).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| CallError::Garbled(Self::SERVICE, error.to_string()))
    }

    /// Replaces the record, unless the one that is kept was observed later. It runs out `ttl` after it was observed,
    /// however often it is sent. Answers with the record that is kept now.
    pub async fn put(&self, record: &NewPriceRecord, ttl: Duration) -> Result<PriceRecord, CallError> {
        self.put_once(record, ttl, DEADLINE).await
    }

    /// As [`PriceCache::put`], again and again for `patience` at most, also where the cache says that it cannot right now.
    pub async fn put_within(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        patience: Duration,
    ) -> Result<PriceRecord, CallError> {
        let end = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match self.put_once(record, ttl, left.min(DEADLINE)).await {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            // Half of it at random, so that writers that failed together do not come back together.
            let wait = pause / 2 + pause / 2 * fastrand::u32(0..=1000) / 1000;
            if !passes(&error) || Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn put_once(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        limit: Duration,
    ) -> Result<PriceRecord, CallError> {
        let path = format!("/add/?ttl={}", ttl.as_secs());
        self.0.json(Method::POST, &path, Some(record), Retry::Safe, limit).await
    }
}

/// Whether the same record may be taken a moment later.
fn passes(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(..) | CallError::NoAnswer(..) => true,
        CallError::Problem(_, problem) => problem.code.status() == StatusCode::SERVICE_UNAVAILABLE,
        CallError::Garbled(..) => false,
    }
}
