//! Prices of a price-cache-proxy that does what a test says, in virtual time.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::prices::{BASE, Price},
    clients::price_cache::EventBytes,
    money::Currency,
    time::Timestamp,
};
use futures_util::{StreamExt, future::join_all};
use tokio::sync::{Notify, broadcast};

use super::*;

const TTL: Duration = Duration::from_secs(60);

struct Fake {
    /// What is answered to a question; nothing: it cannot be reached.
    answer: Mutex<Option<Bytes>>,
    asked: AtomicUsize,
    /// What every open stream carries.
    stream: broadcast::Sender<Bytes>,
    opened: Notify,
}

#[async_trait]
impl DocumentSource for Fake {
    async fn fetch(&self, _: Topic) -> Result<Bytes, CallError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Long enough for others to come and wait.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let away = || CallError::InvalidResponse(PriceCacheClient::SERVICE, "it is away".to_owned());
        self.answer.lock().unwrap().clone().ok_or_else(away)
    }

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        let stream = futures_util::stream::unfold(self.stream.subscribe(), |mut stream| async {
            stream.recv().await.ok().map(|bytes| (Ok(bytes), stream))
        });
        self.opened.notify_one();
        Ok(stream.boxed())
    }
}

fn scene(max_age: Option<Duration>) -> (Arc<Fake>, PriceReader, Clock) {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    let fake = Fake {
        answer: Mutex::new(Some(Bytes::new())),
        asked: AtomicUsize::new(0),
        stream: broadcast::Sender::new(16),
        opened: Notify::new(),
    };
    let fake = Arc::new(fake);
    (fake.clone(), PriceReader::with_upstream(fake, max_age, clock), clock)
}

fn record(state: PriceState, as_of: Timestamp, ttl: Duration) -> PriceRecord {
    let price = Price { price: "84000.12".parse().unwrap(), sources: vec!["kraken".to_owned()] };
    PriceRecord {
        base: BASE.to_owned(),
        state,
        as_of,
        expires_at: as_of.plus(ttl),
        simulated: false,
        prices: [(Currency::EUR, price)].into(),
    }
}

fn answer(fake: &Fake, record: &PriceRecord) {
    *fake.answer.lock().unwrap() = Some(serde_json::to_vec(record).unwrap().into());
}

#[tokio::test(start_paused = true)]
async fn a_price_that_was_pushed_is_used_without_a_question() {
    let (fake, prices, clock) = scene(None);
    let stop = CancellationToken::new();
    let run = tokio::spawn(prices.clone().keep_fresh(stop.clone()));
    fake.opened.notified().await;
    let record = record(PriceState::Fresh, clock.now(), TTL);
    let event = format!("event: record\ndata: {}\n\n", serde_json::to_string(&record).unwrap());
    fake.stream.send(event.into()).unwrap();
    let mut records = prices.watch.subscribe_price_record();
    records.wait_for(Option::is_some).await.unwrap();
    let asked = fake.asked.load(Ordering::Relaxed);
    for _ in 0..100 {
        assert_eq!(prices.current().await.unwrap().value(), &record);
    }
    assert_eq!(fake.asked.load(Ordering::Relaxed), asked);
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_that_find_no_price_ask_once() {
    let (fake, prices, clock) = scene(None);
    let results = join_all((0..50).map(|_| prices.current())).await;
    assert!(results.iter().all(|result| matches!(result, Err(PriceError::NoRecord))));
    assert_eq!(fake.asked.load(Ordering::Relaxed), 1);

    *fake.answer.lock().unwrap() = None;
    assert!(matches!(prices.current().await, Err(PriceError::Call(_))));
    answer(&fake, &record(PriceState::Fresh, clock.now(), TTL));
    assert!(join_all((0..50).map(|_| prices.current())).await.iter().all(Result::is_ok));
    assert_eq!(fake.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_price_that_ran_out_is_never_used() {
    let (fake, prices, clock) = scene(None);
    let record = record(PriceState::Fresh, clock.now(), TTL);
    answer(&fake, &record);
    prices.current().await.unwrap();
    // Until one microsecond before its end, and the cache goes on telling it after that.
    tokio::time::advance(record.expires_at.since(clock.now()).saturating_sub(Duration::from_millis(1))).await;
    assert!(prices.current().await.is_ok());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(matches!(prices.current().await, Err(PriceError::NoRecord)));
}

#[tokio::test(start_paused = true)]
async fn a_prolonged_price_may_be_as_old_as_is_said_and_a_fresh_one_as_it_is_valid() {
    let (bound, hour) = (Duration::from_secs(300), Duration::from_secs(3600));
    for (max_age, state, limit) in [
        (Some(bound), PriceState::Prolonged, bound),
        (Some(bound), PriceState::Fresh, hour),
        (None, PriceState::Prolonged, hour),
    ] {
        let (fake, prices, clock) = scene(max_age);
        let record = record(state, clock.now(), hour);
        answer(&fake, &record);
        prices.current().await.unwrap();
        let left = limit.saturating_sub(clock.now().since(record.as_of));
        tokio::time::advance(left.saturating_sub(Duration::from_millis(1))).await;
        assert!(prices.current().await.is_ok(), "{max_age:?} {state:?}");
        tokio::time::advance(Duration::from_millis(2)).await;
        match prices.current().await {
            Err(PriceError::TooOld { age, bound: told }) if limit == bound => {
                assert!(age > bound && age < bound + Duration::from_secs(1) && told == bound, "{age:?} {told:?}");
            }
            Err(PriceError::NoRecord) if limit == hour => {}
            other => panic!("{max_age:?} {state:?}: {other:?}"),
        }
    }
}
