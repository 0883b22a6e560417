//! The store in memory, for a single process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{lease::LeaseState, local_cache::LocalCache};

#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    cache: LocalCache,
    leases: Arc<Mutex<HashMap<String, LeaseEntry>>>,
}

#[derive(Debug)]
struct LeaseEntry {
    holder: String,
    expires_at: Instant,
}

impl MemoryStore {
    pub(super) fn cache(&self) -> &LocalCache {
        &self.cache
    }

    pub(super) fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> LeaseState {
        let now = Instant::now();
        // Each change is a single operation on the map, so the map is consistent even after a panic.
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, entry| now < entry.expires_at);
        if let Some(other) = leases.get(name).filter(|entry| entry.holder != holder) {
            return LeaseState { holder: other.holder.clone(), remaining: other.expires_at - now };
        }
        leases.insert(name.to_owned(), LeaseEntry { holder: holder.to_owned(), expires_at: now + ttl });
        LeaseState { holder: holder.to_owned(), remaining: ttl }
    }
}
