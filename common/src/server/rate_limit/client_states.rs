//! The state of the rate limit of each client, for a bounded number of clients.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use governor::{nanos::Nanos, state::StateStore};

/// The number of independently locked parts.
const SHARDS: usize = 32;

/// The states of the clients that were counted most recently, in two generations.
///
/// When the younger generation is full, it replaces the older generation, whose states are dropped. So the cost of a request
/// does not depend on the number of clients, and the state of a client is dropped only after requests of many other clients. A
/// client whose state was dropped has its whole limit again. The requests of other clients therefore never reduce its limit.
pub(super) struct ClientStates {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// The maximum size of one generation in one shard.
    generation_size: usize,
}

#[derive(Default)]
struct Shard {
    younger: HashMap<IpAddr, Nanos>,
    older: HashMap<IpAddr, Nanos>,
}

impl ClientStates {
    /// Keeps the states of at most about `max_clients` clients.
    pub(super) fn new(max_clients: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            generation_size: (max_clients / SHARDS / 2).max(1),
        }
    }

    fn shard(&self, client: &IpAddr) -> &Mutex<Shard> {
        let index = self.hasher.hash_one(client) % SHARDS as u64;
        &self.shards[usize::try_from(index).unwrap_or(0)]
    }
}

impl Shard {
    fn state(&self, client: &IpAddr) -> Option<Nanos> {
        self.younger.get(client).or_else(|| self.older.get(client)).copied()
    }

    fn set_state(&mut self, client: IpAddr, state: Nanos, generation_size: usize) {
        if self.younger.len() >= generation_size && !self.younger.contains_key(&client) {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(client, state);
    }
}

impl StateStore for ClientStates {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, client: &IpAddr, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(client).lock().unwrap_or_else(PoisonError::into_inner);
        let before = shard.state(client);
        let measured = measure(before);
        // The state of a refused client is stored again too, so that it is not dropped while the client sends requests.
        if let Some(state) = measured.as_ref().ok().map(|(_, state)| *state).or(before) {
            shard.set_state(*client, state, self.generation_size);
        }
        measured.map(|(result, _)| result)
    }
}

#[cfg(test)]
mod tests;
