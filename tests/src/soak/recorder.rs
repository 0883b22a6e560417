//! The responses to the clients of a run, in bounded memory: a count, a sum and a digest of all acknowledged orders,
//! and the full history of a sample of the keys.

mod digest;
mod latencies;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{api::orders::Order, money::Sats};
use fastrand::Rng;

use self::{
    digest::{KeySet, OrderDigest},
    latencies::Latencies,
};
use crate::history::{
    Attempt, History, Outcome, SequenceChecker, StoredOrder, StoredState, check_keys, stored_state::StoredTotals,
};

/// The history of one in this many idempotency keys is recorded.
const SAMPLE_RATIO: u64 = 256;
/// The history of a key whose first request was not acknowledged is also recorded, for at most this many keys.
const MAX_FAILED_KEYS: usize = 10_000;
/// A client reads one of this many newest orders.
const RECENT_ORDERS: usize = 4_096;
/// Maximum number of violations of each kind that are reported: violations in responses, unrequested orders, missing
/// orders.
const MAX_VIOLATIONS: usize = 20;
const KEY_PREFIX: &str = "soak-";

#[derive(Debug, Default)]
pub struct RunRecorder {
    next_key: AtomicU64,
    requests: AtomicU64,
    failed: AtomicU64,
    records: Mutex<Records>,
    latencies: Latencies,
}

#[derive(Debug, Default)]
struct Records {
    acknowledged: OrderDigest,
    recent: VecDeque<Order>,
    history: History,
    keys_with_failures: usize,
    violations: Vec<String>,
}

/// An idempotency key of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    pub fn text(self) -> String {
        format!("{KEY_PREFIX}{}", self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(KEY_PREFIX)?.parse().ok().map(Self)
    }

    fn is_sampled(self) -> bool {
        self.0.is_multiple_of(SAMPLE_RATIO)
    }
}

impl RunRecorder {
    pub fn new_key(&self) -> Key {
        Key(self.next_key.fetch_add(1, Relaxed))
    }

    /// Records a request that has ended. `latency` counts from the time at which the request was due.
    pub fn record_response(&self, latency: Duration) {
        self.requests.fetch_add(1, Relaxed);
        self.latencies.record(latency);
    }

    /// Records that an attempt received a 503 or no response, or that an attempt to place an order had no final
    /// outcome.
    pub fn record_failure(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub fn record_violation(&self, violation: String) {
        let mut records = self.records();
        if records.violations.len() < MAX_VIOLATIONS {
            records.violations.push(violation);
        }
    }

    /// Records all attempts with this key.
    pub fn record_order(&self, key: Key, attempts: Vec<Attempt>) {
        let last = attempts.last().expect("an order is requested at least once");
        let acknowledged = match &last.outcome {
            Outcome::Placed { body, .. } => serde_json::from_slice::<Order>(body).ok(),
            _ => None,
        };
        let has_failure = attempts.len() > 1 || acknowledged.is_none();
        let mut records = self.records();
        match acknowledged {
            Some(order) => {
                records.acknowledged.add(key, &order);
                records.recent.push_back(order);
                if records.recent.len() > RECENT_ORDERS {
                    records.recent.pop_front();
                }
            }
            None if records.violations.len() < MAX_VIOLATIONS => {
                let (key, requested, outcome) = (key.text(), last.requested.body(), &last.outcome);
                records.violations.push(format!("NOT ACKNOWLEDGED: {key} requested {requested}: {outcome:?}"));
            }
            None => {}
        }
        if has_failure {
            records.keys_with_failures += 1;
        }
        if key.is_sampled() || (has_failure && records.keys_with_failures <= MAX_FAILED_KEYS) {
            records.history.attempts.extend(attempts);
        }
    }

    /// One of the newest acknowledged orders, at random. `None` if no order was acknowledged yet.
    pub fn recent_order(&self, rng: &mut Rng) -> Option<Order> {
        let records = self.records();
        (!records.recent.is_empty()).then(|| records.recent[rng.usize(0..records.recent.len())].clone())
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub fn acknowledged(&self) -> u64 {
        self.records().acknowledged.orders()
    }

    /// The latencies since the last call, as text.
    pub fn take_latencies(&self) -> String {
        self.latencies.take()
    }

    /// Compares the digest of all acknowledged orders and the recorded histories with the database. Returns the
    /// violations.
    pub async fn check(&self, database_url: &str, limit: Sats) -> Vec<String> {
        let mut check = StoredOrdersCheck::new(&self.records().history, self.next_key.load(Relaxed), limit);
        let rest = StoredState::visit_orders(database_url, |order| check.visit(order)).await.unwrap();
        let records = self.records();
        let mut violations = records.violations.clone();
        violations.extend(check.finish(&records.history, records.acknowledged, rest.totals));
        violations
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares the stored orders, one at a time, with the acknowledged orders.
struct StoredOrdersCheck {
    sequence: SequenceChecker,
    stored: OrderDigest,
    keys: KeySet,
    recorded_keys: BTreeSet<String>,
    recorded_orders: Vec<StoredOrder>,
    unrequested: Vec<String>,
}

impl StoredOrdersCheck {
    fn new(history: &History, used_keys: u64, limit: Sats) -> Self {
        Self {
            sequence: SequenceChecker::new(limit),
            stored: OrderDigest::default(),
            keys: KeySet::new(used_keys),
            recorded_keys: history.attempts.iter().map(|attempt| attempt.idempotency_key.clone()).collect(),
            recorded_orders: Vec::new(),
            unrequested: Vec::new(),
        }
    }

    fn visit(&mut self, order: StoredOrder) {
        self.sequence.check_next(&order);
        match Key::parse(&order.idempotency_key).filter(|key| self.keys.insert(*key)) {
            Some(key) => self.stored.add(key, &order.order),
            None if self.unrequested.len() < MAX_VIOLATIONS => {
                let (seq, key) = (order.seq, &order.idempotency_key);
                self.unrequested.push(format!(
                    "UNREQUESTED ORDER: order {seq} has the key {key:?}, which no client used, or which another order has too"
                ));
            }
            None => {}
        }
        if self.recorded_keys.contains(&order.idempotency_key) {
            self.recorded_orders.push(order);
        }
    }

    fn finish(self, history: &History, acknowledged: OrderDigest, totals: StoredTotals) -> Vec<String> {
        let mut violations = self.unrequested;
        if totals.reserved != 0 {
            violations.push(format!("RESERVATION NOT RELEASED: {} satoshi are reserved", totals.reserved));
        }
        violations.extend(self.sequence.finish(totals).iter().map(ToString::to_string));
        let missing = self.keys.missing().take(MAX_VIOLATIONS);
        violations.extend(missing.map(|key| format!("MISSING ORDER: no order with the key {} is stored", key.text())));
        if self.stored != acknowledged {
            violations.push(format!("CHANGED ORDERS: acknowledged {acknowledged:?}, stored {:?}", self.stored));
        }
        let recorded = StoredState { orders: self.recorded_orders, ..StoredState::default() };
        violations.extend(check_keys(history, &recorded).iter().map(|violation| history.describe(violation)));
        violations
    }
}
