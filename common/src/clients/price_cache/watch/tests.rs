//! What is held of a price-cache-proxy that pushes, breaks off, says nothing, and comes back; in virtual time.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::*;
use crate::{
    api::prices::{BASE, Price, PriceState},
    money::Currency,
    time::Timestamp,
};

const TTL: Duration = Duration::from_secs(60);

type Stream = mpsc::UnboundedSender<Bytes>;

/// A price-cache-proxy that does what a test says.
struct Fake {
    /// What is answered to a question; nothing: it cannot be reached.
    answer: Mutex<Option<Bytes>>,
    asked: AtomicUsize,
    /// Each stream that is opened comes out here; while nobody takes them, none can be opened.
    opened: Mutex<Option<mpsc::UnboundedSender<Stream>>>,
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

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let opened = self.opened.lock().unwrap().clone().ok_or_else(away)?;
        opened.send(sender).map_err(|_| away())?;
        let bytes = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|bytes| (Ok(bytes), receiver))
        });
        Ok(bytes.boxed())
    }
}

/// A watch that runs, and the two ends of it that the test holds.
struct Scene {
    fake: Arc<Fake>,
    watch: PriceCacheWatch,
    clock: Clock,
    streams: mpsc::UnboundedReceiver<Stream>,
    run: JoinHandle<()>,
}

impl Scene {
    fn start() -> Self {
        let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
        let (opened, streams) = mpsc::unbounded_channel();
        let (answer, opened) = (Mutex::new(Some(Bytes::new())), Mutex::new(Some(opened)));
        let fake = Arc::new(Fake { answer, asked: AtomicUsize::new(0), opened });
        let watch = PriceCacheWatch::new(fake.clone(), &[Topic::PriceRecord], clock);
        let run = tokio::spawn(watch.clone().run(CancellationToken::new()));
        Self { fake, watch, clock, streams, run }
    }

    fn asked(&self) -> usize {
        self.fake.asked.load(Ordering::Relaxed)
    }

    fn answer(&self, answer: Option<Bytes>) {
        *self.fake.answer.lock().unwrap() = answer;
    }

    /// The cache goes away: no question is answered and no stream can be opened. Gives what lets it come back.
    fn go_away(&self) -> mpsc::UnboundedSender<Stream> {
        self.answer(None);
        self.fake.opened.lock().unwrap().take().unwrap()
    }

    /// The price that is held of the current record.
    fn price(&self) -> Option<String> {
        self.watch.price_record().map(|record| record.value().prices[&Currency::EUR].price.to_string())
    }

    /// Waits until this price is held.
    async fn shows(&self, price: &str) {
        let limit = timeout(TTL, async {
            let mut records = self.watch.subscribe_price_record();
            while self.price().as_deref() != Some(price) {
                records.changed().await.unwrap();
            }
        });
        limit.await.unwrap_or_else(|_| panic!("{price} is not held, but {:?}", self.price()));
    }

    async fn pushed(&self, pushed: bool) {
        let limit =
            timeout(TTL, async { self.watch.subscribe_connected().wait_for(|now| *now == pushed).await.map(drop) });
        limit.await.unwrap_or_else(|_| panic!("pushed is not {pushed}")).unwrap();
    }

    /// Lets time pass while the stream says that it is alive.
    async fn pass_alive(&self, stream: &Stream, seconds: u64) {
        for _ in 0..seconds {
            stream.send(Bytes::from_static(b":\n\n")).unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.run.abort();
    }
}

fn json(as_of: Timestamp, price: &str) -> Bytes {
    let price = Price { price: price.parse().unwrap(), sources: vec!["kraken".to_owned()] };
    let record = PriceRecord {
        base: BASE.to_owned(),
        state: PriceState::Fresh,
        as_of,
        expires_at: as_of.plus(TTL),
        simulated: false,
        prices: [(Currency::EUR, price)].into(),
    };
    serde_json::to_vec(&record).unwrap().into()
}

fn event(as_of: Timestamp, price: &str) -> Bytes {
    format!("event: record\ndata: {}\n\n", String::from_utf8_lossy(&json(as_of, price))).into()
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_held_at_once_and_nobody_asks() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    stream.send(event(scene.clock.now(), "84000.12")).unwrap();
    scene.shows("84000.12").await;
    scene.pushed(true).await;
    scene.pass_alive(&stream, 2).await;
    let (asked, before) = (scene.asked(), scene.clock.now());
    scene.pass_alive(&stream, 20).await;
    assert_eq!(scene.asked(), asked);

    // In pieces, as a network cuts it.
    let next = event(scene.clock.now(), "84001.00");
    for piece in next.chunks(7) {
        stream.send(Bytes::copy_from_slice(piece)).unwrap();
    }
    scene.shows("84001.00").await;
    assert!(scene.clock.now().since(before) < Duration::from_secs(21));
    let held = scene.watch.price_record().unwrap();
    assert_eq!(serde_json::from_slice::<PriceRecord>(held.json()).unwrap(), *held.value());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_is_made_up_for_by_asking_until_it_is_back() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    stream.send(event(scene.clock.now(), "1.00")).unwrap();
    scene.pushed(true).await;

    let opened = scene.go_away();
    drop(stream);
    scene.pushed(false).await;
    sleep(Duration::from_secs(10)).await;
    // What was held is held, though nobody answers.
    assert_eq!(scene.price().as_deref(), Some("1.00"));
    assert!(scene.asked() >= 10, "{}", scene.asked());

    let (back, start) = (json(scene.clock.now(), "2.00"), scene.clock.now());
    scene.answer(Some(back));
    scene.shows("2.00").await;
    assert!(scene.clock.now().since(start) <= ASK_INTERVAL);

    *scene.fake.opened.lock().unwrap() = Some(opened);
    let stream = timeout(MAX_PAUSE * 2, scene.streams.recv()).await.unwrap().unwrap();
    stream.send(event(scene.clock.now(), "3.00")).unwrap();
    scene.shows("3.00").await;
    scene.pass_alive(&stream, 1).await;
    let asked = scene.asked();
    scene.pass_alive(&stream, 10).await;
    assert_eq!(scene.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_is_taken_for_lost() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    stream.send(event(scene.clock.now(), "1.00")).unwrap();
    scene.pushed(true).await;
    let (start, newer) = (scene.clock.now(), json(scene.clock.now(), "2.00"));
    scene.answer(Some(newer));
    // It stays open and says nothing more.
    scene.shows("2.00").await;
    let noticed = scene.clock.now().since(start);
    assert!(MAX_SILENCE <= noticed && noticed <= MAX_SILENCE + ASK_INTERVAL, "{noticed:?}");
    assert!(stream.is_closed());
    scene.streams.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_says_anything_is_no_reason_to_stop_asking() {
    let mut scene = Scene::start();
    let _silent = scene.streams.recv().await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert!(scene.asked() >= 5, "{}", scene.asked());
    assert!(!*scene.watch.subscribe_connected().borrow());
}

#[tokio::test(start_paused = true)]
async fn what_ran_out_is_never_used() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    let start = scene.clock.now();
    stream.send(event(start, "1.00")).unwrap();
    scene.shows("1.00").await;
    scene.pass_alive(&stream, TTL.as_secs() - 1).await;
    assert_eq!(scene.price().as_deref(), Some("1.00"));
    scene.pass_alive(&stream, 1).await;
    assert_eq!(scene.price(), None);
    // Nor is it when it is told again.
    stream.send(event(start, "1.00")).unwrap();
    scene.pass_alive(&stream, 1).await;
    assert_eq!(scene.price(), None);
}

#[tokio::test(start_paused = true)]
async fn the_newest_wins_whichever_way_it_came() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    let now = scene.clock.now();
    let at = |seconds| now.plus(Duration::from_secs(seconds));
    for (seconds, price, held) in [(2, "2.00", "2.00"), (1, "1.00", "2.00"), (2, "2.50", "2.50"), (3, "3.00", "3.00")] {
        stream.send(event(at(seconds), price)).unwrap();
        scene.pass_alive(&stream, 1).await;
        assert_eq!(scene.price().as_deref(), Some(held), "{seconds} {price}");
    }
    scene.answer(Some(json(at(1), "1.00")));
    scene.watch.fetch(Topic::PriceRecord).await.unwrap();
    assert_eq!(scene.price().as_deref(), Some("3.00"));
    // A cache that lost everything takes nothing away either.
    scene.answer(Some(Bytes::new()));
    scene.watch.fetch(Topic::PriceRecord).await.unwrap();
    assert_eq!(scene.price().as_deref(), Some("3.00"));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_ends_the_stream_and_an_unknown_one_does_not() {
    let mut scene = Scene::start();
    let stream = scene.streams.recv().await.unwrap();
    stream.send(Bytes::from_static(b"event: of-tomorrow\ndata: {}\n\n")).unwrap();
    stream.send(event(scene.clock.now(), "1.00")).unwrap();
    scene.shows("1.00").await;
    assert!(!stream.is_closed());
    stream.send(Bytes::from_static(b"event: record\ndata: {}\n\n")).unwrap();
    scene.streams.recv().await.unwrap();
    assert!(stream.is_closed());
    assert_eq!(scene.price().as_deref(), Some("1.00"));
}
