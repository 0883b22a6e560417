//! Ingestion from a scripted price-cache-proxy, in virtual time.

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
use tokio::{
    sync::broadcast,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    snapshot::SnapshotFilter,
    tests::fixtures::{agreed_price, course, seconds, snapshot},
};

const LIMIT: Duration = Duration::from_secs(60);

/// A price-cache-proxy that a test controls.
struct ScriptedSource {
    /// The body of a response; `None` fails the request.
    response: Mutex<Option<Bytes>>,
    requests: AtomicUsize,
    /// Feeds the open event streams; `None` fails to open one.
    events: Mutex<Option<broadcast::Sender<Bytes>>>,
}

fn unavailable() -> CallError {
    CallError::InvalidResponse(PriceCacheClient::SERVICE, "unavailable".to_owned())
}

#[async_trait]
impl DocumentSource for ScriptedSource {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.response.lock().unwrap().clone().ok_or_else(unavailable)
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        assert_eq!(topics, [Topic::MarketSnapshot]);
        let events = self.events.lock().unwrap().as_ref().map(broadcast::Sender::subscribe).ok_or_else(unavailable)?;
        let bytes = futures_util::stream::unfold(events, |mut events| async {
            events.recv().await.ok().map(|bytes| (Ok(bytes), events))
        });
        Ok(bytes.boxed())
    }
}

/// A running ingestion and the services that it reads from.
struct Ingestion {
    source: Arc<ScriptedSource>,
    /// Number of reads of the stored courses.
    stored_reads: Arc<AtomicUsize>,
    /// The snapshot that db-proxy returns; `None` fails the request.
    stored: Arc<Mutex<Option<MarketSnapshot>>>,
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
    /// Starts with these responses; `streaming` is set if event streams can be opened.
    fn start(response: Option<Bytes>, stored: Option<MarketSnapshot>, streaming: bool) -> Self {
        let clock = Clock::starting_at(seconds(0));
        let events = Mutex::new(streaming.then(|| broadcast::Sender::new(64)));
        let source = Arc::new(ScriptedSource { response: Mutex::new(response), requests: AtomicUsize::new(0), events });
        let store = Arc::new(SnapshotStore::new(clock, &Metrics::new("rates")));
        let (stored_reads, stored) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(stored)));
        let watch = PriceCacheWatch::new(source.clone(), &[Topic::MarketSnapshot], clock);
        let (reads, stored_snapshot, target) = (stored_reads.clone(), stored.clone(), store.clone());
        let run = tokio::spawn(async move {
            let load_stored = || {
                reads.fetch_add(1, Ordering::Relaxed);
                let result = stored_snapshot.lock().unwrap().clone().ok_or_else(unavailable);
                async move { result.map(Some) }
            };
            ingest_snapshots(watch, load_stored, &target, CancellationToken::new()).await;
        });
        Self { source, stored_reads, stored, store, clock, run }
    }

    /// Waits for an open stream, sends the bytes on it, and waits until they are processed.
    async fn push(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let sent = timeout(LIMIT, async {
            loop {
                let events = self.source.events.lock().unwrap().clone();
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
        self.source.requests.load(Ordering::Relaxed)
    }

    fn stored_reads(&self) -> usize {
        self.stored_reads.load(Ordering::Relaxed)
    }
}

fn single_course(as_of: Timestamp, value: &str) -> MarketSnapshot {
    snapshot(as_of, vec![course("kraken", "BTC-USD", value)], vec![agreed_price("BTC-USD", value)])
}

fn json(snapshot: &MarketSnapshot) -> Bytes {
    serde_json::to_vec(snapshot).unwrap().into()
}

fn event(snapshot: &MarketSnapshot) -> String {
    format!("event: board\ndata: {}\n\n", serde_json::to_string(snapshot).unwrap())
}

#[tokio::test(start_paused = true)]
async fn pushed_snapshot_is_stored_at_once_without_requests() {
    let ingestion = Ingestion::start(Some(Bytes::new()), None, true);
    ingestion.push(event(&single_course(seconds(0), "91000"))).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    // A request may still have been in flight when the stream opened.
    ingestion.push_keep_alives(1).await;
    let (requests, stored_reads) = (ingestion.requests(), ingestion.stored_reads());
    for second in 1..=20 {
        let before = ingestion.clock.now();
        ingestion.push(event(&single_course(seconds(second), &format!("{}", 91000 + second)))).await;
        assert_eq!(ingestion.first_value().unwrap(), format!("{}.00", 91000 + second));
        assert!(ingestion.clock.now().since(before) < Duration::from_millis(10));
        ingestion.push_keep_alives(1).await;
    }
    assert_eq!((ingestion.requests(), ingestion.stored_reads()), (requests, stored_reads));
}

#[tokio::test(start_paused = true)]
async fn repeated_snapshot_builds_no_response_twice() {
    let same = single_course(seconds(0), "91000");
    let ingestion = Ingestion::start(Some(json(&same)), None, false);
    // Without a stream the snapshot is polled twice a second.
    sleep(Duration::from_secs(20)).await;
    assert!(ingestion.requests() >= 20, "{}", ingestion.requests());
    let view = ingestion.store.newest().unwrap();
    assert_eq!(view.sequence, 0);
    let body = view.courses_json(SnapshotFilter::default()).body;

    *ingestion.source.events.lock().unwrap() = Some(broadcast::Sender::new(64));
    for _reconnection in 0..3 {
        ingestion.push(event(&same)).await;
        ingestion.push_keep_alives(1).await;
    }
    let later = ingestion.store.newest().unwrap();
    assert!(Arc::ptr_eq(&view, &later));
    // The same allocation, not only equal bytes.
    assert_eq!(body.as_ptr(), later.courses_json(SnapshotFilter::default()).body.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn newest_snapshot_stays_during_an_outage_and_is_replaced_after_it() {
    let ingestion = Ingestion::start(Some(Bytes::new()), Some(single_course(seconds(0), "1")), true);
    ingestion.push(event(&single_course(seconds(1), "91000"))).await;
    let events = ingestion.source.events.lock().unwrap().take();
    *ingestion.source.response.lock().unwrap() = None;
    drop(events);
    let stored_reads = ingestion.stored_reads();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    // Stored courses are read only while the store is empty.
    assert_eq!(ingestion.stored_reads(), stored_reads);

    *ingestion.source.response.lock().unwrap() = Some(json(&single_course(ingestion.clock.now(), "92000")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("92000.00"));
}

#[tokio::test(start_paused = true)]
async fn cold_start_uses_stored_courses_until_a_snapshot_arrives() {
    let ingestion = Ingestion::start(None, None, false);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ingestion.first_value(), None);
    assert!(ingestion.stored_reads() >= 4);
    *ingestion.stored.lock().unwrap() = Some(single_course(seconds(0), "90000"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("90000.00"));
    let stored_reads = ingestion.stored_reads();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ingestion.stored_reads(), stored_reads);

    *ingestion.source.events.lock().unwrap() = Some(broadcast::Sender::new(64));
    ingestion.push(event(&single_course(ingestion.clock.now(), "91000"))).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    assert_eq!(ingestion.store.newest().unwrap().origin, SnapshotOrigin::PriceCache);
}

#[tokio::test(start_paused = true)]
async fn stored_courses_are_not_read_when_price_cache_has_a_snapshot() {
    let response = json(&single_course(seconds(0), "91000"));
    let ingestion = Ingestion::start(Some(response), Some(single_course(seconds(0), "1")), false);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ingestion.first_value().as_deref(), Some("91000.00"));
    assert_eq!((ingestion.stored_reads(), ingestion.store.newest().unwrap().sequence), (0, 0));
}
