//! The newest document of a kind, shared between writers and readers.
//!
//! price-cache-proxy and its clients both use [`Latest`], so they agree which of two documents is newer.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::time::{Expiring, Timestamp};

/// A value together with its JSON, so that the value can be forwarded without serializing it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<T> {
    value: T,
    json: Bytes,
}

impl<T> Document<T> {
    /// Serializes `value`.
    pub fn from_value(value: T) -> serde_json::Result<Self>
    where
        T: Serialize,
    {
        let json = serde_json::to_vec(&value)?.into();
        Ok(Self { value, json })
    }

    /// Parses `json` and keeps the original bytes.
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
    /// Whether the document has not expired at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        now < self.value.expires_at()
    }
}

/// Stores the newest document. A slow subscriber skips intermediate documents.
///
/// Clones share the same document.
#[derive(Debug)]
pub struct Latest<T>(watch::Sender<Option<Arc<Document<T>>>>);

impl<T> Clone for Latest<T> {
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
    /// Stores `new`, unless the stored document is current at `now` and has a later version. Returns the document that is
    /// stored afterwards.
    ///
    /// A document with the same version replaces the stored one: a price record is prolonged in this way. Subscribers are
    /// not notified if the JSON is identical.
    pub fn replace_if_newer(&self, new: Arc<Document<T>>, now: Timestamp) -> Arc<Document<T>> {
        let mut stored = Arc::clone(&new);
        self.0.send_if_modified(|slot| {
            if let Some(current) = slot.as_ref().filter(|document| document.is_current(now)) {
                let is_newer = current.value.version() > new.value.version();
                if is_newer || current.json == new.json {
                    stored = Arc::clone(current);
                    return false;
                }
            }
            *slot = Some(new);
            true
        });
        stored
    }

    /// Whether the stored document, expired or not, has exactly this JSON.
    pub fn contains_json(&self, json: &Bytes) -> bool {
        self.0.borrow().as_ref().is_some_and(|document| document.json == json)
    }

    /// The stored document, if it is current at `now`.
    pub fn current(&self, now: Timestamp) -> Option<Arc<Document<T>>> {
        self.0.borrow().as_ref().filter(|document| document.is_current(now)).cloned()
    }

    /// A receiver that yields the stored document first and then every change. Expiry is not a change.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Document<T>>>> {
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        receiver
    }
}

#[cfg(test)]
mod tests;
