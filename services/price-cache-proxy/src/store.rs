//! Stores documents and leases in one of two engines: the memory of this process, or Redis.

mod error;
mod lease;
mod local_cache;
mod memory;
mod redis;
mod redis_info;

use std::{sync::Arc, time::Duration};

use common::{
    api::health::Component,
    concurrency::latest::Document,
    redis_connection::RedisConfig,
    time::{Clock, Timestamp},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    error::StoreError,
    lease::LeaseState,
    local_cache::{CachedKind, LocalCache},
    memory::MemoryStore,
    redis::RedisStore,
};
use crate::config::StoreConfig;

/// Stores one document of each kind, and leases. Clones share the same data.
#[derive(Debug, Clone)]
pub enum Store {
    Memory(MemoryStore),
    Redis(RedisStore),
}

impl Store {
    pub fn memory() -> Self {
        Self::Memory(MemoryStore::default())
    }

    /// Connects on first use. Fails if the settings are invalid.
    pub fn redis(config: &RedisConfig, clock: Clock) -> Result<Self, StoreError> {
        RedisStore::new(config, clock).map(Self::Redis)
    }

    pub fn open(config: &StoreConfig, clock: Clock) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Memory => Ok(Self::memory()),
            StoreConfig::Redis(config) => Self::redis(config, clock),
        }
    }

    /// The documents that this process has in memory.
    pub fn cache(&self) -> &LocalCache {
        match self {
            Self::Memory(store) => store.cache(),
            Self::Redis(store) => store.cache(),
        }
    }

    /// Returns the document of the local cache if that document is current at `now`. Otherwise, reads the document from
    /// the engine. During an outage of Redis, this operation succeeds until the cached document expires.
    pub async fn current<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, StoreError> {
        match self.cache().latest::<T>().current(now) {
            Some(cached) => Ok(Some(cached)),
            None => self.read(now).await,
        }
    }

    /// Reads the document from the engine, and puts it into the local cache unless the cached document is newer. For
    /// the store in memory, the local cache is the engine. Returns the document that is cached afterwards. Returns
    /// `None` if the engine has no valid document, or if the cached document is not current at `now`.
    pub async fn read<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, StoreError> {
        let document = match self {
            Self::Memory(store) => store.cache().latest().current(now),
            Self::Redis(store) => store.read(now).await?,
        };
        // The expiry is checked here as well, because Redis expires keys by its own clock.
        Ok(document.filter(|document| document.is_current(now)))
    }

    /// Stores `document`, unless the store already has a newer document that is still current at `now`. Returns the
    /// document that the store has afterwards. The operation is atomic: after concurrent writes, the store has the
    /// newest document.
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

    /// Grants the lease to `holder` for `ttl` if the lease is free, and renews it if `holder` already has it. Returns
    /// the current lease. The operation is atomic: of several concurrent callers, one receives the lease, and the
    /// others see that caller as the holder.
    pub async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<LeaseState, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.acquire_lease(name, holder, ttl)),
            Self::Redis(store) => store.acquire_lease(name, holder, ttl).await,
        }
    }

    /// Updates the local cache with the writes of other instances, until `stop` is cancelled. Returns immediately for
    /// the store in memory, which no other instance uses.
    pub(crate) async fn subscribe_to_changes(self, stop: CancellationToken) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(store) => store.subscribe_to_changes(stop).await,
        }
    }

    /// Checks that the engine accepts writes. Always succeeds for the store in memory.
    pub async fn probe_write(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(store) => store.probe_write().await,
        }
    }

    /// The component for the readiness check: whether the engine accepts writes, and the role and the measurements of
    /// Redis.
    pub async fn component(&self) -> Component {
        let component = Component::of_check("cache", self.probe_write().await);
        match self {
            Self::Redis(store) if component.ready => store.describe(component).await,
            Self::Memory(_) | Self::Redis(_) => component,
        }
    }
}

#[cfg(test)]
mod tests;
