//! What is kept: the documents there are, and the newest of each in this process, written out and ready to be sent.

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::PriceRecord,
    },
    concurrency::latest::Latest,
    time::{Expiring, Timestamp},
};
use serde::{Serialize, de::DeserializeOwned};

/// A kind of document that is kept: of each the newest one.
pub trait CachedKind: Expiring + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names it in keys.
    const NAME: &'static str;

    /// A field of its JSON with a time, and the last value of it with which it has run out at `now`: how an engine that
    /// cannot read it otherwise knows whether it is still current.
    fn expiry_bound(now: Timestamp) -> (&'static str, Timestamp);

    fn latest_in(cache: &LocalCache) -> &Latest<Self>
    where
        Self: Sized;
}

impl CachedKind for PriceRecord {
    const NAME: &'static str = "record";

    fn expiry_bound(now: Timestamp) -> (&'static str, Timestamp) {
        ("expires_at", now)
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.record
    }
}

impl CachedKind for MarketSnapshot {
    const NAME: &'static str = "board";

    fn expiry_bound(now: Timestamp) -> (&'static str, Timestamp) {
        ("as_of", now.minus(SNAPSHOT_TTL))
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.board
    }
}

/// The newest document of each kind that this process knows. A clone is the same shelf.
#[derive(Debug, Clone, Default)]
pub struct LocalCache {
    record: Latest<PriceRecord>,
    board: Latest<MarketSnapshot>,
}

impl LocalCache {
    pub fn latest<T: CachedKind>(&self) -> &Latest<T> {
        T::latest_in(self)
    }
}
