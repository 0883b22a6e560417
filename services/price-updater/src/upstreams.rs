//! Where what is found out goes: over the network, or in a test straight into the logic of the services behind.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::{
        courses::{CoursesWritten, MarketSnapshot, NewCourses},
        leases::Lease,
        prices::{NewPriceRecord, PriceRecord},
    },
    clients::{CallError, ServiceClient, db_proxy::DbProxyClient, http_client, price_cache::PriceCacheClient},
};

use crate::config::Config;

/// What price-updater tells other services, and asks them.
#[async_trait]
pub trait Upstreams: Send + Sync {
    /// The record that is kept now.
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError>;

    /// Writes the record, which lasts `ttl` from its own `as_of`; again and again for `patience` at most. Answers with the
    /// one that is kept then.
    async fn write_record(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        patience: Duration,
    ) -> Result<PriceRecord, CallError>;

    async fn write_snapshot(&self, board: &MarketSnapshot) -> Result<(), CallError>;

    /// Writes courses down where they changed.
    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError>;

    /// Takes or renews a lease; answers with who has it.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError>;
}

/// price-cache-proxy and db-proxy, over the network.
pub(crate) struct HttpUpstreams {
    cache: PriceCacheClient,
    db_proxy: DbProxyClient,
}

impl HttpUpstreams {
    pub(crate) fn new(config: &Config) -> Self {
        let http = http_client();
        let token = config.internal_token.clone();
        let cache = ServiceClient::new(http.clone(), PriceCacheClient::SERVICE, config.cache.clone(), token.clone());
        let db_proxy = ServiceClient::new(http, DbProxyClient::SERVICE, config.db_proxy.clone(), token);
        Self { cache: PriceCacheClient(cache), db_proxy: DbProxyClient(db_proxy) }
    }
}

#[async_trait]
impl Upstreams for HttpUpstreams {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        self.cache.price_record().await
    }

    async fn write_record(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        patience: Duration,
    ) -> Result<PriceRecord, CallError> {
        self.cache.put_price_record_within(record, ttl, patience).await
    }

    async fn write_snapshot(&self, board: &MarketSnapshot) -> Result<(), CallError> {
        self.cache.put_market_snapshot(board).await.map(drop)
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.db_proxy.write_courses(courses).await
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        self.cache.acquire_lease(name, holder, ttl).await
    }
}
