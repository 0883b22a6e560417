//! The settings of create-order.

use std::time::Duration;

use common::{
    api::{prices::MAX_TTL_SECS, quotes::MAX_HOLD_SECS},
    config::{Env, Secret},
    money::Currency,
    server::{RateLimit, TrustedProxies},
};
use url::Url;

/// The settings of create-order.
#[derive(Clone)]
pub struct Config {
    /// The currencies that orders are accepted in.
    pub currencies: Vec<Currency>,
    pub rate_limit: RateLimit,
    pub db_proxy: Url,
    pub price_cache: Url,
    /// The public URL of fetch-orders. The `Location` of an order starts with it.
    pub orders_url: Url,
    pub internal_token: Secret,
    /// The lifetime of a quote in seconds.
    pub hold_secs: u32,
    /// The greatest age of a prolonged price. `None`: a prolonged price is used until it expires.
    pub price_max_age: Option<Duration>,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let per_minute = env.whole_number("RATE_LIMIT_PER_MINUTE", 60, 0..=1_000_000);
        let trusted = env.parse("TRUSTED_PROXIES", TrustedProxies::default(), "IP addresses separated by commas");
        Self {
            currencies: currencies(env),
            rate_limit: RateLimit::per_minute(u32::try_from(per_minute).unwrap_or(u32::MAX), trusted),
            db_proxy: env.url("DB_PROXY_URL", "http://127.0.0.1:8010"),
            price_cache: env.url("PRICE_CACHE_URL", "http://127.0.0.1:8002"),
            orders_url: env.url("ORDERS_URL", "http://127.0.0.1:8020"),
            internal_token: env.secret("INTERNAL_TOKEN"),
            hold_secs: u32::try_from(env.whole_number("QUOTE_HOLD_SECS", 30, 1..=MAX_HOLD_SECS.into()))
                .unwrap_or(MAX_HOLD_SECS),
            price_max_age: price_max_age(env),
        }
    }
}

fn price_max_age(env: &mut Env) -> Option<Duration> {
    let allowed = format!("a whole number from 1 to {MAX_TTL_SECS}, or empty to use a price until it expires");
    let parse = |text: &str| text.parse().ok().filter(|seconds| (1..=MAX_TTL_SECS).contains(seconds));
    env.parse_with("PRICE_MAX_AGE_SECS", &allowed, parse).map(Duration::from_secs)
}

fn currencies(env: &mut Env) -> Vec<Currency> {
    let parse = |text: &str| text.split(',').map(|code| code.trim().parse().ok()).collect::<Option<Vec<_>>>();
    env.parse_with("CURRENCIES", "three-letter codes separated by commas, such as EUR,GBP,USD", parse)
        .unwrap_or_else(|| vec![Currency::EUR, Currency::GBP, Currency::USD])
}

#[cfg(test)]
mod tests;
