//! What every store does, run over each engine.

use std::time::Duration;

use common::{
    api::prices::{BASE, Price, PriceRecord, PriceState},
    money::Currency,
    time::Timestamp,
};
use futures_util::future::join_all;

use super::RecordStore;
use crate::config::RedisConfig;

const TTL: Duration = Duration::from_mins(1);

/// Settings for a corner of the test Redis that no other test uses.
pub(crate) fn test_redis() -> RedisConfig {
    let url = std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL is not set: run the tests with tests/run, which starts a Redis of its own");
    RedisConfig::new(&url, format!("test:{}:", uuid::Uuid::new_v4())).expect("TEST_REDIS_URL is right")
}

fn stores() -> [RecordStore; 2] {
    [RecordStore::memory(), RecordStore::redis(&test_redis()).unwrap()]
}

/// A record of its own: the price tells it from every other.
pub(crate) fn record(as_of: Timestamp, price: &str) -> PriceRecord {
    let price = Price { price: price.parse().unwrap(), sources: vec!["coinbase".to_owned(), "kraken".to_owned()] };
    PriceRecord {
        base: BASE.to_owned(),
        state: PriceState::Fresh,
        as_of,
        expires_at: as_of.plus(TTL),
        simulated: true,
        prices: [(Currency::EUR, price)].into(),
    }
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn an_empty_store_has_no_record() {
    for store in stores() {
        assert_eq!(store.current(Timestamp::now()).await.unwrap(), None, "{store:?}");
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_kept_is_read_back_whole() {
    for store in stores() {
        let now = Timestamp::now();
        let kept = record(now, "84000.12345678");
        assert_eq!(store.replace(kept.clone(), now).await.unwrap(), kept, "{store:?}");
        assert_eq!(store.current(now).await.unwrap(), Some(kept), "{store:?}");
    }
}

#[tokio::test]
async fn a_record_is_gone_from_its_end_on() {
    for store in stores() {
        let now = Timestamp::now();
        let kept = record(now, "84000.12");
        store.replace(kept.clone(), now).await.unwrap();
        let last = Timestamp::from_micros(kept.expires_at.micros() - 1).unwrap();
        assert_eq!(store.current(last).await.unwrap(), Some(kept.clone()), "{store:?}");
        assert_eq!(store.current(kept.expires_at).await.unwrap(), None, "{store:?}");
    }
}

#[tokio::test]
async fn newer_replaces_older_and_never_the_other_way_round() {
    for store in stores() {
        let now = Timestamp::now();
        let (older, newer) = (record(now, "1"), record(after(now, 1), "2"));
        store.replace(older.clone(), now).await.unwrap();
        assert_eq!(store.replace(newer.clone(), now).await.unwrap(), newer, "{store:?}");
        assert_eq!(store.replace(older, now).await.unwrap(), newer, "{store:?}");
        assert_eq!(store.current(now).await.unwrap(), Some(newer), "{store:?}");
    }
}

#[tokio::test]
async fn a_record_is_prolonged_by_one_of_the_same_time() {
    for store in stores() {
        let now = Timestamp::now();
        let fresh = record(now, "84000.12");
        store.replace(fresh.clone(), now).await.unwrap();
        let prolonged = PriceRecord { state: PriceState::Prolonged, expires_at: after(now, 120), ..fresh };
        assert_eq!(store.replace(prolonged.clone(), now).await.unwrap(), prolonged, "{store:?}");
        assert_eq!(store.current(after(now, 90)).await.unwrap(), Some(prolonged), "{store:?}");
    }
}

#[tokio::test]
async fn a_record_that_ran_out_is_not_in_the_way_of_an_older_one() {
    for store in stores() {
        let now = Timestamp::now();
        let short = PriceRecord { expires_at: after(now, 10), ..record(after(now, 5), "1") };
        let long = record(now, "2");
        store.replace(short, now).await.unwrap();
        assert_eq!(store.replace(long.clone(), after(now, 10)).await.unwrap(), long, "{store:?}");
    }
}

#[tokio::test]
async fn of_many_writers_at_once_the_newest_record_stays() {
    for store in stores() {
        let now = Timestamp::now();
        let records: Vec<_> =
            (1..=50).map(|n| record(after(now, n * 7 % 50), &format!("{}", n * 7 % 50 + 1))).collect();
        let newest = records.iter().max_by_key(|record| record.as_of).unwrap().clone();
        join_all(records.into_iter().map(|record| store.replace(record, now))).await;
        assert_eq!(store.current(now).await.unwrap(), Some(newest), "{store:?}");
    }
}

#[tokio::test]
async fn redis_drops_the_record_by_itself_and_something_else_is_replaced() {
    let config = test_redis();
    let store = RecordStore::redis(&config).unwrap();
    let client = redis::Client::open(config.server.clone()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}price:record", config.key_prefix);

    for strange in ["not json", "7", r#"{"as_of":7}"#] {
        let () = redis::cmd("SET").arg(&key).arg(strange).query_async(&mut connection).await.unwrap();
        assert_eq!(store.current(Timestamp::now()).await.unwrap(), None, "{strange}");
        let now = Timestamp::now();
        let kept = record(now, "84000.12");
        assert_eq!(store.replace(kept.clone(), now).await.unwrap(), kept, "{strange}");
    }

    let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
    assert!((1..=60_001).contains(&left), "{left} ms are left");
}
