//! The contract of leases, checked for each engine.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::stores;
use crate::store::{LeaseState, Store};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(40);

async fn acquire(store: &Store, name: &str, holder: &str, ttl: Duration) -> LeaseState {
    store.acquire_lease(name, holder, ttl).await.unwrap()
}

#[tokio::test]
async fn first_holder_keeps_the_lease_by_renewing_it() {
    for store in stores() {
        let first = acquire(&store, "updater", "a", LONG).await;
        assert_eq!((first.holder.as_str(), first.remaining), ("a", LONG), "{store:?}");
        let other = acquire(&store, "updater", "b", LONG * 2).await;
        assert_eq!(other.holder, "a", "{store:?}");
        assert!(Duration::ZERO < other.remaining && other.remaining <= LONG, "{other:?}");
        // A renewal starts a new TTL, which may also be shorter.
        for ttl in [LONG * 2, LONG] {
            assert_eq!(
                acquire(&store, "updater", "a", ttl).await,
                LeaseState { holder: "a".to_owned(), remaining: ttl },
                "{store:?}"
            );
        }
        assert!(acquire(&store, "updater", "b", LONG).await.remaining <= LONG, "{store:?}");
    }
}

#[tokio::test]
async fn leases_of_different_names_are_independent() {
    for store in stores() {
        assert_eq!(acquire(&store, "one", "a", LONG).await.holder, "a", "{store:?}");
        assert_eq!(acquire(&store, "two", "b", LONG).await.holder, "b", "{store:?}");
        assert_eq!(acquire(&store, "one", "b", LONG).await.holder, "a", "{store:?}");
    }
}

#[tokio::test]
async fn lease_of_a_crashed_holder_is_free_after_its_ttl_and_not_before() {
    for store in stores() {
        // `start` is read before the call, so the TTL begins later.
        let start = Instant::now();
        acquire(&store, "updater", "crashed", SHORT).await;
        let mut attempts = 0;
        while acquire(&store, "updater", "next", LONG).await.holder == "crashed" {
            attempts += 1;
            assert!(start.elapsed() < Duration::from_secs(5), "{store:?} after {attempts} attempts");
            tokio::task::yield_now().await;
        }
        // Redis measures time in whole milliseconds.
        assert!(start.elapsed() + Duration::from_millis(1) >= SHORT, "{store:?}: {:?}", start.elapsed());
        assert_eq!(acquire(&store, "updater", "crashed", LONG).await.holder, "next", "{store:?}");
    }
}

#[tokio::test]
async fn concurrent_callers_get_the_same_holder() {
    for store in stores() {
        let names: Vec<_> = (0..50).map(|n| format!("holder-{n}")).collect();
        let holders = join_all(names.iter().map(|name| acquire(&store, "updater", name, LONG))).await;
        assert!(holders.iter().all(|lease| lease.holder == holders[0].holder), "{store:?}: {holders:?}");
    }
}
