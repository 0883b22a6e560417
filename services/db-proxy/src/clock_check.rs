//! The check of the clock. As long as the clock of this process is wrong, requests cannot write, because a wrong time
//! would stay in the database after the clock is corrected. The retention of old rows has its own check.
//!
//! On PostgreSQL, the clock is compared with the clock of the database. Every transaction of the writer of orders reads
//! the clock of the database when it takes its lock. Orders and quotes are decided at the time of the database, so that
//! all instances of db-proxy use one clock.
//!
//! SQLite has no clock of its own. On SQLite, the wall clock is compared with the monotonic clock. The comparison shows
//! whether an operator or a time service has set the wall clock.
//!
//! On both engines, the newest order must not be further in the future than `MAX_ORDER_AHEAD_SECS`.

mod policy;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use common::{
    api::health::{Component, Measurement},
    metrics::Metrics,
    time::{Clock, ClockReading, Timestamp},
};
use prometheus_client::metrics::gauge::Gauge;

use self::policy::{ClockChange, ClockState};
pub use self::policy::{ClockEvidence, ClockFault, ClockRules};

/// Pause between two regular checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Checks the clock in each transaction of the writer of orders, and at regular intervals. Clones share their state.
#[derive(Debug, Clone)]
pub struct ClockCheck {
    clock: Clock,
    rules: ClockRules,
    state: Arc<Mutex<ClockState>>,
    offset_millis: Gauge<i64, AtomicI64>,
}

impl ClockCheck {
    pub fn new(clock: Clock, rules: ClockRules) -> Self {
        let state = Arc::new(Mutex::new(ClockState::new(rules, clock.read())));
        Self { clock, rules, state, offset_millis: Gauge::default() }
    }

    /// Registers `clock_offset_milliseconds`.
    pub fn register(&self, metrics: &Metrics) {
        let help = "How far the clock of db-proxy is ahead of the clock of the database, in milliseconds";
        metrics.register("clock_offset_milliseconds", help, self.offset_millis.clone());
    }

    /// Reads the clocks. Called before the statement that returns the evidence for [`ClockCheck::verify`].
    pub fn read(&self) -> ClockReading {
        self.clock.read()
    }

    /// Compares the clocks. Returns the time at which a batch is decided: the time of the database, or of this machine if the
    /// database has no clock.
    pub fn verify(&self, evidence: ClockEvidence) -> Result<Timestamp, ClockFault> {
        let reading = self.clock.read();
        let mut state = self.state();
        let before = state.fault();
        let result = state.verify(self.rules, evidence, reading);
        self.offset_millis.inner().store(state.offset_millis(), Ordering::Relaxed);
        log_change(before, state.fault());
        result
    }

    /// An estimate of the time of the database. After a check, the estimate is not ahead of the database, and behind it
    /// by at most the duration of the check.
    ///
    /// If the database has a clock that was not read yet, the estimate is the wall clock of this machine minus
    /// `MAX_CLOCK_SKEW`. If the database has no clock, the estimate is the wall clock.
    pub fn database_time(&self) -> Timestamp {
        let reading = self.clock.read();
        self.state().database_time(self.rules, reading)
    }

    /// Why nothing is written at the moment. `None` if the clock is right.
    pub fn fault(&self) -> Option<ClockFault> {
        self.state().fault()
    }

    /// The time of a write whose transaction does not compare the clocks, such as a movement or a change of a user.
    /// Fails if the clock is wrong.
    ///
    /// If the database has a clock, the time is [`ClockCheck::database_time`], and the last check determines whether the
    /// clock is wrong. Without a clock of the database, the wall clock is checked now, because it was possibly set after
    /// the last check.
    pub fn write_time(&self) -> Result<Timestamp, ClockFault> {
        let reading = self.clock.read();
        let mut state = self.state();
        let before = state.fault();
        let result = state.write_time(self.rules, reading);
        log_change(before, state.fault());
        result
    }

    /// Checks the clock immediately and then regularly. Never returns. `read` runs a statement and returns its
    /// evidence. The argument of `read` is a reading of the clocks before the statement.
    pub async fn run<F, E>(self, read: impl Fn(ClockReading) -> F + Send)
    where
        F: Future<Output = Result<ClockEvidence, E>> + Send,
        E: Send,
    {
        loop {
            // An error is ignored here, because readiness and the requests that need the database report it.
            if let Ok(evidence) = read(self.read()).await {
                let _ = self.verify(evidence);
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// The result of the last check, for `/readyz` and the heartbeats.
    pub fn component(&self) -> Component {
        let component = match self.fault() {
            None => Component::ready("clock"),
            Some(fault) => Component::not_ready("clock", fault.to_string()),
        };
        let offset = self.state().offset_millis();
        component.with_measurements([Measurement::new(Measurement::CLOCK_OFFSET, offset, Measurement::MILLISECONDS)])
    }

    /// A panic leaves no partial change of the state, so a poisoned lock is ignored.
    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs a change of the result once. A logged error is also sent to health-check as a report.
fn log_change(before: Option<ClockFault>, after: Option<ClockFault>) {
    match ClockChange::of(before, after) {
        Some(ClockChange::Wrong(fault)) => tracing::error!(%fault, "nothing is written until the clock is right"),
        Some(ClockChange::Accepted) => tracing::warn!("the clock is accepted; writes are permitted again"),
        None => {}
    }
}
