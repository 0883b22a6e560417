use std::time::Duration;

use common::concurrency::latest::Document;

use super::*;
use crate::tests::fixtures::snapshot;

#[tokio::test]
async fn slow_reader_receives_only_the_newest_document() {
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
async fn expired_document_is_not_sent() {
    let (cache, now) = (LocalCache::default(), Timestamp::now());
    let events = Events::new(cache.clone(), CancellationToken::new());
    let long_ago = now.minus(Duration::from_hours(2));
    cache.latest().replace_if_newer(Arc::new(Document::from_value(snapshot(long_ago)).unwrap()), long_ago);
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
}

#[tokio::test]
async fn disconnected_reader_makes_room_for_another() {
    let events = Events::new(LocalCache::default(), CancellationToken::new());
    let mut readers: Vec<_> = (0..MAX_EVENT_READERS).map(|_| events.open(Topic::ALL).unwrap()).collect();
    assert!(matches!(events.open(Topic::ALL), Err(Error::TooManyReaders)));
    readers.pop();
    assert!(events.open(Topic::ALL).is_ok());
}

#[tokio::test]
async fn cancellation_ends_open_streams() {
    let close = CancellationToken::new();
    let events = Events::new(LocalCache::default(), close.clone());
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
    close.cancel();
    assert_eq!(reader.next().await, None);
}
