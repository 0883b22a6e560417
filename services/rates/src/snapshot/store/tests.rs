//! Tests of the store of snapshots. A course is the last price of one pair at one exchange. The API calls the pair `direction`
//! and the exchange `exchanger`.

use std::time::Duration;

use super::*;
use crate::tests::fixtures::{course, snapshot, time_at};

fn store() -> SnapshotStore {
    SnapshotStore::new(Clock::starting_at(time_at(0)), &Metrics::new("rates"))
}

#[tokio::test(start_paused = true)]
async fn older_snapshot_is_rejected_and_snapshot_of_the_same_time_is_accepted() {
    let store = store();
    assert!(matches!(store.newest(), Err(NoSnapshotError)));
    let courses = vec![course("a1", "BTC-USD", "1")];
    assert!(store.replace_if_newer(snapshot(time_at(5), courses, vec![]), SnapshotOrigin::PriceCache));
    assert!(!store.replace_if_newer(snapshot(time_at(4), vec![], vec![]), SnapshotOrigin::PriceCache));
    assert_eq!(store.newest().unwrap().snapshot.courses.len(), 1);
    assert!(store.replace_if_newer(snapshot(time_at(5), vec![], vec![]), SnapshotOrigin::PriceCache));
    assert!(store.newest().unwrap().snapshot.courses.is_empty());
}

#[tokio::test(start_paused = true)]
async fn price_cache_takes_precedence_over_the_database_regardless_of_times() {
    let store = store();
    assert!(store.is_empty());
    assert!(store.replace_if_newer(snapshot(time_at(9), vec![], vec![]), SnapshotOrigin::Database));
    assert!(store.replace_if_newer(snapshot(time_at(5), vec![], vec![]), SnapshotOrigin::PriceCache));
    assert!(!store.is_empty());
    assert!(!store.replace_if_newer(snapshot(time_at(10), vec![], vec![]), SnapshotOrigin::Database));
}

#[tokio::test(start_paused = true)]
async fn snapshot_expires_after_its_time_to_live() {
    let store = store();
    store.replace_if_newer(snapshot(time_at(0), vec![], vec![]), SnapshotOrigin::PriceCache);
    tokio::time::advance(SNAPSHOT_TTL.checked_sub(Duration::from_micros(1)).unwrap()).await;
    assert!(store.newest().is_ok());
    tokio::time::advance(Duration::from_micros(1)).await;
    assert!(matches!(store.newest(), Err(NoSnapshotError)));
}

#[tokio::test(start_paused = true)]
async fn snapshot_from_before_the_clock_was_set_back_is_not_served_and_is_replaced() {
    let store = store();
    let hour = Duration::from_hours(1);
    store.clock.set(time_at(0).plus(hour));
    store.replace_if_newer(snapshot(time_at(0).plus(hour), vec![], vec![]), SnapshotOrigin::PriceCache);
    assert!(store.newest().is_ok());
    store.clock.set(time_at(0));
    assert!(matches!(store.newest(), Err(NoSnapshotError)));
    assert!(store.replace_if_newer(snapshot(time_at(0), vec![], vec![]), SnapshotOrigin::PriceCache));
    assert_eq!(store.newest().unwrap().snapshot.as_of, time_at(0));
}

#[tokio::test(start_paused = true)]
async fn snapshot_expires_by_the_monotonic_clock() {
    let store = store();
    store.replace_if_newer(snapshot(time_at(0), vec![], vec![]), SnapshotOrigin::PriceCache);
    tokio::time::advance(SNAPSHOT_TTL).await;
    store.clock.set(time_at(0));
    assert!(matches!(store.newest(), Err(NoSnapshotError)));
}

#[tokio::test(start_paused = true)]
async fn only_recent_snapshots_are_kept() {
    let store = store();
    for time in 0..10 {
        store.replace_if_newer(snapshot(time_at(time), vec![], vec![]), SnapshotOrigin::PriceCache);
    }
    let recent: Vec<_> = (0..10).filter(|&sequence| store.recent(sequence).is_some()).collect();
    assert_eq!(recent, [6, 7, 8, 9]);
    assert_eq!(*store.subscribe().borrow(), 9);
}
