//! Boards of a price-cache-proxy that does what a test says, in virtual time.

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
    tests::fixtures::{at, course, price, snapshot},
};

const LIMIT: Duration = Duration::from_secs(60);

struct Fake {
    /// What is answered to a question; nothing: it cannot be reached.
    answer: Mutex<Option<Bytes>>,
    asked: AtomicUsize,
    /// What every open stream carries; nothing: none can be opened.
    stream: Mutex<Option<broadcast::Sender<Bytes>>>,
}

fn away() -> CallError {
    CallError::InvalidResponse(PriceCacheClient::SERVICE, "it is away".to_owned())
}

#[async_trait]
impl DocumentSource for Fake {
    async fn fetch(&self, _: Topic) -> Result<Bytes, CallError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.lock().unwrap().clone().ok_or_else(away)
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        assert_eq!(topics, [Topic::MarketSnapshot]);
        let stream = self.stream.lock().unwrap().as_ref().map(broadcast::Sender::subscribe).ok_or_else(away)?;
        let bytes = futures_util::stream::unfold(stream, |mut stream| async {
            stream.recv().await.ok().map(|bytes| (Ok(bytes), stream))
        });
        Ok(bytes.boxed())
    }
}

/// A book that is kept, and what it is kept from.
struct IngestHarness {
    fake: Arc<Fake>,
    /// How often it was asked what was written down.
    read: Arc<AtomicUsize>,
    /// What was written down; nothing: db-proxy is away.
    stored: Arc<Mutex<Option<MarketSnapshot>>>,
    store: Arc<SnapshotStore>,
    clock: Clock,
    run: JoinHandle<()>,
}

impl Drop for IngestHarness {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl IngestHarness {
    /// A cache that answers so, and can be listened to, or not.
    fn start(answer: Option<Bytes>, stored: Option<MarketSnapshot>, open: bool) -> Self {
        let clock = Clock::starting_at(at(0));
        let stream = Mutex::new(open.then(|| broadcast::Sender::new(64)));
        let fake = Arc::new(Fake { answer: Mutex::new(answer), asked: AtomicUsize::new(0), stream });
        let store = Arc::new(SnapshotStore::new(clock, &Metrics::new("rates")));
        let (read, stored) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(stored)));
        let watch = PriceCacheWatch::new(fake.clone(), &[Topic::MarketSnapshot], clock);
        let (counted, kept, filled) = (read.clone(), stored.clone(), store.clone());
        let run = tokio::spawn(async move {
            let stored = || {
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = kept.lock().unwrap().clone().ok_or_else(away);
                async move { answer.map(Some) }
            };
            follow(watch, stored, &filled, CancellationToken::new()).await;
        });
        Self { fake, read, stored, store, clock, run }
    }

    /// Waits until a stream is open and what it carries arrives.
    async fn push(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let sent = timeout(LIMIT, async {
            loop {
                let stream = self.fake.stream.lock().unwrap().clone();
                match stream.and_then(|stream| stream.send(bytes.clone()).ok()) {
                    Some(_) => return,
                    None => sleep(Duration::from_millis(10)).await,
                }
            }
        });
        sent.await.expect("nobody listens");
        // Time stands still until all who can go on have gone on.
        sleep(Duration::from_millis(1)).await;
    }

    async fn pass_alive(&self, seconds: u64) {
        for _ in 0..seconds {
            self.push(":\n\n").await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// What is shown of one course.
    fn shown(&self) -> Option<String> {
        let view = self.store.newest().ok()?;
        Some(view.courses.first()?.value.to_string())
    }

    fn asked(&self) -> usize {
        self.fake.asked.load(Ordering::Relaxed)
    }
}

fn one(as_of: Timestamp, value: &str) -> MarketSnapshot {
    snapshot(as_of, vec![course("kraken", "BTC-USD", value)], vec![price("BTC-USD", value)])
}

fn json(snapshot: &MarketSnapshot) -> Bytes {
    serde_json::to_vec(snapshot).unwrap().into()
}

fn event(snapshot: &MarketSnapshot) -> String {
    format!("event: board\ndata: {}\n\n", serde_json::to_string(snapshot).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_pushed_is_shown_at_once_and_nobody_asks() {
    let scene = IngestHarness::start(Some(Bytes::new()), None, true);
    scene.push(event(&one(at(0), "91000"))).await;
    assert_eq!(scene.shown().as_deref(), Some("91000.00"));
    // The last question that was under way when the stream said its first word.
    scene.pass_alive(1).await;
    let (asked, read) = (scene.asked(), scene.read.load(Ordering::Relaxed));
    for secs in 1..=20 {
        let before = scene.clock.now();
        scene.push(event(&one(at(secs), &format!("{}", 91000 + secs)))).await;
        assert_eq!(scene.shown().unwrap(), format!("{}.00", 91000 + secs));
        assert!(scene.clock.now().since(before) < Duration::from_millis(10));
        scene.pass_alive(1).await;
    }
    assert_eq!((scene.asked(), scene.read.load(Ordering::Relaxed)), (asked, read));
}

#[tokio::test(start_paused = true)]
async fn the_same_board_makes_no_answer_twice_whichever_way_it_comes_again() {
    let same = one(at(0), "91000");
    let scene = IngestHarness::start(Some(json(&same)), None, false);
    // Nothing is pushed: the same is answered twice a second.
    sleep(Duration::from_secs(20)).await;
    assert!(scene.asked() >= 20, "{}", scene.asked());
    let view = scene.store.newest().unwrap();
    assert_eq!(view.number, 0);
    let body = view.courses(SnapshotFilter::default()).body;

    *scene.fake.stream.lock().unwrap() = Some(broadcast::Sender::new(64));
    for _reconnection in 0..3 {
        scene.push(event(&same)).await;
        scene.pass_alive(1).await;
    }
    let again = scene.store.newest().unwrap();
    assert!(Arc::ptr_eq(&view, &again));
    // The very bytes, not only the same ones.
    assert_eq!(body.as_ptr(), again.courses(SnapshotFilter::default()).body.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_stays_while_the_cache_is_away_and_the_next_is_shown_when_it_is_back() {
    let scene = IngestHarness::start(Some(Bytes::new()), Some(one(at(0), "1")), true);
    scene.push(event(&one(at(1), "91000"))).await;
    let stream = scene.fake.stream.lock().unwrap().take();
    *scene.fake.answer.lock().unwrap() = None;
    drop(stream);
    let read = scene.read.load(Ordering::Relaxed);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.shown().as_deref(), Some("91000.00"));
    // What was written down is for those who have nothing.
    assert_eq!(scene.read.load(Ordering::Relaxed), read);

    *scene.fake.answer.lock().unwrap() = Some(json(&one(scene.clock.now(), "92000")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.shown().as_deref(), Some("92000.00"));
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_shows_what_was_written_down_until_there_is_a_board() {
    let scene = IngestHarness::start(None, None, false);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.shown(), None);
    assert!(scene.read.load(Ordering::Relaxed) >= 4);
    *scene.stored.lock().unwrap() = Some(one(at(0), "90000"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.shown().as_deref(), Some("90000.00"));
    let read = scene.read.load(Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.read.load(Ordering::Relaxed), read);

    *scene.fake.stream.lock().unwrap() = Some(broadcast::Sender::new(64));
    scene.push(event(&one(scene.clock.now(), "91000"))).await;
    assert_eq!(scene.shown().as_deref(), Some("91000.00"));
    assert_eq!(scene.store.newest().unwrap().origin, SnapshotOrigin::PriceCacheClient);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_a_board_nothing_older_is_shown_before_it() {
    let scene = IngestHarness::start(Some(json(&one(at(0), "91000"))), Some(one(at(0), "1")), false);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.shown().as_deref(), Some("91000.00"));
    assert_eq!((scene.read.load(Ordering::Relaxed), scene.store.newest().unwrap().number), (0, 0));
}
