use std::time::Duration;

use common::concurrency::latest::Document;

use super::*;
use crate::tests::fixtures::snapshot;

#[tokio::test]
async fn a_slow_reader_gets_the_newest_only() {
    let (cache, now) = (LocalCache::default(), Timestamp::now());
    let events = Events::new(cache.clone(), CancellationToken::new());
    let mut reader = events.open(&[Topic::MarketSnapshot]).unwrap().0;
    for seconds in 0..1000 {
        let document = Document::from_value(snapshot(now.plus(Duration::from_secs(seconds)))).unwrap();
        cache.latest().replace_if_newer(Arc::new(document), now);
    }
    let newest = serde_json::to_string(&snapshot(now.plus(Duration::from_secs(999)))).unwrap();
    assert_eq!(reader.next().await, Some(Event::message(newest).event_type("board")));
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
}

#[tokio::test]
async fn what_ran_out_is_not_sent() {
    let (cache, now) = (LocalCache::default(), Timestamp::now());
    let events = Events::new(cache.clone(), CancellationToken::new());
    let long_ago = now.minus(Duration::from_hours(2));
    cache.latest().replace_if_newer(Arc::new(Document::from_value(snapshot(long_ago)).unwrap()), long_ago);
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
}

#[tokio::test]
async fn readers_are_limited_and_give_their_place_back() {
    let events = Events::new(LocalCache::default(), CancellationToken::new());
    let mut readers: Vec<_> = (0..MAX_EVENT_READERS).map(|_| events.open(Topic::ALL).unwrap()).collect();
    assert!(matches!(events.open(Topic::ALL), Err(Error::TooManyReaders)));
    readers.pop();
    assert!(events.open(Topic::ALL).is_ok());
}

#[tokio::test]
async fn every_stream_ends_with_the_service() {
    let closing = CancellationToken::new();
    let events = Events::new(LocalCache::default(), closing.clone());
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
    closing.cancel();
    assert_eq!(reader.next().await, None);
}
