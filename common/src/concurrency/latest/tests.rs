use std::time::Duration;

use super::*;

fn board(as_of: Timestamp, simulated: bool) -> Arc<Document<MarketSnapshot>> {
    Arc::new(Document::from_value(MarketSnapshot { as_of, simulated, courses: vec![], prices: vec![] }).unwrap())
}

#[test]
fn the_newest_stays_and_the_last_of_one_time() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let latest = Latest::default();
    assert_eq!(latest.current(now), None);
    let (first, second) = (board(now, false), board(now.plus(Duration::from_secs(1)), false));
    assert_eq!(latest.replace_if_newer(second.clone(), now), second);
    assert_eq!(latest.replace_if_newer(first.clone(), now), second);
    assert!(latest.contains_json(second.json()) && !latest.contains_json(first.json()));
    let third = board(second.value().as_of, true);
    assert_eq!(latest.replace_if_newer(third.clone(), now), third);
    assert_eq!(latest.current(now), Some(third.clone()));
    // What ran out is neither given nor in the way.
    let end = third.value().expires_at();
    assert_eq!(latest.current(end), None);
    assert_eq!(latest.replace_if_newer(first.clone(), end), first);
}

#[tokio::test]
async fn a_slow_reader_sees_the_newest_only_and_no_news_twice() {
    let now = Timestamp::now();
    let latest = Latest::default();
    latest.replace_if_newer(board(now, false), now);
    let mut reader = latest.subscribe();
    assert!(reader.has_changed().unwrap());
    for seconds in 1..=9 {
        latest.replace_if_newer(board(now.plus(Duration::from_secs(seconds)), false), now);
    }
    reader.changed().await.unwrap();
    let newest = board(now.plus(Duration::from_secs(9)), false);
    assert_eq!(*reader.borrow_and_update(), Some(newest.clone()));
    latest.replace_if_newer(newest, now);
    assert!(!reader.has_changed().unwrap());
}

#[test]
fn what_was_read_is_passed_on_as_it_came() {
    let json = br#"{ "as_of":"2026-01-02T03:04:05Z", "simulated":false, "courses":[], "prices":[] }"#;
    let read = Document::<MarketSnapshot>::from_json(Bytes::from_static(json)).unwrap();
    assert_eq!(&read.json()[..], json);
    assert!(Document::<MarketSnapshot>::from_json(Bytes::from_static(b"{}")).is_err());
}
