//! Tests that changes reach the readers of events and the other instances.

use std::{sync::Arc, time::Duration};

use common::{
    api::{courses::MarketSnapshot, events::Topic, prices::PriceRecord},
    clients::price_cache::PriceCacheWatch,
    concurrency::latest::Document,
};
use tokio::{sync::watch::Receiver, time::timeout};

use super::*;

/// Maximum wait for a pushed change. It is shorter than the interval of the reads that detect lost messages, so that
/// these reads rarely hide a missing push.
const PUSH_LIMIT: Duration = Duration::from_secs(3);

/// A client that reads the events of the service until it is dropped.
struct Reader {
    watch: PriceCacheWatch,
    run: JoinHandle<()>,
}

impl Reader {
    /// Returns when the event stream is open.
    async fn connect(service: &TestService) -> Self {
        let watch = service.cache.watch(Topic::ALL);
        let run = tokio::spawn(watch.clone().run(CancellationToken::new()));
        timeout(PUSH_LIMIT, watch.subscribe_connected().wait_for(|connected| *connected))
            .await
            .expect("the event stream opens")
            .unwrap();
        Self { watch, run }
    }

    async fn expect_record(&self, record: &PriceRecord) {
        expect_document(self.watch.subscribe_price_record(), record).await;
    }

    async fn expect_snapshot(&self, snapshot: &MarketSnapshot) {
        expect_document(self.watch.subscribe_market_snapshot(), snapshot).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.run.abort();
    }
}

async fn expect_document<T: PartialEq + std::fmt::Debug>(mut documents: Receiver<Option<Arc<Document<T>>>>, value: &T) {
    let received = documents.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.value() == value));
    timeout(PUSH_LIMIT, received).await.unwrap_or_else(|_| panic!("{value:?} was not received")).unwrap();
}

/// Polls until the service returns the record.
async fn wait_until_served(service: &TestService, record: &PriceRecord, max_wait: Duration) {
    let start = Instant::now();
    while service.cache.price_record().await.ok().flatten().as_ref() != Some(record) {
        assert!(start.elapsed() < max_wait, "{record:?} is not served");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn readers_receive_current_documents_and_changes() {
    for store in [StoreConfig::Memory, StoreConfig::Redis(test_redis())] {
        let service = TestService::start(store).await;
        let early = Reader::connect(&service).await;
        let now = Timestamp::now();
        let first = service.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
        early.expect_record(&first).await;
        let market_snapshot = snapshot(now);
        service.cache.put_market_snapshot(&market_snapshot).await.unwrap();
        early.expect_snapshot(&market_snapshot).await;

        let late = Reader::connect(&service).await;
        late.expect_record(&first).await;
        late.expect_snapshot(&market_snapshot).await;
        let second = service.cache.put_price_record(&new_record(now), TTL).await.unwrap();
        early.expect_record(&second).await;
        late.expect_record(&second).await;

        // Open streams do not delay the shutdown.
        let start = Instant::now();
        service.stop().await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        timeout(PUSH_LIMIT, early.watch.subscribe_connected().wait_for(|connected| !connected)).await.unwrap().unwrap();
        assert_eq!(early.watch.price_record().unwrap().value(), &second);
    }
}

#[tokio::test]
async fn events_need_the_internal_token_and_known_topics() {
    let service = TestService::start(StoreConfig::Memory).await;
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
async fn write_at_one_instance_is_served_and_pushed_by_another() {
    let redis = StoreConfig::Redis(test_redis());
    let (writer, other) = (TestService::start(redis.clone()).await, TestService::start(redis).await);
    let (now, reader) = (Timestamp::now(), Reader::connect(&other).await);
    for age in (0..5).rev() {
        let stored =
            writer.cache.put_price_record(&new_record(now.minus(Duration::from_secs(age))), TTL).await.unwrap();
        wait_until_served(&other, &stored, PUSH_LIMIT).await;
        reader.expect_record(&stored).await;
        let market_snapshot = snapshot(now.minus(Duration::from_secs(age)));
        writer.cache.put_market_snapshot(&market_snapshot).await.unwrap();
        reader.expect_snapshot(&market_snapshot).await;
    }
    writer.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn write_during_a_lost_subscription_is_read_after_resubscribing() {
    let real = test_redis();
    let redis = address_of(&real);
    let proxy = RedisProxy::start(None, redis.clone()).await;
    let through_proxy = RedisConfig::new(&format!("redis://{}", proxy.address), real.key_prefix.clone()).unwrap();
    let writer = TestService::start(StoreConfig::Redis(real)).await;
    let other = TestService::start(StoreConfig::Redis(through_proxy)).await;
    let (now, reader) = (Timestamp::now(), Reader::connect(&other).await);
    let first = writer.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
    reader.expect_record(&first).await;

    let proxy_address = proxy.stop().await;
    let second = writer.cache.put_price_record(&new_record(now), TTL).await.unwrap();
    // The instance serves its cached record, which has not expired.
    assert_eq!(other.cache.price_record().await.unwrap(), Some(first));
    let proxy = RedisProxy::start(Some(proxy_address), redis).await;
    wait_until_served(&other, &second, PUSH_LIMIT).await;
    reader.expect_record(&second).await;
    writer.stop().await;
    other.stop().await;
    proxy.stop().await;
}

#[tokio::test]
async fn write_whose_message_is_lost_is_found_by_reading() {
    let config = test_redis();
    let service = TestService::start(StoreConfig::Redis(config.clone())).await;
    let now = Timestamp::now();
    let first = service.cache.put_price_record(&new_record(now.minus(Duration::from_secs(1))), TTL).await.unwrap();
    wait_until_served(&service, &first, PUSH_LIMIT).await;
    // A write without a message, as if the message were lost.
    let second = record(now, "1.00");
    let mut connection =
        redis::Client::open(server_of(&config)).unwrap().get_multiplexed_async_connection().await.unwrap();
    let json = serde_json::to_string(&second).unwrap();
    let key = format!("{}price:record", config.key_prefix);
    let () = redis::cmd("SET").arg(key).arg(json).arg("PX").arg(60_000).query_async(&mut connection).await.unwrap();
    wait_until_served(&service, &second, Duration::from_secs(10)).await;
    service.stop().await;
}
