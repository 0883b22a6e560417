//! The settings of create-order.

use std::time::Duration;

use common::{
    api::{prices::MAX_TTL_SECS, quotes::MAX_HOLD_SECS},
    config::{Env, Secret},
    money::Currency,
    server::{RateLimit, TrustedProxies},
};
use url::Url;

#[derive(Clone)]
pub struct Config {
    /// What an order may be paid in.
    pub currencies: Vec<Currency>,
    pub rate_limit: RateLimit,
    pub db_proxy: Url,
    pub price_cache: Url,
    /// Where users find orders again: the start of every `Location`.
    pub orders_url: Url,
    pub internal_token: Secret,
    /// How long a quote holds its price, in seconds.
    pub hold_secs: u32,
    /// How old a price may be that is prolonged because exchanges do not agree on a newer one. Nothing: as long as it is
    /// valid.
    pub price_max_age: Option<Duration>,
}

impl Config {
    pub fn read(env: &mut Env) -> Self {
        let per_minute = env.whole_number("RATE_LIMIT_PER_MINUTE", 60, 0..=1_000_000);
        let trusted = env.parse("TRUSTED_PROXIES", TrustedProxies::default(), "IP addresses with commas between them");
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
    let allowed = format!("a whole number from 1 to {MAX_TTL_SECS}, or nothing to take a price as long as it is valid");
    let read = |text: &str| text.parse().ok().filter(|seconds| (1..=MAX_TTL_SECS).contains(seconds));
    env.parse_with("PRICE_MAX_AGE_SECS", &allowed, read).map(Duration::from_secs)
}

fn currencies(env: &mut Env) -> Vec<Currency> {
    let read = |text: &str| text.split(',').map(|code| code.trim().parse().ok()).collect::<Option<Vec<_>>>();
    env.parse_with("CURRENCIES", "codes of three letters with commas between them, such as EUR,GBP,USD", read)
        .unwrap_or_else(|| vec![Currency::EUR, Currency::GBP, Currency::USD])
}

#[cfg(test)]
mod tests;
