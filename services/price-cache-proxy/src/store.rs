//! Where documents and leases are kept: the set of engines is closed, and one contract test runs over all of them.

mod error;
mod lease;
mod local_cache;
mod memory;
mod redis;

use std::{sync::Arc, time::Duration};

use common::{concurrency::latest::Document, time::Timestamp};
use tokio_util::sync::CancellationToken;

pub use self::{
    error::StoreError,
    lease::LeaseHolder,
    local_cache::{CachedKind, LocalCache},
    memory::MemoryStore,
    redis::RedisStore,
};
use crate::config::{RedisConfig, StoreConfig};

/// Keeps one document of each kind, and leases. A clone is the same store.
#[derive(Debug, Clone)]
pub enum Store {
    Memory(MemoryStore),
    Redis(RedisStore),
}

impl Store {
    pub fn memory() -> Self {
        Self::Memory(MemoryStore::default())
    }

    /// A store in Redis that connects when it is used first. Fails for settings that no connection can be made with.
    pub fn redis(config: &RedisConfig) -> Result<Self, StoreError> {
        RedisStore::new(config).map(Self::Redis)
    }

    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Memory => Ok(Self::memory()),
            StoreConfig::Redis(config) => Self::redis(config),
        }
    }

    /// What this process knows, without asking anybody.
    pub fn cache(&self) -> &LocalCache {
        match self {
            Self::Memory(store) => store.cache(),
            Self::Redis(store) => store.cache(),
        }
    }

    /// The document that may be used at `now`. Only where this process holds none is the engine asked: while it is away,
    /// what is held is used to its end.
    pub async fn current<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, StoreError> {
        match self.cache().latest::<T>().current(now) {
            Some(held) => Ok(Some(held)),
            None => self.read(now).await,
        }
    }

    /// What the engine has that may be used at `now`; the shelf learns of it.
    pub async fn read<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, StoreError> {
        let document = match self {
            Self::Memory(store) => store.cache().latest().current(now),
            Self::Redis(store) => store.read(now).await?,
        };
        // Whatever the engine's own expiry does, and however far its clock is off.
        Ok(document.filter(|document| document.is_current(now)))
    }

    /// Keeps the document, unless one that is true of a later time is kept and still current at `now`. Answers with the one
    /// that is kept now. One step: two writers at once cannot put the older one last.
    pub async fn replace<T: CachedKind>(
        &self,
        document: Document<T>,
        now: Timestamp,
    ) -> Result<Arc<Document<T>>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.cache().latest().replace_if_newer(Arc::new(document), now)),
            Self::Redis(store) => store.replace(document, now).await,
        }
    }

    /// Gives the lease to `holder` for `ttl` from now on, where it is free or `holder` has it already. Answers with who has
    /// it. One step: of several that want it at once one gets it, and all are told the same.
    pub async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<LeaseHolder, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.lease(name, holder, ttl)),
            Self::Redis(store) => store.lease(name, holder, ttl).await,
        }
    }

    /// Learns of what other instances write, until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(store) => store.follow(stop).await,
        }
    }

    /// Whether the store can be used.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(store) => store.ping().await,
        }
    }
}

#[cfg(test)]
mod tests;
