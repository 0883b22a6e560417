//! The newest board, and the few before it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use common::{
    api::courses::{MarketSnapshot, SNAPSHOT_TTL},
    metrics::Metrics,
    time::Clock,
};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use tokio::sync::watch;

use crate::{
    error::Error,
    limits::MAX_RECENT_SNAPSHOTS,
    snapshot::{MarketSnapshotView, SharedView, SnapshotOrigin},
};

/// Where boards come in and answers go out. A request reads one pointer; a new board is put in its place at once.
pub(crate) struct SnapshotStore {
    pub(crate) clock: Clock,
    newest: ArcSwapOption<MarketSnapshotView>,
    /// The last boards, for readers of the stream who are a little behind. Held while a board is taken.
    kept: Mutex<VecDeque<SharedView>>,
    told: watch::Sender<u64>,
    snapshots: Counter,
    as_of: Gauge<i64, AtomicI64>,
}

impl SnapshotStore {
    pub(crate) fn new(clock: Clock, metrics: &Metrics) -> Self {
        let (snapshots, as_of) = (Counter::default(), Gauge::default());
        metrics.register("boards", "Boards that were taken", snapshots.clone());
        metrics.register("board_as_of_seconds", "When the newest board was made, in seconds since 1970", as_of.clone());
        let (newest, kept) = (ArcSwapOption::empty(), Mutex::default());
        Self { clock, newest, kept, told: watch::Sender::new(0), snapshots, as_of }
    }

    /// Takes a board unless a newer one is there, such as after a reconnection; whether it was taken.
    pub(crate) fn take(&self, snapshot: MarketSnapshot, origin: SnapshotOrigin) -> bool {
        // Whole even after a panic: the queue alone is changed.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.back().cloned();
        let older = before.as_deref().is_some_and(|before| match (before.origin, origin) {
            (SnapshotOrigin::Database, SnapshotOrigin::PriceCacheClient) => false,
            (SnapshotOrigin::PriceCacheClient, SnapshotOrigin::Database) => true,
            // Of two of the same time the one that comes last stays, as at price-cache-proxy.
            (SnapshotOrigin::PriceCacheClient, SnapshotOrigin::PriceCacheClient)
            | (SnapshotOrigin::Database, SnapshotOrigin::Database) => snapshot.as_of < before.as_of,
        });
        if older {
            return false;
        }
        let view = Arc::new(MarketSnapshotView::new(snapshot, origin, before.as_deref()));
        self.snapshots.inc();
        self.as_of.inner().store(view.as_of.micros() / 1_000_000, Ordering::Relaxed);
        self.newest.store(Some(view.clone()));
        let number = view.number;
        if kept.len() == MAX_RECENT_SNAPSHOTS {
            kept.pop_front();
        }
        kept.push_back(view);
        drop(kept);
        self.told.send_replace(number);
        true
    }

    /// What is known of the market; nothing that is older than a board may be.
    pub(crate) fn newest(&self) -> Result<SharedView, Error> {
        let view = self.newest.load_full().ok_or(Error::NoCourses)?;
        // What was written down says itself when it was seen, and is shown until there is something newer.
        if view.origin == SnapshotOrigin::PriceCacheClient && self.clock.now().since(view.as_of) >= SNAPSHOT_TTL {
            return Err(Error::NoCourses);
        }
        Ok(view)
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load().is_none()
    }

    /// A board that was the newest a little while ago.
    pub(crate) fn kept(&self, number: u64) -> Option<SharedView> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|view| view.number == number).cloned()
    }

    /// Tells the number of each new board, the newest alone to those who are slow.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }
}

#[cfg(test)]
mod tests;
