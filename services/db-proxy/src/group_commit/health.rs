//! Whether the writer can commit, according to the result of its last commit or probe.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::api::health::Measurement;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use crate::database::DatabaseError;

/// How old the last result may become before the writer commits a probe.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How long an attempt to commit a batch, or a probe, may take before the writer counts as blocked.
const MAX_ATTEMPT: Duration = Duration::from_secs(2);
/// If the last result is older, the writer counts as stopped. This age exceeds the sum of the probe interval and the
/// time limits of an attempt and of a probe.
const MAX_RESULT_AGE: Duration = Duration::from_secs(20);

/// The result of the writer's last commit or probe. Clones share it.
#[derive(Clone, Default)]
pub struct WriteHealth(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The number of commands that wait for a decision: in the queue, and in the current batch.
    waiting: Gauge,
    last: Option<LastResult>,
    /// When the current attempt or probe began. `None` between them.
    attempt_since: Option<Instant>,
}

struct LastResult {
    at: Instant,
    /// The chain of the error, or `None` after a success.
    error: Option<String>,
}

/// Why the writer cannot commit at present.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritable {
    #[error("the database has not answered the first write yet")]
    NotProbed,
    /// The last commit or probe failed.
    #[error("{0}")]
    Failed(String),
    /// A commit or probe has not been answered for this time.
    #[error("a write has been waiting for {} s", .0.as_secs())]
    Blocked(Duration),
    /// The writer has reported no result for this time.
    #[error("the writer has stopped: its last write was {} s ago", .0.as_secs())]
    Stopped(Duration),
}

impl WriteHealth {
    /// Fails if the current attempt or probe is blocked, if no commit or probe has a result yet, or if the last result
    /// is a failure or too old.
    pub fn check(&self) -> Result<(), NotWritable> {
        let state = self.state();
        if let Some(waited) = state.attempt_since.map(|since| since.elapsed()).filter(|waited| *waited > MAX_ATTEMPT) {
            return Err(NotWritable::Blocked(waited));
        }
        match &state.last {
            None => Err(NotWritable::NotProbed),
            Some(LastResult { error: Some(error), .. }) => Err(NotWritable::Failed(error.clone())),
            Some(LastResult { at, .. }) if at.elapsed() > MAX_RESULT_AGE => Err(NotWritable::Stopped(at.elapsed())),
            Some(_) => Ok(()),
        }
    }

    pub fn waiting_commands(&self) -> Measurement {
        let waiting = self.state().waiting.get().max(0);
        Measurement::new(Measurement::WAITING_COMMANDS, waiting, "commands")
    }

    pub(super) fn set_waiting(&self, waiting: Gauge) {
        self.state().waiting = waiting;
    }

    pub(super) fn begin_attempt(&self) {
        self.state().attempt_since = Some(Instant::now());
    }

    /// Records the result of an attempt or a probe. A success counts only if `wrote`: a batch without changes proves
    /// nothing about writes.
    pub(super) fn end_attempt<T>(&self, result: &Result<T, DatabaseError>, wrote: bool) {
        let mut state = self.state();
        state.attempt_since = None;
        // A wrong clock is not a failure of the database. The component `clock` reports it.
        let error = result.as_ref().err().filter(|error| !matches!(error, DatabaseError::Clock(_)));
        let error = error.map(DatabaseError::chain);
        if wrote || error.is_some() {
            state.last = Some(LastResult { at: Instant::now(), error });
        }
    }

    /// Whether there is no result yet, or the last result is so old that a probe must be committed.
    pub(super) fn is_probe_due(&self) -> bool {
        self.state().last.as_ref().is_none_or(|last| last.at.elapsed() >= PROBE_INTERVAL)
    }

    /// Whether the last result is a failure.
    pub(super) fn has_failed(&self) -> bool {
        self.state().last.as_ref().is_some_and(|last| last.error.is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
