use std::time::Duration;

use common::{concurrency::latest::Document, time::Timestamp};

use super::*;
use crate::tests::fixtures::snapshot;

#[tokio::test]
async fn slow_reader_receives_only_the_newest_document() {
    let (cache, now) = (LocalCache::default(), Timestamp::now());
    let events = Events::new(cache.clone(), Clock::System, CancellationToken::new());
    let mut reader = events.open(&[Topic::MarketSnapshot]).unwrap().0;
    let start = now.minus(Duration::from_secs(999));
    for seconds in 0..1000 {
        let document = Document::from_value(snapshot(start.plus(Duration::from_secs(seconds)))).unwrap();
        cache.latest().replace_if_newer(Arc::new(document), now);
    }
    let newest = serde_json::to_string(&snapshot(now)).unwrap();
    assert_eq!(reader.next().await, Some(Event::message(newest).event_type("board")));
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
}

#[tokio::test]
async fn expired_document_is_not_sent() {
    let (cache, now) = (LocalCache::default(), Timestamp::now());
    let events = Events::new(cache.clone(), Clock::System, CancellationToken::new());
    let long_ago = now.minus(Duration::from_hours(2));
    cache.latest().replace_if_newer(Arc::new(Document::from_value(snapshot(long_ago)).unwrap()), long_ago);
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
}

#[tokio::test]
async fn document_is_not_sent_after_the_clock_was_set_back() {
    let (cache, clock) = (LocalCache::default(), Clock::starting_at(Timestamp::now()));
    let events = Events::new(cache.clone(), clock, CancellationToken::new());
    cache.latest().replace_if_newer(Arc::new(Document::from_value(snapshot(clock.now())).unwrap()), clock.now());
    clock.set(clock.now().minus(Duration::from_hours(1)));
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
    let next = snapshot(clock.now());
    cache.latest().replace_if_newer(Arc::new(Document::from_value(next.clone()).unwrap()), clock.now());
    let json = serde_json::to_string(&next).unwrap();
    assert_eq!(reader.next().await, Some(Event::message(json).event_type("board")));
}

#[tokio::test]
async fn disconnected_reader_makes_room_for_another_reader() {
    let events = Events::new(LocalCache::default(), Clock::System, CancellationToken::new());
    let mut readers: Vec<_> = (0..MAX_EVENT_READERS).map(|_| events.open(Topic::ALL).unwrap()).collect();
    assert!(matches!(events.open(Topic::ALL), Err(Error::TooManyReaders)));
    readers.pop();
    assert!(events.open(Topic::ALL).is_ok());
}

#[tokio::test]
async fn cancellation_ends_open_streams() {
    let close = CancellationToken::new();
    let events = Events::new(LocalCache::default(), Clock::System, close.clone());
    let mut reader = events.open(Topic::ALL).unwrap().0;
    assert_eq!(futures_util::poll!(reader.next()), std::task::Poll::Pending);
    close.cancel();
    assert_eq!(reader.next().await, None);
}
