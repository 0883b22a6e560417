//! What every store does with leases, run over each engine.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::stores;
use crate::store::{LeaseHolder, Store};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(40);

async fn ask(store: &Store, name: &str, holder: &str, ttl: Duration) -> LeaseHolder {
    store.lease(name, holder, ttl).await.unwrap()
}

#[tokio::test]
async fn the_first_holder_keeps_it_while_it_renews() {
    for store in stores() {
        let first = ask(&store, "updater", "a", LONG).await;
        assert_eq!((first.holder.as_str(), first.left), ("a", LONG), "{store:?}");
        let refused = ask(&store, "updater", "b", LONG * 2).await;
        assert_eq!(refused.holder, "a", "{store:?}");
        assert!(Duration::ZERO < refused.left && refused.left <= LONG, "{refused:?}");
        // A renewal counts from when it is asked for, and may also make it shorter.
        for ttl in [LONG * 2, LONG] {
            assert_eq!(
                ask(&store, "updater", "a", ttl).await,
                LeaseHolder { holder: "a".to_owned(), left: ttl },
                "{store:?}"
            );
        }
        assert!(ask(&store, "updater", "b", LONG).await.left <= LONG, "{store:?}");
    }
}

#[tokio::test]
async fn each_name_is_a_lease_of_its_own() {
    for store in stores() {
        assert_eq!(ask(&store, "one", "a", LONG).await.holder, "a", "{store:?}");
        assert_eq!(ask(&store, "two", "b", LONG).await.holder, "b", "{store:?}");
        assert_eq!(ask(&store, "one", "b", LONG).await.holder, "a", "{store:?}");
    }
}

#[tokio::test]
async fn a_holder_that_crashed_is_replaced_after_its_time_and_not_before() {
    for store in stores() {
        // The engine counts from some moment after this one.
        let start = Instant::now();
        ask(&store, "updater", "crashed", SHORT).await;
        let mut asked = 0;
        while ask(&store, "updater", "next", LONG).await.holder == "crashed" {
            asked += 1;
            assert!(start.elapsed() < Duration::from_secs(5), "{store:?} asked {asked} times");
            tokio::task::yield_now().await;
        }
        // Redis counts in whole milliseconds.
        assert!(start.elapsed() + Duration::from_millis(1) >= SHORT, "{store:?}: {:?}", start.elapsed());
        assert_eq!(ask(&store, "updater", "crashed", LONG).await.holder, "next", "{store:?}");
    }
}

#[tokio::test]
async fn of_many_at_once_one_gets_it_and_all_are_told_the_same() {
    for store in stores() {
        let names: Vec<_> = (0..50).map(|n| format!("holder-{n}")).collect();
        let told = join_all(names.iter().map(|name| ask(&store, "updater", name, LONG))).await;
        assert!(told.iter().all(|held| held.holder == told[0].holder), "{store:?}: {told:?}");
    }
}
