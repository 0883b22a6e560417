//! Where the record is kept: the set of engines is closed, and one contract test runs over all of them.

#[cfg(test)]
pub(crate) mod contract;
mod memory;
mod redis;

use common::{api::prices::PriceRecord, time::Timestamp};

pub use self::{memory::MemoryStore, redis::RedisStore};
use crate::config::{RedisConfig, StoreConfig};

/// Why a store did not do its work. Trying again is safe: both operations come to the same when done twice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("Redis cannot be used")]
    Unavailable(#[source] ::redis::RedisError),
    #[error("Redis did not answer in time")]
    Timeout,
    /// What lies in Redis was written by something else.
    #[error("the record in Redis cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

/// Keeps one record. A clone is the same store.
#[derive(Debug, Clone)]
pub enum RecordStore {
    Memory(MemoryStore),
    Redis(RedisStore),
}

impl RecordStore {
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

    /// The record that may be used at `now`.
    pub async fn current(&self, now: Timestamp) -> Result<Option<PriceRecord>, StoreError> {
        let record = match self {
            Self::Memory(store) => store.get(),
            Self::Redis(store) => store.get().await?,
        };
        // Whatever the engine's own expiry does, and however far its clock is off.
        Ok(record.filter(|record| record.is_current(now)))
    }

    /// Keeps `record`, unless one that was observed later is kept and still current at `now`. Answers with the record
    /// that is kept now. One step: two writers at once cannot put the older record last.
    pub async fn replace(&self, record: PriceRecord, now: Timestamp) -> Result<PriceRecord, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.replace(record, now)),
            Self::Redis(store) => store.replace(record, now).await,
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
