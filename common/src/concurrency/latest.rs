//! The newest of a kind of document, and who waits for the next: one rule for whoever keeps one, on both ends of the wire.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::PriceRecord,
    },
    time::Timestamp,
};

/// What was true at a time and may be used for a while after it.
pub trait Expiring {
    fn as_of(&self) -> Timestamp;
    /// From when on it must not be used.
    fn expires_at(&self) -> Timestamp;
}

impl Expiring for PriceRecord {
    fn as_of(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Expiring for MarketSnapshot {
    fn as_of(&self) -> Timestamp {
        self.as_of
    }

    fn expires_at(&self) -> Timestamp {
        self.as_of.plus(SNAPSHOT_TTL)
    }
}

/// A value with the JSON that it was read from or is sent as, so that passing it on costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<T> {
    value: T,
    json: Bytes,
}

impl<T> Document<T> {
    /// Fails for a value that JSON cannot show.
    pub fn from_value(value: T) -> serde_json::Result<Self>
    where
        T: Serialize,
    {
        let json = serde_json::to_vec(&value)?.into();
        Ok(Self { value, json })
    }

    /// Fails for text that is not a `T`.
    pub fn from_json(json: Bytes) -> serde_json::Result<Self>
    where
        T: DeserializeOwned,
    {
        Ok(Self { value: serde_json::from_slice(&json)?, json })
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    pub fn json(&self) -> &Bytes {
        &self.json
    }
}

impl<T: Expiring> Document<T> {
    /// Whether it may be used at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        now < self.value.expires_at()
    }
}

/// Keeps the newest document it was told of. Whoever waits for the next sees the newest only, however slow it is.
#[derive(Debug)]
pub struct Latest<T>(watch::Sender<Option<Arc<Document<T>>>>);

impl<T> Clone for Latest<T> {
    /// The same place, not a copy of what is in it.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl<T: Expiring> Latest<T> {
    /// Takes the document, unless one that is true of a later time is held and may still be used at `now`. Of two of the
    /// same time the one that comes last stays: so a record is prolonged. Answers with the one that is held then.
    pub fn replace_if_newer(&self, new: Arc<Document<T>>, now: Timestamp) -> Arc<Document<T>> {
        let mut kept = Arc::clone(&new);
        self.0.send_if_modified(|slot| {
            if let Some(held) = slot.as_ref().filter(|held| held.is_current(now)) {
                let older = held.value.as_of() > new.value.as_of();
                // The same once more is no news.
                if older || held.json == new.json {
                    kept = Arc::clone(held);
                    return false;
                }
            }
            *slot = Some(new);
            true
        });
        kept
    }

    /// Whether this very text is what is held, whether it may still be used or not.
    pub fn contains_json(&self, json: &Bytes) -> bool {
        self.0.borrow().as_ref().is_some_and(|held| held.json == json)
    }

    /// The document that may be used at `now`.
    pub fn current(&self, now: Timestamp) -> Option<Arc<Document<T>>> {
        self.0.borrow().as_ref().filter(|held| held.is_current(now)).cloned()
    }

    /// Sees every change from now on, and what is held now as the first. It does not see a document run out.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Document<T>>>> {
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        receiver
    }
}

#[cfg(test)]
mod tests;
