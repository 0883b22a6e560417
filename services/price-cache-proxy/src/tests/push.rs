//! Changes as they reach readers and other instances.

use std::{sync::Arc, time::Duration};

use common::{
    api::{courses::MarketSnapshot, events::Topic, prices::PriceRecord},
    clients::price_cache::PriceCacheWatch,
    concurrency::latest::Document,
};
use tokio::{sync::watch::Receiver, time::timeout};

use super::*;

/// Far more than a change needs, and less than what it would take to be found by reading everything again.
const SOON: Duration = Duration::from_secs(3);

/// A watch that runs until it is dropped.
struct Reader {
    watch: PriceCacheWatch,
    run: JoinHandle<()>,
}

impl Reader {
    /// Pushed to when this returns.
    async fn of(service: &Running) -> Self {
        let watch = service.cache.watch(Topic::ALL);
        let run = tokio::spawn(watch.clone().run(CancellationToken::new()));
        timeout(SOON, watch.subscribe_connected().wait_for(|pushed| *pushed))
            .await
            .expect("changes are pushed")
            .unwrap();
        Self { watch, run }
    }

    async fn sees_record(&self, record: &PriceRecord) {
        sees(self.watch.subscribe_price_record(), record).await;
    }

    async fn sees_board(&self, board: &MarketSnapshot) {
        sees(self.watch.subscribe_market_snapshot(), board).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.run.abort();
    }
}

async fn sees<T: PartialEq + std::fmt::Debug>(mut slot: Receiver<Option<Arc<Document<T>>>>, value: &T) {
    let seen = slot.wait_for(|held| held.as_ref().is_some_and(|held| held.value() == value));
    timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{value:?} was not told")).unwrap();
}

/// Asks until the record is served; how long that took.
async fn serves(service: &Running, record: &PriceRecord, limit: Duration) -> Duration {
    let start = Instant::now();
    while service.cache.price_record().await.ok().flatten().as_ref() != Some(record) {
        assert!(start.elapsed() < limit, "{record:?} is not served");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn readers_are_told_what_there_is_and_what_changes() {
    for store in [StoreConfig::Memory, StoreConfig::Redis(test_redis())] {
        let service = Running::start(store).await;
        let early = Reader::of(&service).await;
        let now = Timestamp::now();
        let first = service.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
        early.sees_record(&first).await;
        let shown = snapshot(now);
        service.cache.put_market_snapshot(&shown).await.unwrap();
        early.sees_board(&shown).await;

        let late = Reader::of(&service).await;
        late.sees_record(&first).await;
        late.sees_board(&shown).await;
        let second = service.cache.put_price_record(&new_record(now), TTL).await.unwrap();
        early.sees_record(&second).await;
        late.sees_record(&second).await;

        // Streams that never end do not hold up the end of the service.
        let start = Instant::now();
        service.stop().await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        timeout(SOON, early.watch.subscribe_connected().wait_for(|pushed| !pushed)).await.unwrap().unwrap();
        assert_eq!(early.watch.price_record().unwrap().value(), &second);
    }
}

#[tokio::test]
async fn only_our_own_services_read_events_and_only_of_what_there_is() {
    let service = Running::start(StoreConfig::Memory).await;
    assert_eq!(service.status("/events").await, 401);
    let events = |topics: &str| {
        let url = format!("http://{}/events?topics={topics}", service.address);
        http_client().get(url).bearer_auth(TOKEN).send()
    };
    assert_eq!(events("records").await.unwrap().status(), 422);
    let stream = events("record").await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    drop(stream);
    service.stop().await;
}

#[tokio::test]
async fn what_one_instance_keeps_every_instance_serves_and_pushes() {
    let redis = StoreConfig::Redis(test_redis());
    let (one, other) = (Running::start(redis.clone()).await, Running::start(redis).await);
    let (now, reader) = (Timestamp::now(), Reader::of(&other).await);
    for age in (0..5).rev() {
        let kept = one.cache.put_price_record(&new_record(now.minus(Duration::from_secs(age))), TTL).await.unwrap();
        serves(&other, &kept, SOON).await;
        reader.sees_record(&kept).await;
        let shown = snapshot(now.minus(Duration::from_secs(age)));
        one.cache.put_market_snapshot(&shown).await.unwrap();
        reader.sees_board(&shown).await;
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn what_was_written_while_the_subscription_was_lost_is_read_when_it_is_back() {
    let real = test_redis();
    let redis::ConnectionAddr::Tcp(host, port) = real.server.addr() else { panic!("TEST_REDIS_URL is no TCP address") };
    let redis = format!("{host}:{port}");
    let link = Link::open(None, redis.clone()).await;
    let through_link = RedisConfig::new(&format!("redis://{}", link.address), real.key_prefix.clone()).unwrap();
    let one = Running::start(StoreConfig::Redis(real)).await;
    let other = Running::start(StoreConfig::Redis(through_link)).await;
    let (now, reader) = (Timestamp::now(), Reader::of(&other).await);
    let first = one.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
    reader.sees_record(&first).await;

    let at = link.cut().await;
    let second = one.cache.put_price_record(&new_record(now), TTL).await.unwrap();
    // It goes on with what it was told last, which may still be used.
    assert_eq!(other.cache.price_record().await.unwrap(), Some(first));
    let link = Link::open(Some(at), redis).await;
    serves(&other, &second, SOON).await;
    reader.sees_record(&second).await;
    one.stop().await;
    other.stop().await;
    link.cut().await;
}

#[tokio::test]
async fn what_was_not_told_is_found_by_reading() {
    let config = test_redis();
    let service = Running::start(StoreConfig::Redis(config.clone())).await;
    let now = Timestamp::now();
    let first = service.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
    serves(&service, &first, SOON).await;
    // Somebody who does not publish, as good as a message that got lost.
    let second = record(now, "1.00");
    let mut connection = redis::Client::open(config.server).unwrap().get_multiplexed_async_connection().await.unwrap();
    let json = serde_json::to_string(&second).unwrap();
    let key = format!("{}price:record", config.key_prefix);
    let () = redis::cmd("SET").arg(key).arg(json).arg("PX").arg(60_000).query_async(&mut connection).await.unwrap();
    serves(&service, &second, Duration::from_secs(10)).await;
    service.stop().await;
}
