//! Settings that several services read, with their defaults and ranges.

use std::time::Duration;

use super::{AcceptedCallers, Caller, CallerToken, Env, Secret, ServerKey, ServiceUrls};
use crate::money::Currency;

const INTERNAL_TOKEN: &str = "INTERNAL_TOKEN";
const OPERATOR_TOKEN: &str = "OPERATOR_TOKEN";
const HEALTH_CHECK_TOKEN: &str = "HEALTH_CHECK_TOKEN";
const SERVER_KEY: &str = "SERVER_KEY";
/// The advice in the error for a missing secret that all services share.
const SHARED_SECRET: &str = "set it to a long random text, the same for every service";
/// Default of `PRICE_TTL_SECS`, in seconds.
pub const DEFAULT_PRICE_TTL_SECS: u64 = 60;
/// Default of `COURSE_REFRESH_SECS`, in seconds. If `PRICE_REFRESH_SECS` is smaller, its value is the default.
const DEFAULT_COURSE_REFRESH_SECS: u64 = 5;

/// Reads `INTERNAL_TOKEN`, which is required because the setting `alternative` is not set.
pub(super) fn internal_token(env: &mut Env, alternative: &str) -> Secret {
    let secret = env.secret(INTERNAL_TOKEN, SHARED_SECRET);
    env.add_alternative(INTERNAL_TOKEN, alternative);
    secret
}

/// `DB_PROXY_TOKEN`: the token of this service for db-proxy. Derived from `INTERNAL_TOKEN` by default.
pub fn db_proxy_token(env: &mut Env, caller: Caller) -> CallerToken {
    caller_token(env, "DB_PROXY_TOKEN", caller, "db-proxy")
}

/// `PRICE_CACHE_TOKEN`: the token of this service for price-cache-proxy. Derived from `INTERNAL_TOKEN` by default.
pub fn price_cache_token(env: &mut Env, caller: Caller) -> CallerToken {
    caller_token(env, "PRICE_CACHE_TOKEN", caller, "price-cache-proxy")
}

/// `HEALTH_CHECK_TOKEN`: the token of this service for health-check. Derived from `INTERNAL_TOKEN` by default.
pub fn health_check_token(env: &mut Env, caller: Caller) -> CallerToken {
    caller_token(env, HEALTH_CHECK_TOKEN, caller, "health-check")
}

pub fn has_health_check_token(env: &mut Env) -> bool {
    env.text(HEALTH_CHECK_TOKEN).is_some() || env.text(INTERNAL_TOKEN).is_some()
}

fn caller_token(env: &mut Env, variable: &str, caller: Caller, server: &str) -> CallerToken {
    match env.optional_secret(variable) {
        Some(token) => CallerToken::from(token),
        None => CallerToken::derive(internal_token(env, variable), caller, server),
    }
}

/// `SERVER_KEY`: the key of this server, from which the tokens of its callers are derived. Derived from `INTERNAL_TOKEN` by
/// default. If the key is derived, `INTERNAL_TOKEN` is also a valid token.
pub fn accepted_callers(env: &mut Env, server: &str) -> AcceptedCallers {
    match env.optional_secret(SERVER_KEY) {
        Some(key) => AcceptedCallers::of_key(&ServerKey::new(key)),
        None => AcceptedCallers::of_internal_token(internal_token(env, SERVER_KEY), server),
    }
}

/// Like [`accepted_callers`]. `None` if neither `SERVER_KEY` nor `INTERNAL_TOKEN` is set.
pub fn optional_accepted_callers(env: &mut Env, server: &str) -> Option<AcceptedCallers> {
    let is_set = env.text(SERVER_KEY).is_some() || env.text(INTERNAL_TOKEN).is_some();
    is_set.then(|| accepted_callers(env, server))
}

/// `OPERATOR_TOKEN`: the secret that operators send. `None` if the variable is not set.
pub fn operator_token(env: &mut Env) -> Option<Secret> {
    env.optional_secret(OPERATOR_TOKEN)
}

/// Like [`operator_token`], but required, for a service that has operations for operators.
pub fn required_operator_token(env: &mut Env) -> Secret {
    env.secret(OPERATOR_TOKEN, SHARED_SECRET)
}

/// `ANONYMOUS`: whether customers may use services without an API key.
pub fn anonymous_is_on(env: &mut Env) -> bool {
    let parse = |text: &str| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    env.parse_with("ANONYMOUS", "on or off", parse).unwrap_or(true)
}

/// `DB_PROXY_URL`: the addresses of the instances of db-proxy.
pub fn db_proxy_urls(env: &mut Env) -> ServiceUrls {
    env.service_urls("DB_PROXY_URL", "db-proxy", 8010)
}

/// `PRICE_CACHE_URL`: the addresses of the instances of price-cache-proxy.
pub fn price_cache_urls(env: &mut Env) -> ServiceUrls {
    env.service_urls("PRICE_CACHE_URL", "price-cache-proxy", 8002)
}

/// `SIMULATED`: whether every price is simulated. `None` if the variable is not set.
pub fn simulated(env: &mut Env) -> Option<bool> {
    env.parse_with("SIMULATED", "true or false", |text| text.parse().ok())
}

/// `CURRENCIES`: the currencies that are priced and that orders may use, each once.
pub fn currencies(env: &mut Env) -> Vec<Currency> {
    let parse = |text: &str| parse_distinct(text, |code| code.parse().ok());
    env.parse_with("CURRENCIES", "three-letter codes separated by commas, such as EUR,GBP,USD", parse)
        .unwrap_or_else(|| vec![Currency::EUR, Currency::GBP, Currency::USD])
}

/// `MAX_EXPORTS`: how many exports an instance runs at the same time.
pub fn max_exports(env: &mut Env) -> usize {
    usize::try_from(env.whole_number("MAX_EXPORTS", 8, 1..=1000)).unwrap_or(1)
}

/// `PRICE_REFRESH_SECS`: the interval at which a price is published.
pub fn price_refresh_interval(env: &mut Env) -> Duration {
    env.seconds("PRICE_REFRESH_SECS", 15, 1..=3600)
}

/// `COURSE_REFRESH_SECS`: the interval at which sources are polled. At most `PRICE_REFRESH_SECS`.
pub fn course_refresh_interval(env: &mut Env) -> Duration {
    let longest = price_refresh_interval(env).as_secs();
    env.seconds("COURSE_REFRESH_SECS", DEFAULT_COURSE_REFRESH_SECS.min(longest), 1..=longest)
}

/// `PRICE_TTL_SECS`: how long after its observation a price is valid.
pub fn price_ttl(env: &mut Env) -> Duration {
    env.seconds("PRICE_TTL_SECS", DEFAULT_PRICE_TTL_SECS, 1..=3600)
}

/// The elements of a comma-separated list, each once. Empty elements are ignored. Returns `None` if there are no elements, or
/// if `parse` returns `None` for an element.
pub fn parse_distinct<T: PartialEq>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let element = parse(element)?;
        if !all.contains(&element) {
            all.push(element);
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests;
