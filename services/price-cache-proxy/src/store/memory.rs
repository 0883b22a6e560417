//! Everything in memory, for one process that runs alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Held;
use crate::shelf::Shelf;

#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shelf: Shelf,
    leases: Arc<Mutex<HashMap<String, Given>>>,
}

#[derive(Debug)]
struct Given {
    holder: String,
    end: Instant,
}

impl MemoryStore {
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Held {
        let now = Instant::now();
        // Each change is one move, so that the leases are whole even after a panic.
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, given| now < given.end);
        if let Some(given) = leases.get(name).filter(|given| given.holder != holder) {
            return Held { holder: given.holder.clone(), left: given.end - now };
        }
        leases.insert(name.to_owned(), Given { holder: holder.to_owned(), end: now + ttl });
        Held { holder: holder.to_owned(), left: ttl }
    }
}
