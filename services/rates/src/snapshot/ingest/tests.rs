//! Tests of the ingestion from a fake price-cache-proxy, in virtual time. A course is the last price of one pair at one exchange.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    clients::price_cache::{DocumentSource, EventBytes, PriceCacheClient},
    metrics::Metrics,
    time::{Clock, Timestamp},
};
use futures_util::StreamExt;
use tokio::{sync::broadcast, task::JoinHandle, time::sleep};

use super::*;
use crate::{
    snapshot::SnapshotFilter,
    tests::fixtures::{agreed_price, course, snapshot, time_at},
};

/// How long a test waits for an event stream to be opened.
const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// A price-cache-proxy that a test controls.
struct FakePriceCache {
    /// The body of a response. If `None`, the request fails.
    response: Mutex<Option<Bytes>>,
    requests: AtomicUsize,
    /// Feeds the open event streams. If `None`, opening an event stream fails.
    events: Mutex<Option<broadcast::Sender<Bytes>>>,
}

fn failed_call() -> CallError {
    CallError::InvalidResponse(PriceCacheClient::SERVICE, "not JSON".to_owned())
}

#[async_trait]
impl DocumentSource for FakePriceCache {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.response.lock().unwrap().clone().ok_or_else(failed_call)
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        assert_eq!(topics, [Topic::MarketSnapshot]);
        let events = self.events.lock().unwrap().as_ref().map(broadcast::Sender::subscribe).ok_or_else(failed_call)?;
        let bytes = futures_util::stream::unfold(events, |mut events| async {
            events.recv().await.ok().map(|bytes| (Ok(bytes), events))
        });
        Ok(bytes.boxed())
    }
}

/// A running ingestion and the services that it reads from.
struct Ingestion {
    price_cache: Arc<FakePriceCache>,
    /// Number of reads from db-proxy.
    database_reads: Arc<AtomicUsize>,
    /// The snapshot that db-proxy returns. If `None`, the request fails.
    database_snapshot: Arc<Mutex<Option<MarketSnapshot>>>,
    store: Arc<SnapshotStore>,
    clock: Clock,
    run: JoinHandle<()>,
}

impl Drop for Ingestion {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Ingestion {
    /// Starts the ingestion. If `streaming` is false, opening an event stream fails.
    fn start(response: Option<Bytes>, database_snapshot: Option<MarketSnapshot>, streaming: bool) -> Self {
        let clock = Clock::starting_at(time_at(0));
        let events = Mutex::new(streaming.then(|| broadcast::Sender::new(64)));
        let price_cache =
            Arc::new(FakePriceCache { response: Mutex::new(response), requests: AtomicUsize::new(0), events });
        let store = Arc::new(SnapshotStore::new(clock, &Metrics::new("rates")));
        let (database_reads, database_snapshot) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(database_snapshot)));
        let watch = PriceCacheWatch::new(price_cache.clone(), &[Topic::MarketSnapshot], clock);
        let (reads, snapshot, target) = (database_reads.clone(), database_snapshot.clone(), store.clone());
        let run = tokio::spawn(async move {
            let read_fallback = || {
                reads.fetch_add(1, Ordering::Relaxed);
                let result = snapshot.lock().unwrap().clone().ok_or_else(failed_call);
                async move { result.map(Some) }
            };
            ingest_snapshots(watch, read_fallback, &target, CancellationToken::new()).await;
        });
        Self { price_cache, database_reads, database_snapshot, store, clock, run }
    }

    /// Waits for an open stream, sends the bytes on it, and waits until they are processed.
    async fn push(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let sent = timeout(STREAM_OPEN_TIMEOUT, async {
            loop {
                let events = self.price_cache.events.lock().unwrap().clone();
                match events.and_then(|events| events.send(bytes.clone()).ok()) {
                    Some(_) => return,
                    None => sleep(Duration::from_millis(10)).await,
                }
            }
        });
        sent.await.expect("no stream was opened");
        // Virtual time advances only after all ready tasks have run.
        sleep(Duration::from_millis(1)).await;
    }

    /// Sends only keep-alive comments, one a second.
    async fn push_keep_alives(&self, seconds: u64) {
        for _ in 0..seconds {
            self.push(":\n\n").await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// The value of the first course of the newest snapshot.
    fn first_value(&self) -> Option<String> {
        let view = self.store.newest().ok()?;
        Some(view.snapshot.courses.first()?.value.to_string())
    }

    fn requests(&self) -> usize {
        self.price_cache.requests.load(Ordering::Relaxed)
    }

    fn database_reads(&self) -> usize {
        self.database_reads.load(Ordering::Relaxed)
    }
}

fn snapshot_with_one_course(as_of: Timestamp, value: &str) -> MarketSnapshot {
    snapshot(as_of, vec![course("kraken", "BTC-USD", value)], vec![agreed_price("BTC-USD", value)])
}

fn json(snapshot: &MarketSnapshot) -> Bytes {
    serde_json::to_vec(snapshot).unwrap().into()
}

fn event(snapshot: &MarketSnapshot) -> String {
    format!("event: {}\ndata: {}\n\n", Topic::MarketSnapshot, serde_json::to_string(snapshot).unwrap())
}

/// A price-cache-proxy that responds after `delay`.
struct SlowPriceCache {
    snapshot: MarketSnapshot,
    delay: Duration,
}

#[async_trait]
impl DocumentSource for SlowPriceCache {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        sleep(self.delay).await;
        Ok(json(&self.snapshot))
    }

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        Err(failed_call())
    }
}

#[tokio::test(start_paused = true)]
async fn start_waits_for_the_first_snapshot_for_a_bounded_time() {
    for (delay, is_loaded) in [(FIRST_SNAPSHOT_TIMEOUT / 2, true), (FIRST_SNAPSHOT_TIMEOUT * 2, false)] {
        let clock = Clock::starting_at(time_at(0));
        let source = SlowPriceCache { snapshot: snapshot_with_one_course(time_at(0), "91000"), delay };
        let watch = PriceCacheWatch::new(Arc::new(source), &[Topic::MarketSnapshot], clock);
        let (store, start) = (SnapshotStore::new(clock, &Metrics::new("rates")), tokio::time::Instant::now());
        load_first_snapshot(&watch, &store).await;
        assert_eq!(store.newest().is_ok(), is_loaded);
        assert!(start.elapsed() <= FIRST_SNAPSHOT_TIMEOUT + Duration::from_millis(10), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn pushed_snapshot_is_stored_without_delay_and_without_requests() {
    let ingestion = Ingestion::start(Some(Bytes::new()), None, true);
    ingestion.push(event(&snapshot_with_one_course(time_at(0), "91000"))).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    // Any request from before the start of the stream ends during this second.
    ingestion.push_keep_alives(1).await;
    let (requests, database_reads) = (ingestion.requests(), ingestion.database_reads());
    for second in 1..=20 {
        let before = ingestion.clock.now();
        ingestion.push(event(&snapshot_with_one_course(time_at(second), &format!("{}", 91000 + second)))).await;
        assert_eq!(ingestion.first_value().unwrap(), format!("{}.00", 91000 + second));
        assert!(ingestion.clock.now().since(before) < Duration::from_millis(10));
        ingestion.push_keep_alives(1).await;
    }
    assert_eq!((ingestion.requests(), ingestion.database_reads()), (requests, database_reads));
}

#[tokio::test(start_paused = true)]
async fn repeated_snapshot_reuses_the_cached_response() {
    let same = snapshot_with_one_course(time_at(0), "91000");
    let ingestion = Ingestion::start(Some(json(&same)), None, false);
    // Without a stream the snapshot is polled twice a second.
    sleep(Duration::from_secs(20)).await;
    assert!(ingestion.requests() >= 20, "{}", ingestion.requests());
    let view = ingestion.store.newest().unwrap();
    assert_eq!(view.sequence, 0);
    let body = view.courses_json(SnapshotFilter::default()).body;

    *ingestion.price_cache.events.lock().unwrap() = Some(broadcast::Sender::new(64));
    for _ in 0..3 {
        ingestion.push(event(&same)).await;
        ingestion.push_keep_alives(1).await;
    }
    let later = ingestion.store.newest().unwrap();
    assert!(Arc::ptr_eq(&view, &later));
    // The bodies share one allocation.
    assert_eq!(body.as_ptr(), later.courses_json(SnapshotFilter::default()).body.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn newest_snapshot_stays_during_an_outage_and_is_replaced_after_it() {
    let ingestion = Ingestion::start(Some(Bytes::new()), Some(snapshot_with_one_course(time_at(0), "1")), true);
    ingestion.push(event(&snapshot_with_one_course(time_at(1), "91000"))).await;
    let events = ingestion.price_cache.events.lock().unwrap().take();
    *ingestion.price_cache.response.lock().unwrap() = None;
    drop(events);
    let database_reads = ingestion.database_reads();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    // db-proxy is read only while the store is empty.
    assert_eq!(ingestion.database_reads(), database_reads);

    *ingestion.price_cache.response.lock().unwrap() =
        Some(json(&snapshot_with_one_course(ingestion.clock.now(), "92000")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("92000.00"));
}

#[tokio::test(start_paused = true)]
async fn cold_start_uses_courses_of_db_proxy_until_a_snapshot_arrives() {
    let ingestion = Ingestion::start(None, None, false);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ingestion.first_value(), None);
    assert!(ingestion.database_reads() >= 4);
    *ingestion.database_snapshot.lock().unwrap() = Some(snapshot_with_one_course(time_at(0), "90000"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("90000.00"));
    let database_reads = ingestion.database_reads();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ingestion.database_reads(), database_reads);

    *ingestion.price_cache.events.lock().unwrap() = Some(broadcast::Sender::new(64));
    ingestion.push(event(&snapshot_with_one_course(ingestion.clock.now(), "91000"))).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    assert_eq!(ingestion.store.newest().unwrap().origin, SnapshotOrigin::PriceCache);
}

#[tokio::test(start_paused = true)]
async fn db_proxy_is_not_read_when_price_cache_has_a_snapshot() {
    let response = json(&snapshot_with_one_course(time_at(0), "91000"));
    let ingestion = Ingestion::start(Some(response), Some(snapshot_with_one_course(time_at(0), "1")), false);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    assert_eq!((ingestion.database_reads(), ingestion.store.newest().unwrap().sequence), (0, 0));
}
