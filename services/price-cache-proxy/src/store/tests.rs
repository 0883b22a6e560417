//! The contract of a store, checked for each engine.

mod documents;
mod leases;

use common::time::Clock;

use super::Store;
use crate::tests::fixtures::test_redis;

fn stores() -> [Store; 2] {
    [Store::memory(), Store::redis(&test_redis(), Clock::System).unwrap()]
}

/// A writer and a reader for each engine. In memory, both are the same store. In Redis, they are two stores, as in two
/// instances of the service: the local cache of the reader is empty, so that its reads reach Redis.
fn writers_and_readers() -> [(Store, Store); 2] {
    let (memory, redis) = (Store::memory(), test_redis());
    let redis_store = || Store::redis(&redis, Clock::System).unwrap();
    [(memory.clone(), memory), (redis_store(), redis_store())]
}
