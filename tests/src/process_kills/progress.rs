//! The progress of a run. The clients and the tasks that kill processes share it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{
    api::{Code, orders::Order, quotes::Quote},
    ids::QuoteId,
};
use fastrand::Rng;

use crate::{
    history::{HistoryRecorder, Outcome},
    wait_until,
    wallet_history::{MoveOutcome, WalletHistoryRecorder},
};

#[derive(Debug)]
pub struct Progress {
    pub history: HistoryRecorder,
    pub wallets: WalletHistoryRecorder,
    planned_kills: usize,
    /// The limit over all orders.
    limit_sats: i64,
    started_kills: AtomicUsize,
    finished_kills: AtomicUsize,
    is_finished: AtomicBool,
    acknowledged_orders: AtomicUsize,
    acknowledged_sats: AtomicI64,
    /// The number of outcomes, final or not.
    outcomes: AtomicUsize,
    /// Every acknowledged order, in the order of the responses.
    acknowledged: Mutex<Vec<Order>>,
    /// The quote that any client received last.
    newest_quote: Mutex<Option<QuoteId>>,
    final_outcomes: AtomicUsize,
    /// Responses with the code `database_unavailable`.
    database_unavailable: AtomicUsize,
}

impl Progress {
    pub fn new(planned_kills: usize, limit_sats: i64) -> Self {
        Self {
            history: HistoryRecorder::default(),
            wallets: WalletHistoryRecorder::default(),
            planned_kills,
            limit_sats,
            started_kills: AtomicUsize::new(0),
            finished_kills: AtomicUsize::new(0),
            is_finished: AtomicBool::new(false),
            acknowledged_orders: AtomicUsize::new(0),
            acknowledged_sats: AtomicI64::new(0),
            outcomes: AtomicUsize::new(0),
            acknowledged: Mutex::default(),
            newest_quote: Mutex::default(),
            final_outcomes: AtomicUsize::new(0),
            database_unavailable: AtomicUsize::new(0),
        }
    }

    /// Claims one of the remaining kills for the caller. Returns false when all are claimed.
    pub fn claim_kill(&self) -> bool {
        self.started_kills.fetch_add(1, Relaxed) < self.planned_kills
    }

    pub fn record_kill(&self) {
        self.finished_kills.fetch_add(1, Relaxed);
    }

    /// Signals the clients that the last kill is done.
    pub fn finish(&self) {
        self.is_finished.store(true, Relaxed);
    }

    pub fn is_finished(&self) -> bool {
        self.is_finished.load(Relaxed)
    }

    pub fn record_outcome(&self, outcome: &Outcome) {
        self.outcomes.fetch_add(1, Relaxed);
        if outcome.is_final() {
            self.final_outcomes.fetch_add(1, Relaxed);
        }
        if *outcome == Outcome::Unavailable(Code::DatabaseUnavailable) {
            self.database_unavailable.fetch_add(1, Relaxed);
        }
    }

    pub fn record_movement(&self, outcome: &MoveOutcome) {
        self.outcomes.fetch_add(1, Relaxed);
        if outcome.is_final() {
            self.final_outcomes.fetch_add(1, Relaxed);
        }
        if *outcome == MoveOutcome::Unavailable(Code::DatabaseUnavailable) {
            self.database_unavailable.fetch_add(1, Relaxed);
        }
    }

    /// Waits for `count` more outcomes, final or not.
    pub async fn wait_for_outcomes(&self, count: usize, limit: Duration) {
        let target = self.outcomes.load(Relaxed) + count;
        wait_until("requests are answered", limit, async || (self.outcomes.load(Relaxed) >= target).then_some(()))
            .await;
    }

    pub fn record_acknowledged(&self, order: Order) {
        self.acknowledged_sats.fetch_add(order.bitcoin_amount.get(), Relaxed);
        self.acknowledged_orders.fetch_add(1, Relaxed);
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }

    pub fn record_quote(&self, quote: Quote) {
        *self.newest_quote.lock().unwrap_or_else(PoisonError::into_inner) = Some(quote.id);
        self.history.record_quote(quote);
    }

    /// Returns the newest quote, or, at random, `None`. The quote may be of another client, and may be taken already.
    pub fn choose_quote(&self, rng: &mut Rng) -> Option<QuoteId> {
        self.newest_quote.lock().unwrap_or_else(PoisonError::into_inner).filter(|_| rng.bool())
    }

    /// One of the `newest` orders that were acknowledged last. `None` if no order was acknowledged yet.
    pub fn choose_acknowledged(&self, newest: usize, rng: &mut Rng) -> Option<Order> {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        rng.choice(&acknowledged[acknowledged.len().saturating_sub(newest)..]).cloned()
    }

    pub fn limit_sats(&self) -> i64 {
        self.limit_sats
    }

    pub fn acknowledged_orders(&self) -> usize {
        self.acknowledged_orders.load(Relaxed)
    }

    pub fn acknowledged_sats(&self) -> i64 {
        self.acknowledged_sats.load(Relaxed)
    }

    /// Waits for `count` more final outcomes.
    pub async fn wait_for_final_outcomes(&self, count: usize, limit: Duration) {
        let target = self.final_outcomes.load(Relaxed) + count;
        let reached = async || (self.final_outcomes.load(Relaxed) >= target).then_some(());
        wait_until("requests have final outcomes", limit, reached).await;
    }

    /// Waits until a request is answered with `database_unavailable`.
    pub async fn wait_for_database_unavailable(&self, limit: Duration) {
        let before = self.database_unavailable.load(Relaxed);
        let answered = async || (self.database_unavailable.load(Relaxed) > before).then_some(());
        wait_until("a request is answered with database_unavailable", limit, answered).await;
    }

    /// How much bitcoin should be ordered at this time, in satoshi. The target grows with the number of kills and
    /// reaches the limit after nine tenths of them. So during the last kills, the clients compete for the last satoshi.
    pub fn target_sats(&self) -> i64 {
        let (finished, planned) = (self.finished_kills.load(Relaxed), self.planned_kills.max(1));
        let per_mille = i64::try_from(finished * 1000 / planned).unwrap();
        (self.limit_sats * per_mille / 900).min(self.limit_sats)
    }
}
