//! Settings, price records and market snapshots that the tests of several modules share.

use std::time::Duration;

use common::{
    api::{
        courses::MarketSnapshot,
        prices::{BASE, Price, PriceRecord, PriceState},
    },
    money::Currency,
    redis_connection::{RedisConfig, RedisServer},
    time::Timestamp,
};

const TTL: Duration = Duration::from_mins(1);

/// Settings for the Redis of the tests, with a unique key prefix.
pub(crate) fn test_redis() -> RedisConfig {
    let url = std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL is not set: run the tests with tests/run, which starts a Redis");
    RedisConfig::new(&url, format!("test:{}:", uuid::Uuid::new_v4())).expect("TEST_REDIS_URL is a valid address")
}

/// The connection settings of a Redis.
pub(crate) fn server_of(config: &RedisConfig) -> redis::ConnectionInfo {
    match &config.server {
        RedisServer::Single(server) => server.clone(),
        RedisServer::Sentinel { .. } => panic!("TEST_REDIS_URL is not the address of one server"),
    }
}

/// The address `host:port` of a Redis.
pub(crate) fn address_of(config: &RedisConfig) -> String {
    server_of(config).addr().to_string()
}

/// A record. Tests distinguish records by their price.
pub(crate) fn record(as_of: Timestamp, price: &str) -> PriceRecord {
    let price = Price::new(price.parse().unwrap(), vec!["coinbase".to_owned(), "kraken".to_owned()]);
    PriceRecord {
        base: BASE.to_owned(),
        state: PriceState::Fresh,
        as_of,
        expires_at: as_of.plus(TTL),
        newest_as_of: None,
        simulated: true,
        prices: [(Currency::EUR, price)].into(),
    }
}

/// A snapshot. Tests distinguish snapshots by `as_of`.
pub(crate) fn snapshot(as_of: Timestamp) -> MarketSnapshot {
    MarketSnapshot { as_of, simulated: true, courses: vec![], prices: vec![], official: vec![], sources: vec![] }
}
