//! The contract of a store, checked for each engine.

mod documents;
mod leases;

use common::time::Clock;

use super::Store;
use crate::tests::fixtures::test_redis;

fn stores() -> [Store; 2] {
    [Store::memory(), Store::redis(&test_redis(), Clock::System).unwrap()]
}

/// Each engine with two stores, a writer and a reader, as two instances of the service have them. The local cache of the
/// reader is empty, so that its reads reach the engine.
fn pairs() -> [(Store, Store); 2] {
    let (memory, redis) = (Store::memory(), test_redis());
    let redis_store = || Store::redis(&redis, Clock::System).unwrap();
    [(memory.clone(), memory), (redis_store(), redis_store())]
}
