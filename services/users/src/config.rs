//! The settings of the service `users`.

use common::{
    config::{Caller, CallerToken, Env, ServiceUrls, shared},
    server::{AccessConfig, RateLimit, TrustedProxies},
};

#[derive(Clone)]
pub struct Config {
    pub db_proxy: ServiceUrls,
    pub db_proxy_token: CallerToken,
    /// The operator token. The setting for requests without an API key has no effect here.
    pub access: AccessConfig,
    pub rate_limit: RateLimit,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `DB_PROXY_TOKEN` | derived from `INTERNAL_TOKEN` | token for calls of db-proxy |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | addresses of db-proxy |
    /// | `OPERATOR_TOKEN` | none; required | the token of operators, who manage users |
    /// | `ANONYMOUS` | on | without effect here: every operation on users needs credentials |
    /// | `USERS_RATE_LIMIT_PER_MINUTE` | 1200 | requests per minute and client address or key; 0: no limit. Operators are not limited |
    /// | `RATE_LIMIT_REDIS_URL` | not set: each instance counts alone | the Redis where all instances count together |
    /// | `TRUSTED_PROXIES` | none | proxies whose `X-Forwarded-For` header is trusted |
    pub fn from_env(env: &mut Env) -> Self {
        let trusted_proxies = TrustedProxies::from_env(env);
        let rate_limit = RateLimit::from_env(env, "USERS_RATE_LIMIT_PER_MINUTE", 1200, 100_000_000, trusted_proxies);
        Self {
            db_proxy: shared::db_proxy_urls(env),
            db_proxy_token: shared::db_proxy_token(env, Caller::USERS),
            access: AccessConfig::from_env(env),
            rate_limit,
        }
    }
}
