use std::time::Duration;

use super::*;
use crate::tests::fixtures::{at, course, snapshot};

fn store() -> SnapshotStore {
    SnapshotStore::new(Clock::starting_at(at(0)), &Metrics::new("rates"))
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_older_is_not_taken() {
    let store = store();
    assert!(matches!(store.newest(), Err(Error::NoCourses)));
    assert!(store.take(snapshot(at(5), vec![course("a1", "BTC-USD", "1")], vec![]), SnapshotOrigin::PriceCacheClient));
    assert!(!store.take(snapshot(at(4), vec![], vec![]), SnapshotOrigin::PriceCacheClient));
    assert_eq!(store.newest().unwrap().courses.len(), 1);
    assert!(store.take(snapshot(at(5), vec![], vec![]), SnapshotOrigin::PriceCacheClient));
    assert!(store.newest().unwrap().courses.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_board_goes_before_what_was_written_down_whatever_their_times() {
    let store = store();
    assert!(store.is_empty());
    assert!(store.take(snapshot(at(9), vec![], vec![]), SnapshotOrigin::Database));
    assert!(store.take(snapshot(at(5), vec![], vec![]), SnapshotOrigin::PriceCacheClient));
    assert!(!store.is_empty());
    assert!(!store.take(snapshot(at(10), vec![], vec![]), SnapshotOrigin::Database));
}

#[tokio::test(start_paused = true)]
async fn a_board_is_shown_for_an_hour() {
    let store = store();
    store.take(snapshot(at(0), vec![], vec![]), SnapshotOrigin::PriceCacheClient);
    tokio::time::advance(SNAPSHOT_TTL.checked_sub(Duration::from_micros(1)).unwrap()).await;
    assert!(store.newest().is_ok());
    tokio::time::advance(Duration::from_micros(1)).await;
    assert!(matches!(store.newest(), Err(Error::NoCourses)));
}

#[tokio::test(start_paused = true)]
async fn only_the_last_boards_are_kept() {
    let store = store();
    for secs in 0..10 {
        store.take(snapshot(at(secs), vec![], vec![]), SnapshotOrigin::PriceCacheClient);
    }
    let kept: Vec<_> = (0..10).filter(|&number| store.kept(number).is_some()).collect();
    assert_eq!(kept, [6, 7, 8, 9]);
    assert_eq!(*store.subscribe().borrow(), 9);
}
