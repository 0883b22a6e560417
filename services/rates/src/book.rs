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
    held::{Held, Origin, Shared},
    limits::KEPT_BOARDS,
};

/// Where boards come in and answers go out. A request reads one pointer; a new board is put in its place at once.
pub(crate) struct Book {
    pub(crate) clock: Clock,
    newest: ArcSwapOption<Held>,
    /// The last boards, for readers of the stream who are a little behind. Held while a board is taken.
    kept: Mutex<VecDeque<Shared>>,
    told: watch::Sender<u64>,
    boards: Counter,
    as_of: Gauge<i64, AtomicI64>,
}

impl Book {
    pub(crate) fn new(clock: Clock, metrics: &Metrics) -> Self {
        let (boards, as_of) = (Counter::default(), Gauge::default());
        metrics.register("boards", "Boards that were taken", boards.clone());
        metrics.register("board_as_of_seconds", "When the newest board was made, in seconds since 1970", as_of.clone());
        let (newest, kept) = (ArcSwapOption::empty(), Mutex::default());
        Self { clock, newest, kept, told: watch::Sender::new(0), boards, as_of }
    }

    /// Takes a board unless a newer one is there, such as after a reconnection; whether it was taken.
    pub(crate) fn take(&self, board: MarketSnapshot, origin: Origin) -> bool {
        // Whole even after a panic: the queue alone is changed.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.back().cloned();
        let older = before.as_deref().is_some_and(|before| match (before.origin, origin) {
            (Origin::Stored, Origin::Board) => false,
            (Origin::Board, Origin::Stored) => true,
            // Of two of the same time the one that comes last stays, as at price-cache-proxy.
            (Origin::Board, Origin::Board) | (Origin::Stored, Origin::Stored) => board.as_of < before.as_of,
        });
        if older {
            return false;
        }
        let held = Arc::new(Held::new(board, origin, before.as_deref()));
        self.boards.inc();
        self.as_of.inner().store(held.as_of.micros() / 1_000_000, Ordering::Relaxed);
        self.newest.store(Some(held.clone()));
        let number = held.number;
        if kept.len() == KEPT_BOARDS {
            kept.pop_front();
        }
        kept.push_back(held);
        drop(kept);
        self.told.send_replace(number);
        true
    }

    /// What is known of the market; nothing that is older than a board may be.
    pub(crate) fn newest(&self) -> Result<Shared, Error> {
        let held = self.newest.load_full().ok_or(Error::NoCourses)?;
        // What was written down says itself when it was seen, and is shown until there is something newer.
        if held.origin == Origin::Board && self.clock.now().since(held.as_of) >= SNAPSHOT_TTL {
            return Err(Error::NoCourses);
        }
        Ok(held)
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load().is_none()
    }

    /// A board that was the newest a little while ago.
    pub(crate) fn kept(&self, number: u64) -> Option<Shared> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|held| held.number == number).cloned()
    }

    /// Tells the number of each new board, the newest alone to those who are slow.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }
}

#[cfg(test)]
mod tests;
