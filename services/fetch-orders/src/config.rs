//! The settings of fetch-orders.

use common::{
    config::{Caller, CallerToken, Env, ServiceUrls, shared},
    money::Currency,
    server::{AccessConfig, RateLimit, TrustedProxies},
};

#[derive(Clone)]
pub struct Config {
    pub db_proxy: ServiceUrls,
    pub db_proxy_token: CallerToken,
    /// The currencies that the filter of orders accepts.
    pub currencies: Vec<Currency>,
    /// Who may read orders.
    pub access: AccessConfig,
    pub rate_limit: RateLimit,
    pub trusted_proxies: TrustedProxies,
    /// Maximum number of concurrent exports.
    pub max_exports: usize,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `DB_PROXY_TOKEN` | derived from `INTERNAL_TOKEN` | token for calls to db-proxy |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | addresses of db-proxy |
    /// | `CURRENCIES` | `EUR,GBP,USD` | currencies that the filter accepts: the currencies of create-order, and former currencies in which orders exist |
    /// | `OPERATOR_TOKEN` | none; required | the token of operators |
    /// | `ANONYMOUS` | on | whether orders may be read without a key |
    /// | `FETCH_RATE_LIMIT_PER_MINUTE` | 1200 | requests per minute and client address or key; 0: no limit. Operators are not limited |
    /// | `RATE_LIMIT_REDIS_URL` | not set: each instance counts alone | the Redis where all instances count together |
    /// | `TRUSTED_PROXIES` | none | proxies whose `X-Forwarded-For` header is trusted |
    /// | `MAX_EXPORTS` | 8 | how many exports may run at once |
    pub fn from_env(env: &mut Env) -> Self {
        let trusted_proxies = TrustedProxies::from_env(env);
        let trusted = trusted_proxies.clone();
        let rate_limit = RateLimit::from_env(env, "FETCH_RATE_LIMIT_PER_MINUTE", 1200, 100_000_000, trusted);
        Self {
            db_proxy: shared::db_proxy_urls(env),
            db_proxy_token: shared::db_proxy_token(env, Caller::FETCH_ORDERS),
            currencies: shared::currencies(env),
            access: AccessConfig::from_env(env),
            rate_limit,
            trusted_proxies,
            max_exports: shared::max_exports(env),
        }
    }
}
