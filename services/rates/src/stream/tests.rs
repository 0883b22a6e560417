use std::{pin::pin, time::Duration};

use common::time::Clock;
use futures_util::StreamExt;

use super::*;
use crate::{
    snapshot::FilterParams,
    snapshot::SnapshotOrigin,
    tests::fixtures::{at, course, snapshot},
};

fn store() -> Arc<SnapshotStore> {
    Arc::new(SnapshotStore::new(Clock::starting_at(at(0)), &Metrics::new("rates")))
}

fn put(store: &SnapshotStore, secs: u64, value: &str) {
    let courses = vec![course("kraken", "BTC-USD", value), course("okx", "BTC-USDT", "91000")];
    assert!(store.take(snapshot(at(secs), courses, vec![]), SnapshotOrigin::PriceCacheClient));
}

async fn text(stream: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> String {
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_told_everything_and_then_each_change() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let mut stream = pin!(streams.read(&store, SnapshotFilter::default()).unwrap());
    assert_eq!(text(&mut stream).await, "retry: 2000\n\n");
    assert!(text(&mut stream).await.starts_with("event: courses\nid: "));
    put(&store, 5, "2");
    let change = text(&mut stream).await;
    assert!(
        change.starts_with("event: changes\n") && change.contains("\"2.00\"") && !change.contains("okx"),
        "{change}"
    );
    // Nothing differs: only a sign of life comes.
    put(&store, 10, "2");
    let start = tokio::time::Instant::now();
    assert_eq!(text(&mut stream).await, ": still here\n\n");
    assert!(start.elapsed() >= KEEP_ALIVE);
    streams.end();
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_the_newest_alone() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let mut stream = pin!(streams.read(&store, SnapshotFilter::default()).unwrap());
    for _greeting_and_everything in 0..2 {
        text(&mut stream).await;
    }
    for secs in 1..=3 {
        put(&store, secs, &format!("{secs}0"));
    }
    let change = text(&mut stream).await;
    assert!(change.starts_with("event: changes\n") && change.contains("\"30.00\""), "{change}");
    // Farther behind than boards are kept: everything again, and nothing of what was in between.
    for secs in 4..=20 {
        put(&store, secs, &format!("{secs}0"));
    }
    let all = text(&mut stream).await;
    assert!(all.starts_with("event: courses\n") && all.contains("\"200.00\"") && all.contains("okx"), "{all}");
    assert!(tokio::time::timeout(Duration::from_secs(10), stream.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_filter_holds_for_every_event() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    put(&store, 0, "1");
    let params = FilterParams { exchangers: Some("okx".to_owned()), ..FilterParams::default() };
    let filter = params.check(&store.newest().unwrap().catalogue).unwrap();
    let mut stream = pin!(streams.read(&store, filter).unwrap());
    text(&mut stream).await;
    assert!(!text(&mut stream).await.contains("kraken"));
    put(&store, 1, "2");
    assert_eq!(text(&mut stream).await, ": still here\n\n");
}

#[tokio::test(start_paused = true)]
async fn places_are_bounded_and_given_back() {
    let (store, streams) = (store(), CourseStreams::new(&Metrics::new("rates")));
    let mut readers: Vec<_> =
        (0..MAX_STREAM_READERS).map(|_| streams.read(&store, SnapshotFilter::default()).unwrap()).collect();
    assert!(streams.read(&store, SnapshotFilter::default()).is_err());
    readers.pop();
    assert!(streams.read(&store, SnapshotFilter::default()).is_ok());
}
