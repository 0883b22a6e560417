//! The settings of rates.

use std::time::Duration;

use common::{
    config::{Caller, CallerToken, Env, ServiceUrls, shared},
    server::{RateLimit, TrustedProxies},
};

#[derive(Clone)]
pub struct Config {
    pub price_cache: ServiceUrls,
    pub db_proxy: ServiceUrls,
    pub db_proxy_token: CallerToken,
    pub price_cache_token: CallerToken,
    pub rate_limit: RateLimit,
    /// Lifetime of an agreed price without an expiry time, counted from its `as_of`.
    pub price_ttl: Duration,
    /// Interval between market snapshots. Clients may cache a response for at most this time.
    pub refresh_interval: Duration,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `DB_PROXY_TOKEN`, `PRICE_CACHE_TOKEN` | derived from `INTERNAL_TOKEN` | tokens for calls to these services |
    /// | `PRICE_CACHE_URL` | `http://127.0.0.1:8002` | addresses of price-cache-proxy |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | addresses of db-proxy |
    /// | `PRICE_TTL_SECS` | 60 | how long after its `as_of` an agreed price without an expiry time may be used |
    /// | `COURSE_REFRESH_SECS` | the smaller of 5 and `PRICE_REFRESH_SECS` | interval between market snapshots; clients may cache a response for at most this time |
    /// | `RATES_RATE_LIMIT_PER_MINUTE` | 6000 | requests per minute and client address; 0: no limit |
    /// | `RATE_LIMIT_REDIS_URL` | not set: each instance counts alone | the Redis where all instances count together |
    /// | `TRUSTED_PROXIES` | none | proxies whose `X-Forwarded-For` header is trusted |
    ///
    /// The rate limit is far above the rate limit of orders. Most responses are served from memory, and no request has
    /// side effects. Traders read as often as courses change, and many of them share one IP address.
    pub fn from_env(env: &mut Env) -> Self {
        let trusted = TrustedProxies::from_env(env);
        let rate_limit = RateLimit::from_env(env, "RATES_RATE_LIMIT_PER_MINUTE", 6000, 100_000_000, trusted);
        Self {
            price_cache: shared::price_cache_urls(env),
            db_proxy: shared::db_proxy_urls(env),
            db_proxy_token: shared::db_proxy_token(env, Caller::RATES),
            price_cache_token: shared::price_cache_token(env, Caller::RATES),
            rate_limit,
            price_ttl: shared::price_ttl(env),
            refresh_interval: shared::course_refresh_interval(env),
        }
    }
}
