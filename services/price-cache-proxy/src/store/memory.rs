//! Everything in memory, for one process that runs alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{lease::LeaseHolder, local_cache::LocalCache};

#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    cache: LocalCache,
    leases: Arc<Mutex<HashMap<String, LeaseEntry>>>,
}

#[derive(Debug)]
struct LeaseEntry {
    holder: String,
    end: Instant,
}

impl MemoryStore {
    pub(super) fn cache(&self) -> &LocalCache {
        &self.cache
    }

    pub(super) fn lease(&self, name: &str, holder: &str, ttl: Duration) -> LeaseHolder {
        let now = Instant::now();
        // Each change is one move, so that the leases are whole even after a panic.
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, given| now < given.end);
        if let Some(given) = leases.get(name).filter(|given| given.holder != holder) {
            return LeaseHolder { holder: given.holder.clone(), left: given.end - now };
        }
        leases.insert(name.to_owned(), LeaseEntry { holder: holder.to_owned(), end: now + ttl });
        LeaseHolder { holder: holder.to_owned(), left: ttl }
    }
}
