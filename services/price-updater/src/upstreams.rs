//! The services that prices are sent to: price-cache-proxy and db-proxy. Tests replace them. A *course* is the last
//! price of one pair at one source.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::{
        courses::{CoursesWritten, MarketSnapshot, NewCourses},
        leases::Lease,
        prices::{NewPriceRecord, PriceRecord},
    },
    clients::{CallError, db_proxy::DbProxyClient, http_client, price_cache::PriceCacheClient},
    time::Timestamp,
};

use crate::config::Config;

/// A record to be written. A price without an expiry of its own expires `ttl` after its observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    pub record: NewPriceRecord,
    pub ttl: Duration,
}

impl RecordWrite {
    /// Whether the record has a price that is current at `now`. price-cache-proxy refuses a record without a current
    /// price.
    pub(crate) fn is_current(&self, now: Timestamp) -> bool {
        self.record.is_current(self.ttl, now)
    }
}

/// The operations of price-cache-proxy and db-proxy that price-updater uses.
#[async_trait]
pub trait Upstreams: Send + Sync {
    /// The record in price-cache-proxy. `None` if there is no record, or if it has expired.
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError>;

    /// Writes a record to price-cache-proxy. Failures are retried for at most `retry_for`. Returns the record that
    /// price-cache-proxy has afterwards: the written record, or a newer record.
    async fn write_record(&self, write: &RecordWrite, retry_for: Duration) -> Result<PriceRecord, CallError>;

    /// Writes the market snapshot to price-cache-proxy.
    async fn write_snapshot(&self, snapshot: &MarketSnapshot) -> Result<(), CallError>;

    /// Stores courses in db-proxy. Courses that have not changed are ignored.
    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError>;

    /// Acquires or renews a lease in price-cache-proxy, unless another holder has it. Returns the current lease with
    /// its holder.
    async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError>;
}

/// price-cache-proxy and db-proxy over HTTP.
pub(crate) struct HttpUpstreams {
    cache: PriceCacheClient,
    db_proxy: DbProxyClient,
}

impl HttpUpstreams {
    pub(crate) fn new(config: &Config) -> Self {
        let http = http_client();
        let (cache_token, db_proxy_token) = (config.price_cache_token.clone(), config.db_proxy_token.clone());
        Self {
            cache: PriceCacheClient::new(http.clone(), config.price_cache_urls.clone(), cache_token),
            db_proxy: DbProxyClient::new(http, config.db_proxy_urls.clone(), db_proxy_token),
        }
    }
}

#[async_trait]
impl Upstreams for HttpUpstreams {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        self.cache.price_record().await
    }

    async fn write_record(&self, write: &RecordWrite, retry_for: Duration) -> Result<PriceRecord, CallError> {
        self.cache.put_price_record_within(&write.record, write.ttl, retry_for).await
    }

    async fn write_snapshot(&self, snapshot: &MarketSnapshot) -> Result<(), CallError> {
        self.cache.put_market_snapshot(snapshot).await.map(drop)
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.db_proxy.write_courses(courses).await
    }

    async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        self.cache.acquire_lease(name, holder, ttl).await
    }
}
