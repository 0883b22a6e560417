//! What every store does, run over each engine.

mod documents;
mod leases;

use super::Store;
use crate::tests::fixtures::test_redis;

fn stores() -> [Store; 2] {
    [Store::memory(), Store::redis(&test_redis()).unwrap()]
}

/// Each store twice, as two instances of the service have it: what one writes the other reads, and nothing is answered from
/// what the reader was told before.
fn pairs() -> [(Store, Store); 2] {
    let (memory, redis) = (Store::memory(), test_redis());
    [(memory.clone(), memory), (Store::redis(&redis).unwrap(), Store::redis(&redis).unwrap())]
}
