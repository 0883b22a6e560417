//! A digest of a set of orders, and a set of keys, both small enough for tens of millions of orders.

use std::hash::{DefaultHasher, Hash, Hasher};

use common::api::orders::Order;

use super::Key;

/// Count, sum, and a digest of every field of all orders. The sequence in which orders are added does not change the
/// digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderDigest {
    orders: u64,
    satoshi: i64,
    fields: u64,
}

impl OrderDigest {
    pub fn add(&mut self, key: Key, order: &Order) {
        let mut hasher = DefaultHasher::new();
        key.0.hash(&mut hasher);
        serde_json::to_vec(order).expect("an order serializes to JSON").hash(&mut hasher);
        self.orders += 1;
        self.satoshi += order.bitcoin_amount.get();
        self.fields = self.fields.wrapping_add(hasher.finish());
    }

    pub fn orders(&self) -> u64 {
        self.orders
    }
}

/// The keys that have an order, among all keys that a run used. One bit per key.
#[derive(Debug, Clone)]
pub struct KeySet {
    used: u64,
    words: Vec<u64>,
}

impl KeySet {
    /// An empty set of the keys below `used`.
    pub fn new(used: u64) -> Self {
        let words = usize::try_from(used.div_ceil(64)).expect("the keys fit into memory");
        Self { used, words: vec![0; words] }
    }

    /// Adds a key. Returns false if the key is in the set already, or was never used.
    pub fn insert(&mut self, key: Key) -> bool {
        let Some(word) = usize::try_from(key.0 / 64).ok().and_then(|index| self.words.get_mut(index)) else {
            return false;
        };
        let bit = 1 << (key.0 % 64);
        let is_new = key.0 < self.used && *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub fn missing(&self) -> impl Iterator<Item = Key> {
        let is_missing =
            |key: &u64| usize::try_from(key / 64).is_ok_and(|index| self.words[index] & (1 << (key % 64)) == 0);
        (0..self.used).filter(is_missing).map(Key)
    }
}
