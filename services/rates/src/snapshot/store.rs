//! The newest market snapshot, and a few earlier snapshots for slow readers of the stream. A market snapshot contains all courses
//! and agreed prices at one moment. A course is the last price of one pair at one exchange.

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

use super::view::{MarketSnapshotView, SnapshotOrigin};
use crate::limits::MAX_RECENT_SNAPSHOTS;

/// No snapshot has arrived yet, or the newest snapshot is not current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no courses are available")]
pub(crate) struct NoSnapshotError;

/// Replaces and serves the newest snapshot. A reader of the newest snapshot loads one pointer and takes no lock.
pub(crate) struct SnapshotStore {
    pub(crate) clock: Clock,
    newest: ArcSwapOption<MarketSnapshotView>,
    /// The latest snapshots, oldest first. The lock also serializes writers.
    recent: Mutex<VecDeque<Arc<MarketSnapshotView>>>,
    newest_sequence: watch::Sender<u64>,
    accepted: Counter,
    as_of: Gauge<i64, AtomicI64>,
}

impl SnapshotStore {
    pub(crate) fn new(clock: Clock, metrics: &Metrics) -> Self {
        let (accepted, as_of) = (Counter::default(), Gauge::default());
        metrics.register("boards", "Market snapshots that replaced the newest one", accepted.clone());
        metrics.register("board_as_of_seconds", "Unix time of the newest market snapshot, in seconds", as_of.clone());
        let (newest, recent) = (ArcSwapOption::empty(), Mutex::default());
        Self { clock, newest, recent, newest_sequence: watch::Sender::new(0), accepted, as_of }
    }

    /// Replaces the newest snapshot, unless `snapshot` is older. After a reconnection, an older snapshot may arrive. A snapshot
    /// of price-cache-proxy counts as newer than a snapshot of the database, regardless of their times. Returns whether the
    /// newest snapshot was replaced.
    pub(crate) fn replace_if_newer(&self, snapshot: MarketSnapshot, origin: SnapshotOrigin) -> bool {
        // The queue is consistent even after a panic: each change is a single push or pop.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = recent.back().cloned();
        let now = self.clock.now();
        let is_older = previous.as_deref().is_some_and(|previous| match (previous.origin, origin) {
            (SnapshotOrigin::Database, SnapshotOrigin::PriceCache) => false,
            (SnapshotOrigin::PriceCache, SnapshotOrigin::Database) => true,
            // If two snapshots have the same time, the later arrival replaces the earlier, as in price-cache-proxy. A snapshot
            // that arrived before the clock was set back is replaced by any snapshot.
            (SnapshotOrigin::PriceCache, SnapshotOrigin::PriceCache)
            | (SnapshotOrigin::Database, SnapshotOrigin::Database) => {
                snapshot.as_of < previous.snapshot.as_of && !previous.snapshot.as_of.is_beyond_skew(now)
            }
        });
        if is_older {
            return false;
        }
        let view = Arc::new(MarketSnapshotView::new(snapshot, origin, previous.as_deref()));
        self.accepted.inc();
        self.as_of.inner().store(view.snapshot.as_of.micros() / 1_000_000, Ordering::Relaxed);
        self.newest.store(Some(view.clone()));
        let sequence = view.sequence;
        if recent.len() == MAX_RECENT_SNAPSHOTS {
            recent.pop_front();
        }
        recent.push_back(view);
        drop(recent);
        self.newest_sequence.send_replace(sequence);
        true
    }

    /// The newest snapshot. Fails if there is none, if it has expired, or if its time is in the future because the
    /// clock was set back. Stored courses of the database neither expire nor count as future.
    pub(crate) fn newest(&self) -> Result<Arc<MarketSnapshotView>, NoSnapshotError> {
        let view = self.newest.load_full().ok_or(NoSnapshotError)?;
        let (now, as_of) = (self.clock.now(), view.snapshot.as_of);
        let is_current =
            !as_of.is_beyond_skew(now) && now.since(as_of) < SNAPSHOT_TTL && view.received_at.elapsed() < SNAPSHOT_TTL;
        match view.origin {
            SnapshotOrigin::PriceCache if !is_current => Err(NoSnapshotError),
            // Each stored course has its own time, and no newer courses are available.
            SnapshotOrigin::PriceCache | SnapshotOrigin::Database => Ok(view),
        }
    }

    /// Whether no snapshot has arrived yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load().is_none()
    }

    /// The snapshot with this sequence number, if the store still contains it.
    pub(crate) fn recent(&self, sequence: u64) -> Option<Arc<MarketSnapshotView>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|view| view.sequence == sequence).cloned()
    }

    /// A receiver of the sequence number of each new snapshot. A slow receiver sees only the latest number.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest_sequence.subscribe()
    }
}

#[cfg(test)]
mod tests;
