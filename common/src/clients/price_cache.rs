//! The client of price-cache-proxy.

use std::time::Duration;

use poem::http::Method;

use super::{CallError, Caller, Retry};
use crate::api::prices::{NewPriceRecord, PriceRecord};

const DEADLINE: Duration = Duration::from_secs(2);

/// Reads and writes the current price record.
#[derive(Debug, Clone)]
pub struct PriceCache(pub Caller);

impl PriceCache {
    pub const SERVICE: &'static str = "price-cache-proxy";

    /// The current record; nothing where there is none.
    pub async fn record(&self) -> Result<Option<PriceRecord>, CallError> {
        let bytes = self.0.bytes(Method::GET, "/record", None::<&()>, Retry::Safe, DEADLINE).await?;
        if bytes.is_empty() { Ok(None) } else { self.0.read(&bytes).map(Some) }
    }

    /// Replaces the record. It runs out `ttl` after it was observed, however often it is sent.
    pub async fn put(&self, record: &NewPriceRecord, ttl: Duration) -> Result<PriceRecord, CallError> {
        let path = format!("/add/?ttl={}", ttl.as_secs());
        self.0.json(Method::POST, &path, Some(record), Retry::Safe, DEADLINE).await
    }
}
