//! The settings of the service `wallets`.

use common::{
    config::{Caller, CallerToken, Env, ServiceUrls, shared},
    money::Currency,
    server::{AccessConfig, RateLimit, TrustedProxies},
};

/// Requests per minute. A shop may send 2000 operations per second with one API key. The rate limit only stops a client that
/// would use the whole capacity of the service.
const DEFAULT_RATE_LIMIT: u64 = 120_000;
const MAX_RATE_LIMIT: u32 = 100_000_000;

#[derive(Clone)]
pub struct Config {
    pub db_proxy: ServiceUrls,
    pub db_proxy_token: CallerToken,
    /// The currencies of new wallets.
    pub currencies: Vec<Currency>,
    /// The operator token, and whether requests without an API key are permitted.
    pub access: AccessConfig,
    pub rate_limit: RateLimit,
    pub trusted_proxies: TrustedProxies,
    /// Maximum number of concurrent exports.
    pub max_exports: usize,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `DB_PROXY_TOKEN` | derived from `INTERNAL_TOKEN` | token for calls of db-proxy |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | addresses of db-proxy |
    /// | `CURRENCIES` | `EUR,GBP,USD` | the currencies of new wallets, besides `RUB` and `BTC` |
    /// | `OPERATOR_TOKEN` | none; required | the token of operators, who read all wallets |
    /// | `ANONYMOUS` | on | whether wallets may be used without a key |
    /// | `WALLETS_RATE_LIMIT_PER_MINUTE` | 120000 | requests per minute and client address or key; 0: no limit. Operators are not limited |
    /// | `RATE_LIMIT_REDIS_URL` | not set: each instance counts alone | the Redis where all instances count together |
    /// | `TRUSTED_PROXIES` | none | proxies whose `X-Forwarded-For` header is trusted |
    /// | `MAX_EXPORTS` | 8 | how many exports may run at once |
    pub fn from_env(env: &mut Env) -> Self {
        let trusted_proxies = TrustedProxies::from_env(env);
        let rate_limit = RateLimit::from_env(
            env,
            "WALLETS_RATE_LIMIT_PER_MINUTE",
            DEFAULT_RATE_LIMIT,
            MAX_RATE_LIMIT,
            trusted_proxies.clone(),
        );
        Self {
            db_proxy: shared::db_proxy_urls(env),
            db_proxy_token: shared::db_proxy_token(env, Caller::WALLETS),
            currencies: wallet_currencies(shared::currencies(env)),
            access: AccessConfig::from_env(env),
            rate_limit,
            trusted_proxies,
            max_exports: shared::max_exports(env),
        }
    }
}

/// Adds RUB and BTC: wallets can have these currencies even if orders cannot.
fn wallet_currencies(mut currencies: Vec<Currency>) -> Vec<Currency> {
    for currency in [Currency::RUB, Currency::BTC] {
        if !currencies.contains(&currency) {
            currencies.push(currency);
        }
    }
    currencies
}
