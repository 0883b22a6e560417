//! Polls one source and stores its answers. The *pool* (`SourcePool`) starts the polls of all sources and waits for the
//! answers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{courses::Rejection, sources::SourceState},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::time::{Instant, timeout_at};

use super::config::PollConfig;
use crate::sources::{PollReply, PollRequest, Source, SourceError, Ticker};

/// Time from the deadline of the requests of a poll to the cancellation of the poll.
const GRACE: Duration = Duration::from_millis(250);

pub(super) struct Poller {
    pub(super) source: Box<dyn Source>,
    state: Mutex<PollerState>,
}

/// The newest ticker of one pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct LatestTicker {
    pub(super) ticker: Ticker,
    pub(super) simulated: bool,
    /// When the ticker was observed, by a monotonic clock, so that a change of the machine's clock does not affect its age.
    pub(super) observed: Instant,
    /// When the poll that returned the ticker started.
    pub(super) requested: Instant,
}

impl LatestTicker {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.observed)
    }

    /// The time since the start of the day of an official rate. It also grows while the bank is unreachable.
    pub(super) fn age_of_official_day(&self, now: Instant) -> Duration {
        let Ticker { official_day, observed_at, .. } = self.ticker;
        let age_when_observed = official_day.map_or(Duration::ZERO, |day| day.elapsed_at(observed_at));
        age_when_observed + self.age(now)
    }
}

#[derive(Debug, Clone)]
pub(super) struct PollError {
    /// `None` if the error concerns all pairs.
    pub(super) pair: Option<CurrencyPair>,
    pub(super) error: SourceError,
}

pub(super) struct PollOutcome {
    pub(super) latency: Duration,
    pub(super) errors: Vec<PollError>,
}

/// Whether a poll of a source was started, and whether the pool waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollStart {
    /// The source is not due, or its last poll has not ended.
    NotStarted,
    /// The source is polled, and the pool waits for its answer.
    Awaited,
    /// The source is polled. Its last poll took too long, so the pool does not wait for this poll.
    NotAwaited,
}

/// The state of a source and the result of its last poll.
pub(super) struct PollerState {
    source: &'static str,
    /// When the next poll of the source is due. `None` before the first poll.
    due: Option<Instant>,
    in_progress: bool,
    /// Whether the last poll took at least as long as the pool waits. Also set when the pool stops waiting for the poll
    /// in progress.
    exceeded_wait: bool,
    pub(super) polled_at: Option<Timestamp>,
    pub(super) latency: Option<Duration>,
    pub(super) tickers: BTreeMap<CurrencyPair, LatestTicker>,
    /// The errors of the last poll.
    pub(super) errors: Vec<PollError>,
    pub(super) status: SourceState,
    /// When the source entered `status`.
    pub(super) since: Timestamp,
    /// The status at the last call of [`PollerState::log_change`].
    logged_status: SourceState,
    /// How many votes of the source were used in the last poll interval.
    pub(super) used_votes: u64,
    pub(super) rejected_votes: BTreeMap<Rejection, u64>,
}

impl Poller {
    pub(super) fn new(source: Box<dyn Source>, now: Timestamp) -> Self {
        let state = PollerState {
            source: source.name(),
            due: None,
            in_progress: false,
            exceeded_wait: false,
            polled_at: None,
            latency: None,
            tickers: BTreeMap::new(),
            errors: Vec::new(),
            status: SourceState::Waiting,
            since: now,
            logged_status: SourceState::Waiting,
            used_votes: 0,
            rejected_votes: BTreeMap::new(),
        };
        Self { source, state: Mutex::new(state) }
    }

    /// Marks the poll that is due at `due` as started. Does nothing if the previous poll of the source has not ended, or if the
    /// next poll is due later.
    pub(super) fn try_start(&self, due: Instant) -> PollStart {
        let mut state = self.state();
        if state.in_progress || state.due.is_some_and(|next| due < next) {
            return PollStart::NotStarted;
        }
        state.in_progress = true;
        state.due = Some(due + self.source.poll_interval());
        if state.exceeded_wait { PollStart::NotAwaited } else { PollStart::Awaited }
    }

    /// Polls the source and stores the answer. Returns the latency and the errors of the poll.
    pub(super) async fn poll(&self, request: PollRequest<'_>, config: &PollConfig) -> PollOutcome {
        let _guard = InProgressGuard(self);
        let started = Instant::now();
        let reply = timeout_at(request.deadline + GRACE, self.source.poll(request)).await;
        let reply = reply.unwrap_or(Err(SourceError::Timeout));
        let latency = started.elapsed();
        let mut state = self.state();
        state.polled_at = Some(request.now);
        state.latency = Some(latency);
        state.exceeded_wait = latency >= config.max_wait();
        state.record_reply(reply, StartOfPoll { monotonic: started, utc: request.now }, config);
        PollOutcome { latency, errors: state.errors.clone() }
    }

    /// Records that the pool stopped waiting for the source, if the source is still being polled.
    pub(super) fn mark_wait_exceeded(&self) {
        let mut state = self.state();
        state.exceeded_wait |= state.in_progress;
    }

    /// Locks the state. A poisoned lock is accepted: every field is valid on its own, so the state is valid after a panic
    /// too.
    pub(super) fn state(&self) -> MutexGuard<'_, PollerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the poll as finished when it is dropped, even if the poll panicked or was cancelled.
struct InProgressGuard<'a>(&'a Poller);

impl Drop for InProgressGuard<'_> {
    fn drop(&mut self) {
        self.0.state().in_progress = false;
    }
}

/// The start of a poll by both clocks.
#[derive(Clone, Copy)]
struct StartOfPoll {
    monotonic: Instant,
    utc: Timestamp,
}

impl PollerState {
    fn record_reply(&mut self, reply: Result<PollReply, SourceError>, start: StartOfPoll, config: &PollConfig) {
        let (reply, errors) = match reply {
            Ok(mut reply) => {
                let errors = std::mem::take(&mut reply.errors).into_iter();
                (reply, errors.map(|(pair, error)| PollError { pair: Some(pair), error }).collect())
            }
            Err(error) => (PollReply::default(), vec![PollError { pair: None, error }]),
        };
        let simulated = config.simulated || reply.simulated;
        let works = !reply.tickers.is_empty();
        for (pair, ticker) in reply.tickers {
            let age_at_start = start.utc.since(ticker.observed_at);
            let observed = start.monotonic.checked_sub(age_at_start).unwrap_or(start.monotonic);
            self.tickers.insert(pair, LatestTicker { ticker, simulated, observed, requested: start.monotonic });
        }
        self.errors = errors;
        let status = match self.errors.first() {
            // `record_votes` decides later whether the source is trusted again.
            _ if works && self.status == SourceState::Disbelieved => SourceState::Disbelieved,
            _ if works => SourceState::Working,
            Some(PollError { error: SourceError::Paused(_) | SourceError::RateLimited { .. }, .. }) => {
                SourceState::Paused
            }
            _ => SourceState::Failing,
        };
        self.set_status(status, config.clock.now());
    }

    /// Stores the outcome of the votes of the source in a poll interval.
    pub(super) fn record_votes(&mut self, used: u64, rejected: BTreeMap<Rejection, u64>, now: Timestamp) {
        let distrusted = used == 0 && rejected.keys().any(|why| matches!(why, Rejection::Frozen | Rejection::Outlier));
        (self.used_votes, self.rejected_votes) = (used, rejected);
        match (self.status, distrusted) {
            (SourceState::Working, true) => self.set_status(SourceState::Disbelieved, now),
            (SourceState::Disbelieved, false) => self.set_status(SourceState::Working, now),
            _ => {}
        }
    }

    fn set_status(&mut self, status: SourceState, now: Timestamp) {
        if std::mem::replace(&mut self.status, status) != status {
            self.since = now;
        }
    }

    /// Whether the last poll returned no ticker, and its first error is a failed connection or a timeout.
    pub(super) fn is_unreachable(&self) -> bool {
        let cannot_connect =
            |first: &PollError| matches!(first.error, SourceError::Unreachable(_) | SourceError::Timeout);
        self.status == SourceState::Failing && self.errors.first().is_some_and(cannot_connect)
    }

    /// Logs only changes of the status, because an exchange can be unavailable for days. If `all_unreachable` is set,
    /// no source can be reached. The pool logs one error for all sources, so the failure of this source is only a debug
    /// message.
    pub(super) fn log_change(&mut self, all_unreachable: bool) {
        let before = std::mem::replace(&mut self.logged_status, self.status);
        if before == self.status {
            return;
        }
        let (source, status, why) = (self.source, self.status, self.problem().unwrap_or_default());
        match status {
            SourceState::Working if before == SourceState::Waiting => tracing::debug!(source, "price source works"),
            SourceState::Working => tracing::info!(source, ?before, "price source works again"),
            SourceState::Disbelieved => tracing::warn!(source, why, "price source is not trusted"),
            SourceState::Failing if all_unreachable => tracing::debug!(source, why, "price source cannot be reached"),
            SourceState::Failing | SourceState::Paused | SourceState::Waiting => {
                tracing::warn!(source, state = ?status, why, "price source fails");
            }
        }
    }

    /// Why the status of the source is not [`SourceState::Working`]. `None` if the source works.
    pub(super) fn problem(&self) -> Option<String> {
        match self.status {
            SourceState::Working => None,
            SourceState::Waiting => Some("has not been polled yet".to_owned()),
            SourceState::Disbelieved => {
                let votes = self.rejected_votes.iter().map(|(why, votes)| format!("{votes} {why:?}").to_lowercase());
                Some(format!("none of its votes is used: {}", votes.collect::<Vec<_>>().join(", ")))
            }
            SourceState::Failing | SourceState::Paused => {
                Some(self.errors.first().map_or("reported no price".to_owned(), |first| first.error.to_string()))
            }
        }
    }

    /// When the newest ticker was observed.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.tickers.values().map(|latest| latest.ticker.observed_at).max()
    }
}
