//! The settings of price-cache-proxy.

mod redis_url;

use common::{
    config::{AcceptedCallers, Caller, Env, redact_password, shared},
    time::Clock,
};

use self::redis_url::ALLOWED_URLS;
pub use self::redis_url::RedisServer;

/// Where documents and leases are stored.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In the memory of this process. Other instances have no access to it.
    Memory,
    Redis(RedisConfig),
}

/// One Redis, version 6.2 or later.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub server: RedisServer,
    /// Prefix of every key and channel.
    pub key_prefix: String,
}

impl RedisConfig {
    /// Fails if `url` is not one of the URLs in [`ALLOWED_URLS`].
    pub fn new(url: &str, key_prefix: impl Into<String>) -> Result<Self, redis::RedisError> {
        Ok(Self { server: RedisServer::parse(url)?, key_prefix: key_prefix.into() })
    }
}

#[derive(Debug, Clone)]
pub struct Config {
    pub accepted_callers: AcceptedCallers,
    pub store: StoreConfig,
    /// The system clock outside of tests.
    pub clock: Clock,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `SERVER_KEY` | derived from `INTERNAL_TOKEN` | the key of the tokens of callers |
    /// | `REDIS_URL` | not set: stored in memory | `redis://…` or `redis+sentinel://…`; see [`ALLOWED_URLS`] |
    /// | `REDIS_KEY_PREFIX` | `buydesk:` | prefix of every key and channel in Redis |
    pub fn from_env(env: &mut Env) -> Self {
        let accepted_callers = shared::accepted_callers(env, Caller::PRICE_CACHE_PROXY.as_str());
        let key_prefix = env.text("REDIS_KEY_PREFIX").unwrap_or("buydesk:").to_owned();
        let url = env.text("REDIS_URL").map(str::to_owned);
        let store = url.map_or(StoreConfig::Memory, |url| {
            RedisConfig::new(&url, key_prefix).map_or_else(
                |_| {
                    env.add_error("REDIS_URL", redact_password(&url), ALLOWED_URLS);
                    StoreConfig::Memory
                },
                StoreConfig::Redis,
            )
        });
        Self { accepted_callers, store, clock: Clock::System }
    }
}

#[cfg(test)]
mod tests;
