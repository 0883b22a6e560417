//! The newest documents in the memory of this process.

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::PriceRecord,
    },
    concurrency::latest::Latest,
    time::{Expiring, MAX_CLOCK_SKEW, Timestamp},
};
use serde::{Serialize, de::DeserializeOwned};

/// A kind of document. The store keeps the newest document of each kind.
pub trait CachedKind: Expiring + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name in keys and channels.
    const NAME: &'static str;

    /// The rule by which an engine that parses only JSON decides whether a document is current at `now`.
    fn validity_rule(now: Timestamp) -> ValidityRule;

    /// The entry of this kind in the cache.
    fn latest_in(cache: &LocalCache) -> &Latest<Self>
    where
        Self: Sized;
}

/// A document is current if the time in `field` is later than `expired_until`, and its version is at most `latest_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidityRule {
    /// A top-level field of the JSON.
    pub field: &'static str,
    pub expired_until: Timestamp,
    pub latest_version: Timestamp,
}

impl CachedKind for PriceRecord {
    const NAME: &'static str = "record";

    fn validity_rule(now: Timestamp) -> ValidityRule {
        ValidityRule { field: "expires_at", expired_until: now, latest_version: now.plus(MAX_CLOCK_SKEW) }
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.record
    }
}

impl CachedKind for MarketSnapshot {
    const NAME: &'static str = "board";

    fn validity_rule(now: Timestamp) -> ValidityRule {
        let latest_version = now.plus(MAX_CLOCK_SKEW);
        ValidityRule { field: "as_of", expired_until: now.minus(SNAPSHOT_TTL), latest_version }
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
