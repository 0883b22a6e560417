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
    /// The name of this kind in the keys and channels of Redis.
    const NAME: &'static str;

    /// The same rule as [`Expiring::expires_at`], for an engine that can read only the JSON of a document.
    fn expiry_rule(now: Timestamp) -> ExpiryRule;

    /// The newest document of this kind in `cache`.
    fn latest_in(cache: &LocalCache) -> &Latest<Self>
    where
        Self: Sized;
}

/// A document has expired if none of the compared times is later than `expired_until`. Compared are the field `field` of
/// the document and, if `entries` is set, the same field of each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryRule {
    pub field: &'static str,
    /// The field of the document that contains the entries. `None` if the expiry depends only on the document's own time.
    pub entries: Option<&'static str>,
    pub expired_until: Timestamp,
}

impl CachedKind for PriceRecord {
    const NAME: &'static str = "record";

    fn expiry_rule(now: Timestamp) -> ExpiryRule {
        ExpiryRule { field: "expires_at", entries: Some("prices"), expired_until: now }
    }

    fn latest_in(cache: &LocalCache) -> &Latest<Self> {
        &cache.record
    }
}

impl CachedKind for MarketSnapshot {
    const NAME: &'static str = "board";

    fn expiry_rule(now: Timestamp) -> ExpiryRule {
        ExpiryRule { field: "as_of", entries: None, expired_until: now.minus(SNAPSHOT_TTL) }
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
