//! The client of price-cache-proxy.

mod watch;

use std::time::{Duration, Instant};

use poem::http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::{CallError, Retry, ServiceClient};
use crate::{
    api::{
        courses::{MarketSnapshot, SnapshotStored},
        leases::{Lease, LeaseRequest},
        prices::{NewPriceRecord, PriceRecord},
    },
    concurrency::backoff::Backoff,
    time::Timestamp,
};

pub use self::watch::{DocumentSource, EventBytes, PriceCacheWatch};

const DEADLINE: Duration = Duration::from_secs(2);
/// First wait before a record is put again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(125);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Reads and writes what is current: the price record, the board, and who holds which lease.
#[derive(Debug, Clone)]
pub struct PriceCacheClient(pub ServiceClient);

impl PriceCacheClient {
    pub const SERVICE: &'static str = "price-cache-proxy";

    /// The current record; nothing where there is none.
    pub async fn price_record(&self) -> Result<Option<PriceRecord>, CallError> {
        self.read("/record").await
    }

    /// The newest board; nothing where there is none.
    pub async fn market_snapshot(&self) -> Result<Option<MarketSnapshot>, CallError> {
        self.read("/board").await
    }

    /// Replaces the board, unless the one that is kept is newer. Answers with the time of the one that is kept now.
    pub async fn put_market_snapshot(&self, board: &MarketSnapshot) -> Result<Timestamp, CallError> {
        let kept: SnapshotStored = self.0.call_json(Method::POST, "/board", Some(board), Retry::Safe, DEADLINE).await?;
        Ok(kept.as_of)
    }

    /// Takes the lease for `ttl` (whole seconds, 1 to 3600) where it is free, or renews it where `holder` has it. Tells who
    /// holds it now, which may be somebody else.
    pub async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let ask = LeaseRequest { name: name.to_owned(), holder: holder.to_owned(), ttl_secs: ttl.as_secs() };
        self.0.call_json(Method::POST, "/lease", Some(&ask), Retry::Safe, DEADLINE).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CallError> {
        let bytes = self.0.call_bytes(Method::GET, path, None::<&()>, Retry::Safe, DEADLINE).await?;
        if bytes.is_empty() { Ok(None) } else { self.0.parse_response(&bytes).map(Some) }
    }

    /// Replaces the record, unless the one that is kept was observed later. It runs out `ttl` after it was observed,
    /// however often it is sent. Answers with the record that is kept now.
    pub async fn put_price_record(&self, record: &NewPriceRecord, ttl: Duration) -> Result<PriceRecord, CallError> {
        self.put_once(record, ttl, DEADLINE).await
    }

    /// As [`PriceCacheClient::put_price_record`], again and again for `patience` at most, also where the cache says that it cannot right now.
    pub async fn put_price_record_within(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        patience: Duration,
    ) -> Result<PriceRecord, CallError> {
        let end = Instant::now() + patience;
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match self.put_once(record, ttl, left.min(DEADLINE)).await {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            let wait = backoff.next_delay();
            if !passes(&error) || Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn put_once(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        limit: Duration,
    ) -> Result<PriceRecord, CallError> {
        let path = format!("/add/?ttl={}", ttl.as_secs());
        self.0.call_json(Method::POST, &path, Some(record), Retry::Safe, limit).await
    }
}

/// Whether the same record may be taken a moment later.
fn passes(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(..) | CallError::NoResponse(..) => true,
        CallError::Problem(_, problem) => problem.code.status() == StatusCode::SERVICE_UNAVAILABLE,
        CallError::InvalidResponse(..) => false,
    }
}
