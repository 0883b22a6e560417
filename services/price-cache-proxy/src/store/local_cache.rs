//! The newest documents in the memory of this process.

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::PriceRecord,
    },
    concurrency::latest::Latest,
    time::{Expiring, Timestamp},
};
use serde::{Serialize, de::DeserializeOwned};

/// A kind of document. The store keeps the newest document of each kind.
pub trait CachedKind: Expiring + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name in keys and channels.
    const NAME: &'static str;

    /// The rule by which an engine that parses only JSON decides whether a document has expired at `now`.
    fn expiry_rule(now: Timestamp) -> ExpiryRule;

    /// The entry of this kind in the cache.
    fn latest_in(cache: &LocalCache) -> &Latest<Self>
    where
        Self: Sized;
}

/// A document has expired if the time in `field` is not later than `expired_until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryRule {
    /// A top-level field of the JSON.
    pub field: &'static str,
    pub expired_until: Timestamp,
}

impl CachedKind for PriceRecord {
    const NAME: &'static str = "record";

    fn expiry_rule(now: Timestamp) -> ExpiryRule {
        ExpiryRule { field: "expires_at", expired_until: now }
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.record
    }
}

impl CachedKind for MarketSnapshot {
    const NAME: &'static str = "board";

    fn expiry_rule(now: Timestamp) -> ExpiryRule {
        ExpiryRule { field: "as_of", expired_until: now.minus(SNAPSHOT_TTL) }
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.snapshot
    }
}

/// The newest document of each kind. Clones share the same documents.
#[derive(Debug, Clone, Default)]
pub struct LocalCache {
    record: Latest<PriceRecord>,
    snapshot: Latest<MarketSnapshot>,
}

impl LocalCache {
    pub fn latest<T: CachedKind>(&self) -> &Latest<T> {
        T::latest_in(self)
    }
}
