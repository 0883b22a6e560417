//! The settings of rates.

use std::time::Duration;

use common::{
    config::{Env, Secret},
    server::{RateLimit, TrustedProxies},
};
use url::Url;

#[derive(Clone)]
pub struct Config {
    pub price_cache: Url,
    pub db_proxy: Url,
    pub internal_token: Secret,
    pub rate_limit: RateLimit,
    /// How long after it was true a price is shown as current.
    pub ttl: Duration,
    /// From one board to the next: how long an answer stays the newest.
    pub refresh_interval: Duration,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what internal callers send |
    /// | `PRICE_CACHE_URL` | `http://127.0.0.1:8002` | where price-cache-proxy is |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | where db-proxy is |
    /// | `PRICE_TTL_SECS` | 60 | how long after it was true a price is shown as current |
    /// | `COURSE_REFRESH_SECS` | 5, or `PRICE_REFRESH_SECS` if less | how often courses are asked: how long an answer may be kept |
    /// | `RATES_RATE_LIMIT_PER_MINUTE` | 0: off | requests a minute from one address |
    /// | `TRUSTED_PROXIES` | none | proxies whose `X-Forwarded-For` is believed |
    ///
    /// The limit is off by default, unlike that of orders: an answer comes out of memory and changes nothing, a trader reads
    /// as often as courses change, and whole offices sit behind one address. Counting each reader costs more than answering.
    pub fn read(env: &mut Env) -> Self {
        let per_minute = env.whole_number("RATES_RATE_LIMIT_PER_MINUTE", 0, 0..=100_000_000);
        let trusted = env.parse("TRUSTED_PROXIES", TrustedProxies::default(), "IP addresses with commas between them");
        // As price-updater reads them.
        let refresh = env.seconds("PRICE_REFRESH_SECS", 15, 1..=3600).as_secs();
        let rate_limit = RateLimit::per_minute(u32::try_from(per_minute).unwrap_or(u32::MAX), trusted);
        Self {
            price_cache: env.url("PRICE_CACHE_URL", "http://127.0.0.1:8002"),
            db_proxy: env.url("DB_PROXY_URL", "http://127.0.0.1:8010"),
            internal_token: env.secret("INTERNAL_TOKEN"),
            rate_limit: rate_limit.counting_reads(),
            ttl: env.seconds("PRICE_TTL_SECS", 60, 1..=3600),
            refresh_interval: env.seconds("COURSE_REFRESH_SECS", refresh.min(5), 1..=3600),
        }
    }
}
