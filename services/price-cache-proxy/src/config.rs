//! The settings of price-cache-proxy.

use common::{
    config::{AcceptedCallers, Caller, Env, shared},
    redis_connection::RedisConfig,
    time::Clock,
};

/// Where documents and leases are stored.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In the memory of this process. Other instances have no access to this memory.
    Memory,
    Redis(RedisConfig),
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
    /// | `SERVER_KEY` | derived from `INTERNAL_TOKEN` | the key from which the tokens of callers are derived |
    /// | `REDIS_URL` | not set: stored in memory | `redis://…` or `redis+sentinel://…`; see [`RedisServer`](common::redis_connection::RedisServer) |
    /// | `REDIS_KEY_PREFIX` | `buydesk:` | prefix of every key and channel in Redis |
    pub fn from_env(env: &mut Env) -> Self {
        let accepted_callers = shared::accepted_callers(env, Caller::PRICE_CACHE_PROXY.as_str());
        let redis = RedisConfig::from_env(env, "REDIS_URL", "to store documents and leases in memory");
        let store = redis.map_or(StoreConfig::Memory, StoreConfig::Redis);
        Self { accepted_callers, store, clock: Clock::System }
    }
}

#[cfg(test)]
mod tests;
