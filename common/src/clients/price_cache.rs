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
    config::{CallerToken, ServiceUrls},
    time::Timestamp,
};

pub use self::watch::{DocumentSource, EventBytes, PriceCacheWatch};

/// Deadline of one call, including retries.
const DEADLINE: Duration = Duration::from_secs(2);
/// Base delay before a price record is sent again for the first time; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(125);
/// Maximum base delay before a price record is sent again.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Reads and writes the price record and the market snapshot, and acquires leases.
#[derive(Debug, Clone)]
pub struct PriceCacheClient(pub ServiceClient);

impl PriceCacheClient {
    pub const SERVICE: &'static str = "price-cache-proxy";

    /// Calls one of the instances at `urls`.
    pub fn new(http: reqwest::Client, urls: impl Into<ServiceUrls>, token: impl Into<CallerToken>) -> Self {
        Self(ServiceClient::new(http, Self::SERVICE, urls, token))
    }

    /// The current price record, if there is one.
    pub async fn price_record(&self) -> Result<Option<PriceRecord>, CallError> {
        self.get_optional("/record").await
    }

    /// The current market snapshot, if there is one.
    pub async fn market_snapshot(&self) -> Result<Option<MarketSnapshot>, CallError> {
        self.get_optional("/board").await
    }

    /// Stores `snapshot`, unless a newer snapshot is stored. Returns the `as_of` of the snapshot that is stored after the call.
    pub async fn put_market_snapshot(&self, snapshot: &MarketSnapshot) -> Result<Timestamp, CallError> {
        let stored: SnapshotStored =
            self.0.call_json(Method::POST, "/board", Some(snapshot), Retry::Safe, DEADLINE).await?;
        Ok(stored.as_of)
    }

    /// Acquires the lease if it is free, or renews it if `holder` already holds it. `ttl` is 1 to 3600 whole seconds. Returns
    /// the current lease, which may belong to another holder.
    pub async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let request = LeaseRequest { name: name.to_owned(), holder: holder.to_owned(), ttl_secs: ttl.as_secs() };
        self.0.call_json(Method::POST, "/lease", Some(&request), Retry::Safe, DEADLINE).await
    }

    async fn get_optional<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CallError> {
        let bytes = self.0.call_bytes(Method::GET, path, None::<&()>, Retry::Safe, DEADLINE).await?;
        if bytes.is_empty() { Ok(None) } else { self.0.parse_response(&bytes).map(Some) }
    }

    /// Stores `record`, unless a newer record is stored. Returns the record that is stored after the call.
    ///
    /// A price without an expiry of its own expires `ttl` after it was observed. Sending a record again does not extend its
    /// validity.
    pub async fn put_price_record(&self, record: &NewPriceRecord, ttl: Duration) -> Result<PriceRecord, CallError> {
        self.put_price_record_once(record, ttl, DEADLINE).await
    }

    /// Like [`PriceCacheClient::put_price_record`], but retries for at most `time_limit` while price-cache-proxy is
    /// unavailable.
    pub async fn put_price_record_within(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        time_limit: Duration,
    ) -> Result<PriceRecord, CallError> {
        let end = Instant::now() + time_limit;
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
        loop {
            let remaining = end.saturating_duration_since(Instant::now());
            let error = match self.put_price_record_once(record, ttl, remaining.min(DEADLINE)).await {
                Ok(stored) => return Ok(stored),
                Err(error) => error,
            };
            let delay = backoff.next_delay();
            if !is_transient(&error) || Instant::now() + delay >= end {
                return Err(error);
            }
            tokio::time::sleep(delay).await;
        }
    }

    async fn put_price_record_once(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        deadline: Duration,
    ) -> Result<PriceRecord, CallError> {
        let path = format!("/add/?ttl={}", ttl.as_secs());
        self.0.call_json(Method::POST, &path, Some(record), Retry::Safe, deadline).await
    }
}

/// Whether sending the same record again can succeed after this error.
fn is_transient(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(..) | CallError::NoResponse(..) => true,
        CallError::Problem(_, problem) => problem.code.status() == StatusCode::SERVICE_UNAVAILABLE,
        CallError::TokenRefused(..) | CallError::InvalidResponse(..) => false,
    }
}
