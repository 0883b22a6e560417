//! The newest document of a kind, shared between writers and readers.
//!
//! price-cache-proxy and its clients both use [`Latest`], so they agree which of two documents is newer.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, time::Instant};

use crate::time::{Expiring, Timestamp};

/// A value together with its JSON, so that the value can be forwarded without serializing it again.
#[derive(Debug, Clone)]
pub struct Document<T> {
    value: T,
    json: Bytes,
    /// When the document expires by the monotonic clock. Set when the document is stored in a [`Latest`].
    deadline: OnceLock<Instant>,
}

impl<T: PartialEq> PartialEq for Document<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.value, &self.json) == (&other.value, &other.json)
    }
}

impl<T> Document<T> {
    pub fn from_value(value: T) -> serde_json::Result<Self>
    where
        T: Serialize,
    {
        let json = serde_json::to_vec(&value)?.into();
        Ok(Self { value, json, deadline: OnceLock::new() })
    }

    /// Parses `json` and keeps the original bytes.
    pub fn from_json(json: Bytes) -> serde_json::Result<Self>
    where
        T: DeserializeOwned,
    {
        Ok(Self { value: serde_json::from_slice(&json)?, json, deadline: OnceLock::new() })
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    pub fn json(&self) -> &Bytes {
        &self.json
    }
}

impl<T: Expiring> Document<T> {
    /// Whether the document may be used at `now`, by the wall clock and by the monotonic clock. The monotonic clock
    /// ends the validity even if the wall clock is set back.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.value.is_current(now) && self.deadline.get().is_none_or(|deadline| Instant::now() < *deadline)
    }

    /// Starts the lifetime of the document by the monotonic clock. The lifetime ends no later than the lifetime of `earlier`,
    /// an identical document that arrived before.
    fn start_lifetime(&self, now: Timestamp, earlier: Option<&Self>) {
        let deadline = Instant::now() + self.value.expires_at().since(now);
        let earlier = earlier.and_then(|earlier| earlier.deadline.get().copied());
        self.deadline.get_or_init(|| earlier.map_or(deadline, |earlier| earlier.min(deadline)));
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
    /// Stores `new`, unless a stored document with a newer version is current at `now`. A document with the same
    /// version replaces the stored document, because a prolonged price record keeps its version. If `new` has the JSON
    /// of the stored document, the stored document keeps its lifetime, and subscribers are not notified.
    ///
    /// A document from the future, beyond the accepted clock skew, is not stored: it would prevent the storage of
    /// documents with correct times.
    ///
    /// Returns the document that is current after the call, or a document equal to `new` if no document is current.
    pub fn replace_if_newer(&self, new: Arc<Document<T>>, now: Timestamp) -> Arc<Document<T>> {
        let mut stored = Arc::clone(&new);
        let from_future = new.value.version().is_beyond_skew(now);
        self.0.send_if_modified(|newest| {
            if let Some(current) = newest.as_ref().filter(|document| document.is_current(now)) {
                let new_is_older = new.value.version() < current.value.version();
                if new_is_older || current.json == new.json || from_future {
                    stored = Arc::clone(current);
                    return false;
                }
            }
            if from_future {
                return false;
            }
            let same = newest.as_ref().filter(|document| document.json == new.json);
            if let Some(earlier) = same
                && !new.value.is_current(now)
            {
                // The document has expired by the wall clock, which may be ahead. The stored document keeps its lifetime, so that it
                // is current again when the wall clock is corrected.
                stored = Arc::clone(earlier);
                return false;
            }
            new.start_lifetime(now, same.map(Arc::as_ref));
            let changed = same.is_none();
            *newest = Some(new);
            changed
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

    /// A receiver that yields the stored document and then each replacement. A slow receiver skips replacements. Expiry
    /// is not a change.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Document<T>>>> {
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        receiver
    }
}

#[cfg(test)]
mod tests;
