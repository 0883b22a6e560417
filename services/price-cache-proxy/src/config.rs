//! The settings of price-cache-proxy.

use common::config::{Env, Secret, redact_password, shared};
use redis::{ConnectionInfo, IntoConnectionInfo};

/// Where the record is kept.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In this process: gone when it ends, and not shared with another instance.
    Memory,
    Redis(RedisConfig),
}

/// One Redis, version 6.2 or later.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub server: ConnectionInfo,
    /// What every key starts with.
    pub key_prefix: String,
}

impl RedisConfig {
    /// Fails for an address that is not of the form `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`.
    pub fn new(url: &str, key_prefix: impl Into<String>) -> Result<Self, redis::RedisError> {
        Ok(Self { server: url.into_connection_info()?, key_prefix: key_prefix.into() })
    }
}

/// The settings of price-cache-proxy.
#[derive(Debug, Clone)]
pub struct Config {
    pub internal_token: Secret,
    pub store: StoreConfig,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what internal callers send |
    /// | `REDIS_URL` | not set: in memory | `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` |
    /// | `REDIS_KEY_PREFIX` | `buydesk:` | what every key in Redis starts with |
    pub fn read(env: &mut Env) -> Self {
        let internal_token = shared::internal_token(env);
        let key_prefix = env.text("REDIS_KEY_PREFIX").unwrap_or("buydesk:").to_owned();
        let url = env.text("REDIS_URL").map(str::to_owned);
        let store = url.map_or(StoreConfig::Memory, |url| {
            let redis = url.starts_with("redis://").then(|| RedisConfig::new(&url, key_prefix).ok()).flatten();
            redis.map_or_else(
                || {
                    let allowed = "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or nothing to keep prices in memory";
                    env.add_error("REDIS_URL", Some(redact_password(&url)), allowed);
                    StoreConfig::Memory
                },
                StoreConfig::Redis,
            )
        });
        Self { internal_token, store }
    }
}

#[cfg(test)]
mod tests;
