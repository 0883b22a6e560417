use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::time::{Clock, MAX_CLOCK_SKEW};

/// A document that is valid for a minute.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    as_of: Timestamp,
    text: String,
}

impl Expiring for Note {
    fn version(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.as_of.plus(Duration::from_mins(1))
    }
}

fn note(as_of: Timestamp, text: &str) -> Arc<Document<Note>> {
    Arc::new(Document::from_value(Note { as_of, text: text.to_owned() }).unwrap())
}

#[test]
fn older_document_is_rejected_until_the_stored_document_expires() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let latest = Latest::default();
    assert_eq!(latest.current(now), None);
    let (first, second) = (note(now, "first"), note(now.plus(Duration::from_secs(1)), "second"));
    assert_eq!(latest.replace_if_newer(second.clone(), now), second);
    assert_eq!(latest.replace_if_newer(first.clone(), now), second);
    assert!(latest.contains_json(second.json()) && !latest.contains_json(first.json()));
    // A document with the same time replaces the stored document.
    let third = note(second.value().as_of, "third");
    assert_eq!(latest.replace_if_newer(third.clone(), now), third);
    assert_eq!(latest.current(now), Some(third.clone()));
    // An expired document is not returned and can be replaced by an older document.
    let end = third.value().expires_at();
    assert_eq!(latest.current(end), None);
    assert_eq!(latest.replace_if_newer(first.clone(), end), first);
}

#[tokio::test]
async fn slow_subscriber_receives_only_the_newest_document() {
    let now = Timestamp::now();
    let start = now.minus(Duration::from_secs(9));
    let latest = Latest::default();
    latest.replace_if_newer(note(start, "0"), now);
    let mut subscriber = latest.subscribe();
    assert!(subscriber.has_changed().unwrap());
    for seconds in 1..=9 {
        latest.replace_if_newer(note(start.plus(Duration::from_secs(seconds)), "n"), now);
    }
    subscriber.changed().await.unwrap();
    let newest = note(start.plus(Duration::from_secs(9)), "n");
    assert_eq!(*subscriber.borrow_and_update(), Some(newest.clone()));
    latest.replace_if_newer(newest, now);
    assert!(!subscriber.has_changed().unwrap());
}

#[test]
fn parsed_document_keeps_its_original_bytes() {
    let json = br#"{ "as_of":"2026-01-02T03:04:05Z", "text":"x" }"#;
    let parsed = Document::<Note>::from_json(Bytes::from_static(json)).unwrap();
    assert_eq!(&parsed.json()[..], json);
    assert!(Document::<Note>::from_json(Bytes::from_static(b"{}")).is_err());
}

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn document_from_the_future_is_neither_stored_nor_used() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let latest = Latest::default();
    let from_future = note(now.plus(MAX_CLOCK_SKEW + Duration::from_micros(1)), "stamped by a clock that is ahead");
    latest.replace_if_newer(from_future.clone(), now);
    assert_eq!(latest.current(now), None);
    let first = note(now, "first");
    assert_eq!(latest.replace_if_newer(first.clone(), now), first);
    assert_eq!(latest.replace_if_newer(from_future, now), first);
    assert_eq!(latest.current(now), Some(first));
    let within_skew = note(now.plus(MAX_CLOCK_SKEW), "stamped by a clock that may be right");
    assert_eq!(latest.replace_if_newer(within_skew.clone(), now), within_skew);
}

#[test]
fn document_stored_before_the_clock_was_set_back_is_replaced() {
    let later = "2026-01-02T04:04:05Z".parse::<Timestamp>().unwrap();
    let latest = Latest::default();
    latest.replace_if_newer(note(later, "stamped by a clock that is ahead"), later);
    let now = later.minus(Duration::from_hours(1));
    assert_eq!(latest.current(now), None);
    let second = note(now, "second");
    assert_eq!(latest.replace_if_newer(second.clone(), now), second);
    assert_eq!(latest.current(now), Some(second));
}

#[tokio::test(start_paused = true)]
async fn document_expires_by_the_monotonic_clock_even_if_it_arrives_again() {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    let latest = Latest::default();
    let first = note(clock.now(), "first");
    latest.replace_if_newer(first.clone(), clock.now());
    // The wall clock is set back every second, so that the document never expires by the wall clock.
    for _ in 0..MINUTE.as_secs() {
        assert_eq!(latest.current(clock.now()), Some(first.clone()));
        tokio::time::advance(Duration::from_secs(1)).await;
        clock.set(first.value().version());
    }
    assert_eq!(latest.current(clock.now()), None);
    latest.replace_if_newer(note(clock.now(), "first"), clock.now());
    assert_eq!(latest.current(clock.now()), None, "the document is valid again after it expired");
}

#[tokio::test(start_paused = true)]
async fn document_that_arrives_again_while_the_clock_is_ahead_keeps_its_lifetime() {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    let (latest, document) = (Latest::default(), note(clock.now(), "a"));
    latest.replace_if_newer(document.clone(), clock.now());
    let again = Arc::new(Document::from_json(document.json().clone()).unwrap());
    let ahead = clock.now().plus(Duration::from_hours(1));
    latest.replace_if_newer(again, ahead);
    assert_eq!(latest.current(ahead), None);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(latest.current(clock.now()), Some(document));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(latest.current(clock.now().minus(Duration::from_secs(30))), None);
}
