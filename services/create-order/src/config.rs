//! The settings of create-order.

use std::time::Duration;

use common::{
    api::{prices::MAX_TTL_SECS, quotes::MAX_HOLD_SECS},
    config::{Caller, CallerToken, Env, ServiceUrls, shared},
    money::Currency,
    server::{AccessConfig, RateLimit, TrustedProxies},
};
use url::Url;

use crate::amount_bounds::AmountBounds;

const MAX_RATE_LIMIT: u32 = 1_000_000;

#[derive(Clone)]
pub struct Config {
    /// The currencies that orders are accepted in.
    pub currencies: Vec<Currency>,
    pub amount_bounds: AmountBounds,
    /// The operator token, and whether requests without an API key are permitted.
    pub access: AccessConfig,
    pub rate_limit: RateLimit,
    /// The proxies whose `X-Forwarded-For` header names the client.
    pub trusted_proxies: TrustedProxies,
    pub db_proxy: ServiceUrls,
    pub price_cache: ServiceUrls,
    /// The public URL of this service or of fetch-orders. The `Location` of an order starts with this URL. If it is
    /// `None`, `Location` is a path without a host.
    pub orders_url: Option<Url>,
    /// The URL of fetch-orders, to which create-order forwards reads of orders.
    pub fetch_orders: Url,
    /// The URL of `rates`, to which create-order forwards reads of prices.
    pub rates: Url,
    pub db_proxy_token: CallerToken,
    pub price_cache_token: CallerToken,
    /// The lifetime of a quote in seconds.
    pub hold_secs: u32,
    /// Maximum age of a prolonged price. If it is `None`, a prolonged price is used until it expires.
    pub price_max_age: Option<Duration>,
    /// The interval at which price-updater publishes prices. If there is no price, `Retry-After` is this interval.
    pub publish_interval: Duration,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let trusted_proxies = TrustedProxies::from_env(env);
        let currencies = shared::currencies(env);
        Self {
            amount_bounds: AmountBounds::from_env(env, &currencies),
            currencies,
            access: AccessConfig::from_env(env),
            rate_limit: rate_limit(env, &trusted_proxies),
            trusted_proxies,
            db_proxy: shared::db_proxy_urls(env),
            price_cache: shared::price_cache_urls(env),
            orders_url: orders_url(env),
            fetch_orders: env.service_url("FETCH_ORDERS_URL", "fetch-orders", 8020),
            rates: env.service_url("RATES_URL", "rates", 8040),
            db_proxy_token: shared::db_proxy_token(env, Caller::CREATE_ORDER),
            price_cache_token: shared::price_cache_token(env, Caller::CREATE_ORDER),
            hold_secs: u32::try_from(env.whole_number("QUOTE_HOLD_SECS", 30, 1..=MAX_HOLD_SECS.into()))
                .unwrap_or(MAX_HOLD_SECS),
            price_max_age: price_max_age(env),
            publish_interval: shared::price_refresh_interval(env),
        }
    }
}

/// All changes share one rate limit. Reads of quotes have a second rate limit. fetch-orders and `rates` count the
/// forwarded reads.
fn rate_limit(env: &mut Env, trusted_proxies: &TrustedProxies) -> RateLimit {
    let changes = RateLimit::from_env(env, "RATE_LIMIT_PER_MINUTE", 60, MAX_RATE_LIMIT, trusted_proxies.clone());
    let reads = env.whole_number("QUOTE_READ_RATE_LIMIT_PER_MINUTE", 1200, 0..=MAX_RATE_LIMIT.into());
    changes.with_reads("/api/v1/quotes/", u32::try_from(reads).unwrap_or(MAX_RATE_LIMIT))
}

fn orders_url(env: &mut Env) -> Option<Url> {
    let is_set = env.text("ORDERS_URL").is_some();
    let url = env.url("ORDERS_URL", "http://127.0.0.1:8001");
    is_set.then_some(url)
}

fn price_max_age(env: &mut Env) -> Option<Duration> {
    let allowed = format!("a whole number from 1 to {MAX_TTL_SECS}, or empty to use a price until it expires");
    let parse = |text: &str| text.parse().ok().filter(|seconds| (1..=MAX_TTL_SECS).contains(seconds));
    env.parse_with("PRICE_MAX_AGE_SECS", &allowed, parse).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
