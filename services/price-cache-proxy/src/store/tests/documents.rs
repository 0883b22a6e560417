//! The contract of documents, checked for each engine.

use std::time::Duration;

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::{CurrencyPrice, PriceRecord, PriceState},
    },
    concurrency::latest::Document,
    money::Currency,
    time::{Clock, MAX_CLOCK_SKEW, Timestamp},
};
use futures_util::future::join_all;

use super::{stores, writers_and_readers};
use crate::{
    store::{CachedKind, Store},
    tests::fixtures::{record, server_of, snapshot, test_redis},
};

async fn put<T: CachedKind + Clone>(store: &Store, value: &T, now: Timestamp) -> T {
    store.replace(Document::from_value(value.clone()).unwrap(), now).await.unwrap().value().clone()
}

async fn read<T: CachedKind + Clone>(store: &Store, now: Timestamp) -> Option<T> {
    store.read::<T>(now).await.unwrap().map(|document| document.value().clone())
}

fn seconds_after(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn empty_store_returns_no_document() {
    for store in stores() {
        let now = Timestamp::now();
        assert_eq!(read::<PriceRecord>(&store, now).await, None, "{store:?}");
        assert_eq!(read::<MarketSnapshot>(&store, now).await, None, "{store:?}");
        assert_eq!(store.current::<PriceRecord>(now).await.unwrap(), None, "{store:?}");
        store.probe_write().await.unwrap();
    }
}

#[tokio::test]
async fn stored_document_is_read_back_unchanged() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let (price_record, market_snapshot) = (record(now, "84000.12345678"), snapshot(now));
        assert_eq!(put(&writer, &price_record, now).await, price_record, "{writer:?}");
        assert_eq!(put(&writer, &market_snapshot, now).await, market_snapshot, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(price_record.clone()), "{reader:?}");
        assert_eq!(read(&reader, now).await, Some(market_snapshot), "{reader:?}");
        let current = reader.current::<PriceRecord>(now).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<PriceRecord>(current.json()).unwrap(), price_record);
    }
}

#[tokio::test]
async fn document_expires_at_its_exact_time() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let (price_record, market_snapshot) = (record(now, "84000.12"), snapshot(now));
        put(&writer, &price_record, now).await;
        put(&writer, &market_snapshot, now).await;
        let just_before = |end: Timestamp| end.minus(Duration::from_micros(1));
        for store in [&reader, &writer] {
            // The reader caches a document at the first read. The lifetime by the monotonic clock starts at that read.
            assert_eq!(read(store, now).await, Some(price_record.clone()), "{store:?}");
            assert_eq!(read(store, now).await, Some(market_snapshot.clone()), "{store:?}");
            let (record_end, snapshot_end) = (price_record.expires_at, seconds_after(now, SNAPSHOT_TTL.as_secs()));
            assert_eq!(read(store, just_before(record_end)).await, Some(price_record.clone()), "{store:?}");
            assert_eq!(read::<PriceRecord>(store, record_end).await, None, "{store:?}");
            assert_eq!(store.current::<PriceRecord>(record_end).await.unwrap(), None, "{store:?}");
            assert_eq!(read(store, just_before(snapshot_end)).await, Some(market_snapshot.clone()), "{store:?}");
            assert_eq!(read::<MarketSnapshot>(store, snapshot_end).await, None, "{store:?}");
        }
    }
}

#[tokio::test]
async fn store_keeps_the_newer_of_two_documents() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let (older, newer) = (record(now, "1"), record(seconds_after(now, 1), "2"));
        put(&writer, &older, now).await;
        assert_eq!(put(&writer, &newer, now).await, newer, "{writer:?}");
        assert_eq!(put(&writer, &older, now).await, newer, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newer), "{reader:?}");

        let (older, newer) = (snapshot(now), snapshot(seconds_after(now, 1)));
        put(&writer, &newer, now).await;
        assert_eq!(put(&writer, &older, now).await, newer, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newer), "{reader:?}");
    }
}

#[tokio::test]
async fn record_with_the_same_as_of_replaces_the_stored_record() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let fresh = record(now, "84000.12");
        put(&writer, &fresh, now).await;
        let prolonged = PriceRecord { state: PriceState::Prolonged, expires_at: seconds_after(now, 120), ..fresh };
        assert_eq!(put(&writer, &prolonged, now).await, prolonged, "{writer:?}");
        assert_eq!(read(&reader, seconds_after(now, 90)).await, Some(prolonged), "{reader:?}");
    }
}

#[tokio::test]
async fn older_document_replaces_an_expired_document() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let short = PriceRecord { expires_at: seconds_after(now, 10), ..record(seconds_after(now, 5), "1") };
        let long = record(now, "2");
        put(&writer, &short, now).await;
        assert_eq!(put(&writer, &long, seconds_after(now, 10)).await, long, "{writer:?}");
        assert_eq!(read(&reader, seconds_after(now, 10)).await, Some(long), "{reader:?}");

        let (newer, older) = (snapshot(seconds_after(now, 5)), snapshot(now));
        put(&writer, &newer, now).await;
        let end = seconds_after(newer.as_of, SNAPSHOT_TTL.as_secs());
        assert_eq!(put(&writer, &older, end.minus(Duration::from_micros(1))).await, newer, "{writer:?}");
        assert_eq!(put(&writer, &older, end).await, older, "{writer:?}");
    }
}

#[tokio::test]
async fn record_whose_first_price_has_expired_is_kept_until_its_last_price_expires() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let (newest, last_expiry) = (seconds_after(now, 5), seconds_after(now, 60));
        let price = |expires_at| CurrencyPrice {
            price: "1".parse().unwrap(),
            sources: vec!["kraken".to_owned()],
            state: PriceState::Fresh,
            as_of: newest,
            expires_at,
            prolongable_until: None,
            legs: Vec::new(),
        };
        let prices = [(Currency::EUR, price(seconds_after(now, 10))), (Currency::USD, price(last_expiry))];
        let newer = PriceRecord::from_prices(prices, true).unwrap();
        let older = PriceRecord { expires_at: seconds_after(now, 120), ..record(now, "2") };
        put(&writer, &newer, newest).await;
        for time in [seconds_after(now, 10), seconds_after(now, 30), last_expiry.minus(Duration::from_micros(1))] {
            assert_eq!(put(&reader, &older, time).await, newer, "{reader:?}");
            assert_eq!(read(&writer, time).await, Some(newer.clone()), "{writer:?}");
        }
        assert_eq!(put(&reader, &older, last_expiry).await, older, "{reader:?}");
        assert_eq!(read(&writer, last_expiry).await, Some(older), "{writer:?}");
    }
}

/// An instance whose clock was ahead wrote a document. Instances with a correct clock ignore the document and replace
/// it.
#[tokio::test]
async fn document_from_the_future_is_not_read_and_is_replaced() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let ahead = now.plus(Duration::from_hours(1));
        put(&writer, &record(ahead, "1"), ahead).await;
        put(&writer, &snapshot(ahead), ahead).await;
        for store in [&reader, &writer] {
            assert_eq!(read::<PriceRecord>(store, now).await, None, "{store:?}");
            assert_eq!(store.current::<PriceRecord>(now).await.unwrap(), None, "{store:?}");
            assert_eq!(read::<MarketSnapshot>(store, now).await, None, "{store:?}");
        }
        let (price_record, market_snapshot) = (record(now, "2"), snapshot(now));
        assert_eq!(put(&reader, &price_record, now).await, price_record, "{writer:?}");
        assert_eq!(put(&reader, &market_snapshot, now).await, market_snapshot, "{writer:?}");
        assert_eq!(read(&writer, now).await, Some(price_record), "{writer:?}");
        assert_eq!(read(&writer, now).await, Some(market_snapshot), "{writer:?}");
        // A time that is ahead by at most `MAX_CLOCK_SKEW` does not count as the future.
        let newer = record(now.plus(MAX_CLOCK_SKEW), "3");
        put(&writer, &newer, now).await;
        assert_eq!(put(&reader, &record(now, "4"), now).await, newer, "{writer:?}");
    }
}

#[tokio::test]
async fn newest_of_many_concurrent_writes_remains() {
    for (writer, reader) in writers_and_readers() {
        let now = Timestamp::now();
        let start = now.minus(Duration::from_secs(50));
        let records: Vec<_> =
            (1..=50).map(|n| record(seconds_after(start, n * 7 % 50), &format!("{}", n * 7 % 50 + 1))).collect();
        let newest = records.iter().max_by_key(|record| record.as_of).unwrap().clone();
        join_all(records.iter().map(|record| put(&writer, record, now))).await;
        assert_eq!(writer.current::<PriceRecord>(now).await.unwrap().unwrap().value(), &newest, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newest), "{reader:?}");
    }
}

#[tokio::test]
async fn invalid_value_in_redis_is_replaced() {
    let config = test_redis();
    let client = redis::Client::open(server_of(&config)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}price:record", config.key_prefix);

    let (newer, later) = (seconds_after(Timestamp::now(), 4), seconds_after(Timestamp::now(), 60));
    let with_prices = |prices: &str| format!(r#"{{"as_of":"{newer}","expires_at":7,"prices":{prices}}}"#);
    for invalid_value in [
        "not json".to_owned(),
        "7".to_owned(),
        r#"{"as_of":7}"#.to_owned(),
        with_prices("7"),
        with_prices(r#"[7,null,{"expires_at":7}]"#),
        format!(r#"{{"as_of":"{newer}","expires_at":"{later}","prices":{{"EUR":{{"price":"x"}}}}}}"#),
    ] {
        let () = redis::cmd("SET").arg(&key).arg(&invalid_value).query_async(&mut connection).await.unwrap();
        // A new store has an empty local cache.
        let store = Store::redis(&config, Clock::System).unwrap();
        assert_eq!(read::<PriceRecord>(&store, Timestamp::now()).await, None, "{invalid_value}");
        let now = Timestamp::now();
        let price_record = record(now, "84000.12");
        assert_eq!(put(&store, &price_record, now).await, price_record, "{invalid_value}");
    }
}

#[tokio::test]
async fn redis_key_of_a_record_has_a_time_to_live() {
    let config = test_redis();
    let client = redis::Client::open(server_of(&config)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}price:record", config.key_prefix);
    let now = Timestamp::now();
    put(&Store::redis(&config, Clock::System).unwrap(), &record(now, "84000.12"), now).await;
    let remaining_millis: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
    assert!((1..=60_001).contains(&remaining_millis), "{remaining_millis} ms remain");
}
