//! Tests of the watch with a fake price-cache-proxy and virtual time.

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

/// A price-cache-proxy that is controlled by a test.
struct FakePriceCache {
    /// The response to a poll. If it is `None`, the poll fails.
    response: Mutex<Option<Bytes>>,
    polls: AtomicUsize,
    /// Receives each stream that is opened. While this field is `None`, no stream can be opened.
    opened: Mutex<Option<mpsc::UnboundedSender<Stream>>>,
}

fn failed_call() -> CallError {
    CallError::InvalidResponse(PriceCacheClient::SERVICE, "not JSON".to_owned())
}

#[async_trait]
impl DocumentSource for FakePriceCache {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.response.lock().unwrap().clone().ok_or_else(failed_call)
    }

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let opened = self.opened.lock().unwrap().clone().ok_or_else(failed_call)?;
        opened.send(sender).map_err(|_| failed_call())?;
        let bytes = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|bytes| (Ok(bytes), receiver))
        });
        Ok(bytes.boxed())
    }
}

/// A running watch and the price-cache-proxy that it watches.
struct Fixture {
    price_cache: Arc<FakePriceCache>,
    watch: PriceCacheWatch,
    clock: Clock,
    streams: mpsc::UnboundedReceiver<Stream>,
    run: JoinHandle<()>,
}

impl Fixture {
    fn start() -> Self {
        let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
        let (opened, streams) = mpsc::unbounded_channel();
        let (response, opened) = (Mutex::new(Some(Bytes::new())), Mutex::new(Some(opened)));
        let price_cache = Arc::new(FakePriceCache { response, polls: AtomicUsize::new(0), opened });
        let watch = PriceCacheWatch::new(price_cache.clone(), &[Topic::PriceRecord], clock);
        let run = tokio::spawn(watch.clone().run(CancellationToken::new()));
        Self { price_cache, watch, clock, streams, run }
    }

    fn polls(&self) -> usize {
        self.price_cache.polls.load(Ordering::Relaxed)
    }

    fn respond(&self, response: Option<Bytes>) {
        *self.price_cache.response.lock().unwrap() = response;
    }

    /// Makes the cache unavailable. Returns the former value of `opened`, with which streams can be opened again.
    fn make_unavailable(&self) -> mpsc::UnboundedSender<Stream> {
        self.respond(None);
        self.price_cache.opened.lock().unwrap().take().unwrap()
    }

    /// The price of the current record.
    fn price(&self) -> Option<String> {
        self.watch.price_record().map(|record| record.value().prices[&Currency::EUR].price.to_string())
    }

    /// Waits until the current record has this price.
    async fn wait_for_price(&self, price: &str) {
        let waiting = timeout(TTL, async {
            let mut records = self.watch.subscribe_price_record();
            while self.price().as_deref() != Some(price) {
                records.changed().await.unwrap();
            }
        });
        waiting.await.unwrap_or_else(|_| panic!("the price is {:?} and not {price}", self.price()));
    }

    /// Waits until the watch reports that a stream is connected, or that no stream is connected.
    async fn wait_for_connected(&self, connected: bool) {
        let waiting =
            timeout(TTL, async { self.watch.subscribe_connected().wait_for(|now| *now == connected).await.map(drop) });
        waiting.await.unwrap_or_else(|_| panic!("the watch does not report connected = {connected}")).unwrap();
    }

    /// Advances the time by `seconds`. Sends a comment on the stream every second.
    async fn advance_with_keep_alive(&self, stream: &Stream, seconds: u64) {
        for _ in 0..seconds {
            stream.send(Bytes::from_static(b":\n\n")).unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.run.abort();
    }
}

fn json(as_of: Timestamp, price: &str) -> Bytes {
    let price = Price::new(price.parse().unwrap(), vec!["kraken".to_owned()]);
    let record = PriceRecord {
        base: BASE.to_owned(),
        state: PriceState::Fresh,
        as_of,
        expires_at: as_of.plus(TTL),
        newest_as_of: None,
        simulated: false,
        prices: [(Currency::EUR, price)].into(),
    };
    serde_json::to_vec(&record).unwrap().into()
}

fn event(as_of: Timestamp, price: &str) -> Bytes {
    format!("event: {}\ndata: {}\n\n", Topic::PriceRecord, String::from_utf8_lossy(&json(as_of, price))).into()
}

#[tokio::test(start_paused = true)]
async fn pushed_document_is_available_without_polling() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    stream.send(event(fixture.clock.now(), "84000.12")).unwrap();
    fixture.wait_for_price("84000.12").await;
    fixture.wait_for_connected(true).await;
    fixture.advance_with_keep_alive(&stream, 2).await;
    let (polls, before) = (fixture.polls(), fixture.clock.now());
    fixture.advance_with_keep_alive(&stream, 20).await;
    assert_eq!(fixture.polls(), polls);

    // An event may arrive in pieces.
    let next = event(fixture.clock.now(), "84001.00");
    for piece in next.chunks(7) {
        stream.send(Bytes::copy_from_slice(piece)).unwrap();
    }
    fixture.wait_for_price("84001.00").await;
    assert!(fixture.clock.now().since(before) < Duration::from_secs(21));
    let record = fixture.watch.price_record().unwrap();
    assert_eq!(serde_json::from_slice::<PriceRecord>(record.json()).unwrap(), *record.value());
}

#[tokio::test(start_paused = true)]
async fn documents_are_polled_until_the_stream_is_connected_again() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    stream.send(event(fixture.clock.now(), "1.00")).unwrap();
    fixture.wait_for_connected(true).await;

    let opened = fixture.make_unavailable();
    drop(stream);
    fixture.wait_for_connected(false).await;
    sleep(Duration::from_secs(10)).await;
    // The record stays available while the cache is unavailable.
    assert_eq!(fixture.price().as_deref(), Some("1.00"));
    assert!(fixture.polls() >= 10, "{}", fixture.polls());

    let (record, start) = (json(fixture.clock.now(), "2.00"), fixture.clock.now());
    fixture.respond(Some(record));
    fixture.wait_for_price("2.00").await;
    assert!(fixture.clock.now().since(start) <= POLL_INTERVAL);

    *fixture.price_cache.opened.lock().unwrap() = Some(opened);
    let stream = timeout(MAX_BACKOFF * 2, fixture.streams.recv()).await.unwrap().unwrap();
    stream.send(event(fixture.clock.now(), "3.00")).unwrap();
    fixture.wait_for_price("3.00").await;
    fixture.advance_with_keep_alive(&stream, 1).await;
    let polls = fixture.polls();
    fixture.advance_with_keep_alive(&stream, 10).await;
    assert_eq!(fixture.polls(), polls);
}

#[tokio::test(start_paused = true)]
async fn silent_stream_is_disconnected() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    stream.send(event(fixture.clock.now(), "1.00")).unwrap();
    fixture.wait_for_connected(true).await;
    let (start, newer) = (fixture.clock.now(), json(fixture.clock.now(), "2.00"));
    fixture.respond(Some(newer));
    // The stream stays open but is silent.
    fixture.wait_for_price("2.00").await;
    let detected_after = fixture.clock.now().since(start);
    assert!(
        MAX_STREAM_SILENCE <= detected_after && detected_after <= MAX_STREAM_SILENCE + POLL_INTERVAL,
        "{detected_after:?}"
    );
    assert!(stream.is_closed());
    fixture.streams.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn polling_continues_while_the_stream_sends_no_bytes() {
    let mut fixture = Fixture::start();
    let _silent = fixture.streams.recv().await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert!(fixture.polls() >= 5, "{}", fixture.polls());
    assert!(!*fixture.watch.subscribe_connected().borrow());
}

#[tokio::test(start_paused = true)]
async fn expired_record_is_never_used() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    let start = fixture.clock.now();
    stream.send(event(start, "1.00")).unwrap();
    fixture.wait_for_price("1.00").await;
    fixture.advance_with_keep_alive(&stream, TTL.as_secs() - 1).await;
    assert_eq!(fixture.price().as_deref(), Some("1.00"));
    fixture.advance_with_keep_alive(&stream, 1).await;
    assert_eq!(fixture.price(), None);
    // The expired record is not used when it is pushed again.
    stream.send(event(start, "1.00")).unwrap();
    fixture.advance_with_keep_alive(&stream, 1).await;
    assert_eq!(fixture.price(), None);
}

#[tokio::test(start_paused = true)]
async fn newest_document_is_kept_whether_pushed_or_polled() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    let now = fixture.clock.now();
    let at = |seconds| now.plus(Duration::from_secs(seconds));
    for (seconds, price, expected) in
        [(2, "2.00", "2.00"), (1, "1.00", "2.00"), (2, "2.50", "2.50"), (3, "3.00", "3.00")]
    {
        stream.send(event(at(seconds), price)).unwrap();
        fixture.advance_with_keep_alive(&stream, 1).await;
        assert_eq!(fixture.price().as_deref(), Some(expected), "{seconds} {price}");
    }
    fixture.respond(Some(json(at(1), "1.00")));
    fixture.watch.fetch_now(Topic::PriceRecord).await.unwrap();
    assert_eq!(fixture.price().as_deref(), Some("3.00"));
    // An empty cache does not remove the record.
    fixture.respond(Some(Bytes::new()));
    fixture.watch.fetch_now(Topic::PriceRecord).await.unwrap();
    assert_eq!(fixture.price().as_deref(), Some("3.00"));
}

#[tokio::test(start_paused = true)]
async fn unknown_event_is_ignored() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    stream.send(Bytes::from_static(b"event: unknown-topic\ndata: {}\n\n")).unwrap();
    stream.send(event(fixture.clock.now(), "1.00")).unwrap();
    fixture.wait_for_price("1.00").await;
    assert!(!stream.is_closed());
}

#[tokio::test(start_paused = true)]
async fn invalid_event_ends_the_stream_and_keeps_the_record() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    stream.send(event(fixture.clock.now(), "1.00")).unwrap();
    fixture.wait_for_price("1.00").await;
    stream.send(Bytes::from_static(b"event: record\ndata: {}\n\n")).unwrap();
    fixture.streams.recv().await.unwrap();
    assert!(stream.is_closed());
    assert_eq!(fixture.price().as_deref(), Some("1.00"));
}

/// A response ends with a line break, and an event does not. The same document is recognized although its bytes differ.
#[tokio::test(start_paused = true)]
async fn pushed_document_is_kept_if_it_is_fetched_while_the_clock_is_ahead() {
    let mut fixture = Fixture::start();
    let stream = fixture.streams.recv().await.unwrap();
    let now = fixture.clock.now();
    stream.send(event(now, "1.00")).unwrap();
    fixture.wait_for_price("1.00").await;
    let mut records = fixture.watch.subscribe_price_record();
    records.mark_unchanged();
    fixture.clock.set(now.plus(Duration::from_hours(1)));
    fixture.respond(Some([&json(now, "1.00")[..], b"\n"].concat().into()));
    fixture.watch.fetch_now(Topic::PriceRecord).await.unwrap();
    fixture.clock.set(now);
    assert_eq!(fixture.price().as_deref(), Some("1.00"));
    assert!(!records.has_changed().unwrap());
}
