//! The state of the rate limit of each client, for a bounded number of clients.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use crate::ids::KeyId;

/// The number of independently locked parts.
const SHARDS: usize = 32;

/// Identifies a client. Its requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ClientId {
    Address(IpAddr),
    Key(KeyId),
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Key(key) => write!(f, "key:{key}"),
        }
    }
}

/// The states of the most recent clients, in two generations.
///
/// When the younger generation is full, the older generation is dropped and the younger generation replaces it. So the
/// cost of a request does not depend on the number of clients. A client whose state was dropped begins with a new
/// state.
pub(super) struct ClientStates<S> {
    shards: Vec<Mutex<Shard<S>>>,
    hasher: RandomState,
    /// The maximum size of one generation in one shard.
    generation_size: usize,
}

struct Shard<S> {
    younger: HashMap<ClientId, S>,
    older: HashMap<ClientId, S>,
}

impl<S: Default> ClientStates<S> {
    /// Keeps the states of at most about `max_clients` clients.
    pub fn new(max_clients: usize) -> Self {
        let new_shard = || Mutex::new(Shard { younger: HashMap::new(), older: HashMap::new() });
        Self {
            shards: (0..SHARDS).map(|_| new_shard()).collect(),
            hasher: RandomState::new(),
            generation_size: (max_clients / SHARDS / 2).max(1),
        }
    }

    /// Changes the state of a client. Must be called for refused requests too, so that the state of a client that sends
    /// requests is not dropped. `change` must be short, because it runs under a lock.
    pub fn update<T>(&self, client: ClientId, change: impl FnOnce(&mut S) -> T) -> T {
        let mut shard = self.shard(&client).lock().unwrap_or_else(PoisonError::into_inner);
        change(shard.state(client, self.generation_size))
    }

    fn shard(&self, client: &ClientId) -> &Mutex<Shard<S>> {
        let index = self.hasher.hash_one(client) % SHARDS as u64;
        &self.shards[usize::try_from(index).unwrap_or(0)]
    }
}

impl<S: Default> Shard<S> {
    fn state(&mut self, client: ClientId, generation_size: usize) -> &mut S {
        let is_older = !self.younger.contains_key(&client);
        let older = if is_older { self.older.remove(&client) } else { None };
        if is_older && self.younger.len() >= generation_size {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.entry(client).or_insert_with(|| older.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
