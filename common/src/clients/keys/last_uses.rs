//! Collects when API keys were last used, and stores these times in batches.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::KeyDirectory;
use crate::{
    api::keys::{KeyUse, KeyUses, MAX_KEY_USES},
    ids::KeyId,
    time::Timestamp,
};

/// Interval at which the last uses are stored.
const INTERVAL: Duration = Duration::from_secs(60);
/// Deadline for storing the remaining uses when the service stops.
const STOP_DEADLINE: Duration = Duration::from_secs(2);
/// Maximum number of keys with a use that is not stored yet. The uses of further keys are not recorded.
const MAX_PENDING: usize = 100 * MAX_KEY_USES;

/// The last uses that are not stored yet. A use of a key with a cached look-up result is not recorded.
#[derive(Default)]
pub(super) struct LastUses {
    pending: Mutex<HashMap<KeyId, Timestamp>>,
    /// Wakes the sender when a batch is full.
    batch_full: Notify,
}

impl LastUses {
    pub(super) fn record(&self, id: KeyId, used_at: Timestamp) {
        let mut pending = self.pending();
        let is_new = !pending.contains_key(&id);
        if is_new && pending.len() >= MAX_PENDING {
            return;
        }
        pending.insert(id, used_at);
        if is_new && pending.len() == MAX_KEY_USES {
            self.batch_full.notify_one();
        }
    }

    /// Stores the pending uses at each interval and when a batch is full. When `stop` is cancelled, stores the
    /// remaining uses and returns.
    pub(super) async fn send_until(&self, stop: CancellationToken, directory: &dyn KeyDirectory) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(INTERVAL) => {}
                () = self.batch_full.notified() => {}
            }
            self.send_all(directory).await;
        }
        let has_ended = timeout(STOP_DEADLINE, self.send_all(directory)).await.is_ok();
        if !has_ended || !self.pending().is_empty() {
            tracing::info!("the last uses of some API keys were not stored before the service stopped");
        }
    }

    /// Stores all pending uses. If a batch fails, its uses become pending again.
    async fn send_all(&self, directory: &dyn KeyDirectory) {
        loop {
            let batch = self.take_batch();
            if batch.uses.is_empty() {
                return;
            }
            if let Err(error) = directory.record_uses(&batch).await {
                tracing::info!(error = %error.chain(), "the last uses of API keys could not be stored");
                self.put_back(batch);
                return;
            }
        }
    }

    fn take_batch(&self) -> KeyUses {
        let mut pending = self.pending();
        let ids: Vec<_> = pending.keys().copied().take(MAX_KEY_USES).collect();
        let uses = ids.into_iter().filter_map(|id| pending.remove(&id).map(|used_at| KeyUse { id, used_at }));
        KeyUses { uses: uses.collect() }
    }

    fn put_back(&self, batch: KeyUses) {
        let mut pending = self.pending();
        for KeyUse { id, used_at } in batch.uses {
            // A later use may have been recorded in the meantime.
            pending.entry(id).or_insert(used_at);
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<KeyId, Timestamp>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
