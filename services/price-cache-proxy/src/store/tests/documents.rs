//! What every store does with documents, run over each engine.

use std::time::Duration;

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::{PriceRecord, PriceState},
    },
    concurrency::latest::Document,
    time::Timestamp,
};
use futures_util::future::join_all;

use super::{pairs, stores};
use crate::{
    store::{CachedKind, Store},
    tests::fixtures::{record, snapshot, test_redis},
};

async fn put<T: CachedKind + Clone>(store: &Store, value: &T, now: Timestamp) -> T {
    store.replace(Document::from_value(value.clone()).unwrap(), now).await.unwrap().value().clone()
}

async fn read<T: CachedKind + Clone>(store: &Store, now: Timestamp) -> Option<T> {
    store.read::<T>(now).await.unwrap().map(|document| document.value().clone())
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn an_empty_store_has_nothing() {
    for store in stores() {
        let now = Timestamp::now();
        assert_eq!(read::<PriceRecord>(&store, now).await, None, "{store:?}");
        assert_eq!(read::<MarketSnapshot>(&store, now).await, None, "{store:?}");
        assert_eq!(store.current::<PriceRecord>(now).await.unwrap(), None, "{store:?}");
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_kept_is_read_back_whole() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let (kept, shown) = (record(now, "84000.12345678"), snapshot(now));
        assert_eq!(put(&writer, &kept, now).await, kept, "{writer:?}");
        assert_eq!(put(&writer, &shown, now).await, shown, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(kept.clone()), "{reader:?}");
        assert_eq!(read(&reader, now).await, Some(shown), "{reader:?}");
        let current = reader.current::<PriceRecord>(now).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<PriceRecord>(current.json()).unwrap(), kept);
    }
}

#[tokio::test]
async fn a_document_is_gone_from_its_end_on() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let (kept, shown) = (record(now, "84000.12"), snapshot(now));
        put(&writer, &kept, now).await;
        put(&writer, &shown, now).await;
        let before = |end: Timestamp| end.minus(Duration::from_micros(1));
        for store in [&reader, &writer] {
            let (record_end, board_end) = (kept.expires_at, after(now, SNAPSHOT_TTL.as_secs()));
            assert_eq!(read(store, before(record_end)).await, Some(kept.clone()), "{store:?}");
            assert_eq!(read::<PriceRecord>(store, record_end).await, None, "{store:?}");
            assert_eq!(store.current::<PriceRecord>(record_end).await.unwrap(), None, "{store:?}");
            assert_eq!(read(store, before(board_end)).await, Some(shown.clone()), "{store:?}");
            assert_eq!(read::<MarketSnapshot>(store, board_end).await, None, "{store:?}");
        }
    }
}

#[tokio::test]
async fn newer_replaces_older_and_never_the_other_way_round() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let (older, newer) = (record(now, "1"), record(after(now, 1), "2"));
        put(&writer, &older, now).await;
        assert_eq!(put(&writer, &newer, now).await, newer, "{writer:?}");
        assert_eq!(put(&writer, &older, now).await, newer, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newer), "{reader:?}");

        let (older, newer) = (snapshot(now), snapshot(after(now, 1)));
        put(&writer, &newer, now).await;
        assert_eq!(put(&writer, &older, now).await, newer, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newer), "{reader:?}");
    }
}

#[tokio::test]
async fn a_record_is_prolonged_by_one_of_the_same_time() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let fresh = record(now, "84000.12");
        put(&writer, &fresh, now).await;
        let prolonged = PriceRecord { state: PriceState::Prolonged, expires_at: after(now, 120), ..fresh };
        assert_eq!(put(&writer, &prolonged, now).await, prolonged, "{writer:?}");
        assert_eq!(read(&reader, after(now, 90)).await, Some(prolonged), "{reader:?}");
    }
}

#[tokio::test]
async fn what_ran_out_is_not_in_the_way_of_an_older_one() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let short = PriceRecord { expires_at: after(now, 10), ..record(after(now, 5), "1") };
        let long = record(now, "2");
        put(&writer, &short, now).await;
        assert_eq!(put(&writer, &long, after(now, 10)).await, long, "{writer:?}");
        assert_eq!(read(&reader, after(now, 10)).await, Some(long), "{reader:?}");

        let (newer, older) = (snapshot(after(now, 5)), snapshot(now));
        put(&writer, &newer, now).await;
        let end = after(newer.as_of, SNAPSHOT_TTL.as_secs());
        assert_eq!(put(&writer, &older, end.minus(Duration::from_micros(1))).await, newer, "{writer:?}");
        assert_eq!(put(&writer, &older, end).await, older, "{writer:?}");
    }
}

#[tokio::test]
async fn of_many_writers_at_once_the_newest_stays() {
    for (writer, reader) in pairs() {
        let now = Timestamp::now();
        let records: Vec<_> =
            (1..=50).map(|n| record(after(now, n * 7 % 50), &format!("{}", n * 7 % 50 + 1))).collect();
        let newest = records.iter().max_by_key(|record| record.as_of).unwrap().clone();
        join_all(records.iter().map(|record| put(&writer, record, now))).await;
        assert_eq!(writer.current::<PriceRecord>(now).await.unwrap().unwrap().value(), &newest, "{writer:?}");
        assert_eq!(read(&reader, now).await, Some(newest), "{reader:?}");
    }
}

#[tokio::test]
async fn redis_drops_the_record_by_itself_and_something_else_is_replaced() {
    let config = test_redis();
    let client = redis::Client::open(config.server.clone()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}price:record", config.key_prefix);

    for strange in ["not json", "7", r#"{"as_of":7}"#] {
        let () = redis::cmd("SET").arg(&key).arg(strange).query_async(&mut connection).await.unwrap();
        // One that was told of nothing else yet.
        let store = Store::redis(&config).unwrap();
        assert_eq!(read::<PriceRecord>(&store, Timestamp::now()).await, None, "{strange}");
        let now = Timestamp::now();
        let kept = record(now, "84000.12");
        assert_eq!(put(&store, &kept, now).await, kept, "{strange}");
    }

    let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
    assert!((1..=60_001).contains(&left), "{left} ms are left");
}
