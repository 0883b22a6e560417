//! Tests of the stream of courses. A course is the last price of one pair at one exchange. The API calls the pair `direction`
//! and the exchange `exchanger`.

use std::{pin::pin, time::Duration};

use common::time::Clock;
use futures_util::StreamExt;

use super::*;
use crate::{
    snapshot::{FilterParams, SnapshotOrigin},
    tests::fixtures::{course, snapshot, time_at},
};

fn store() -> Arc<SnapshotStore> {
    Arc::new(SnapshotStore::new(Clock::starting_at(time_at(0)), &Metrics::new("rates")))
}

/// Sets the clock to `time`, and stores a snapshot of that time in which only the value of kraken varies.
fn put(store: &SnapshotStore, time: u64, value: &str) {
    store.clock.set(time_at(time));
    let courses = vec![course("kraken", "BTC-USD", value), course("okx", "BTC-USDT", "91000")];
    assert!(store.replace_if_newer(snapshot(time_at(time), courses, vec![]), SnapshotOrigin::PriceCache));
}

async fn next_text(stream: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> String {
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn reader_receives_everything_and_then_each_change() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let mut stream = pin!(streams.open(&store, SnapshotFilter::default()).unwrap());
    assert_eq!(next_text(&mut stream).await, "retry: 2000\n\n");
    assert!(next_text(&mut stream).await.starts_with("event: courses\nid: "));
    put(&store, 5, "2");
    let change = next_text(&mut stream).await;
    assert!(
        change.starts_with("event: changes\n") && change.contains("\"2.00\"") && !change.contains("okx"),
        "{change}"
    );
    // Without a difference, only a keep-alive comment follows.
    put(&store, 10, "2");
    let start = tokio::time::Instant::now();
    assert_eq!(next_text(&mut stream).await, ": still here\n\n");
    assert!(start.elapsed() >= KEEP_ALIVE);
    streams.close();
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn slow_reader_skips_intermediate_snapshots() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let mut stream = pin!(streams.open(&store, SnapshotFilter::default()).unwrap());
    for _retry_and_courses in 0..2 {
        next_text(&mut stream).await;
    }
    for time in 1..=3 {
        put(&store, time, &format!("{time}0"));
    }
    let change = next_text(&mut stream).await;
    assert!(change.starts_with("event: changes\n") && change.contains("\"30.00\""), "{change}");
    // After more snapshots than the store keeps, everything is sent again, in one event.
    for time in 4..=20 {
        put(&store, time, &format!("{time}0"));
    }
    let all = next_text(&mut stream).await;
    assert!(all.starts_with("event: courses\n") && all.contains("\"200.00\"") && all.contains("okx"), "{all}");
    assert!(tokio::time::timeout(Duration::from_secs(10), stream.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn filter_applies_to_every_event() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let params = FilterParams { exchangers: Some("okx".to_owned()), ..FilterParams::default() };
    let filter = params.parse(&store.newest().unwrap().catalogue).unwrap();
    let mut stream = pin!(streams.open(&store, filter).unwrap());
    next_text(&mut stream).await;
    assert!(!next_text(&mut stream).await.contains("kraken"));
    put(&store, 1, "2");
    assert_eq!(next_text(&mut stream).await, ": still here\n\n");
}

#[tokio::test(start_paused = true)]
async fn closed_stream_makes_room_for_another_reader() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    let open = || streams.open(&store, SnapshotFilter::default());
    let mut readers: Vec<_> = (0..MAX_STREAM_READERS).map(|_| open().unwrap()).collect();
    assert!(open().is_err());
    readers.pop();
    assert!(open().is_ok());
}
