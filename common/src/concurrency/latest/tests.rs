use std::time::Duration;

use serde::Deserialize;

use super::*;

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
fn only_older_documents_are_rejected_until_the_stored_one_expires() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let latest = Latest::default();
    assert_eq!(latest.current(now), None);
    let (first, second) = (note(now, "first"), note(now.plus(Duration::from_secs(1)), "second"));
    assert_eq!(latest.replace_if_newer(second.clone(), now), second);
    assert_eq!(latest.replace_if_newer(first.clone(), now), second);
    assert!(latest.contains_json(second.json()) && !latest.contains_json(first.json()));
    let third = note(second.value().as_of, "third");
    assert_eq!(latest.replace_if_newer(third.clone(), now), third);
    assert_eq!(latest.current(now), Some(third.clone()));
    // An expired document is not returned and can be replaced by an older one.
    let end = third.value().expires_at();
    assert_eq!(latest.current(end), None);
    assert_eq!(latest.replace_if_newer(first.clone(), end), first);
}

#[tokio::test]
async fn slow_subscriber_sees_the_newest_document_once() {
    let now = Timestamp::now();
    let latest = Latest::default();
    latest.replace_if_newer(note(now, "0"), now);
    let mut subscriber = latest.subscribe();
    assert!(subscriber.has_changed().unwrap());
    for seconds in 1..=9 {
        latest.replace_if_newer(note(now.plus(Duration::from_secs(seconds)), "n"), now);
    }
    subscriber.changed().await.unwrap();
    let newest = note(now.plus(Duration::from_secs(9)), "n");
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
