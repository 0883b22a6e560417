//! One source, and what it did last.

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

/// What a source has for coming back after its requests were ended at the deadline, before it is ended itself.
const GRACE: Duration = Duration::from_millis(250);

pub(super) struct Poller {
    pub(super) source: Box<dyn Source>,
    state: Mutex<PollerState>,
}

/// The newest ticker of a direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct LatestTicker {
    pub(super) ticker: Ticker,
    pub(super) simulated: bool,
    /// When it was observed, by a clock that only goes forward: a change of the machine's time makes nothing younger.
    pub(super) observed: Instant,
    /// When it was asked for.
    pub(super) requested: Instant,
}

/// What a source did last.
pub(super) struct PollerState {
    /// When it may be asked again.
    due: Option<Instant>,
    asking: bool,
    /// Whether its last answer came later than a slot waits for: the next one does not wait for it.
    exceeded_wait: bool,
    pub(super) asked_at: Option<Timestamp>,
    pub(super) latency: Option<Duration>,
    pub(super) tickers: BTreeMap<CurrencyPair, LatestTicker>,
    /// What went wrong when it was asked last; with no direction where that concerns all.
    pub(super) faults: Vec<(Option<CurrencyPair>, SourceError)>,
    pub(super) status: SourceState,
    /// Since when it is in that state.
    pub(super) since: Timestamp,
    /// What became of its votes in the last slot.
    pub(super) used: u64,
    pub(super) rejected: BTreeMap<Rejection, u64>,
}

impl Poller {
    pub(super) fn new(source: Box<dyn Source>, now: Timestamp) -> Self {
        let state = PollerState {
            due: None,
            asking: false,
            exceeded_wait: false,
            asked_at: None,
            latency: None,
            tickers: BTreeMap::new(),
            faults: Vec::new(),
            status: SourceState::Waiting,
            since: now,
            used: 0,
            rejected: BTreeMap::new(),
        };
        Self { source, state: Mutex::new(state) }
    }

    /// Whether it is to be asked in the slot that was due at `slot`, and if so, whether that is worth waiting for.
    pub(super) fn begin(&self, slot: Instant) -> Option<bool> {
        let mut state = self.state();
        if state.asking || state.due.is_some_and(|due| slot < due) {
            return None;
        }
        state.asking = true;
        state.due = Some(slot + self.source.poll_interval());
        Some(!state.exceeded_wait)
    }

    /// Asks it, and takes in what it says. Returns how long that took, and the errors.
    pub(super) async fn ask(
        &self,
        request: PollRequest<'_>,
        config: &PollConfig,
    ) -> (Duration, Vec<(Option<CurrencyPair>, SourceError)>) {
        let _asking = Asking(self);
        let start = Instant::now();
        let answer = timeout_at(request.deadline + GRACE, self.source.poll(request)).await;
        let answer = answer.unwrap_or(Err(SourceError::Timeout));
        let latency = start.elapsed();
        let mut state = self.state();
        state.asked_at = Some(request.now);
        state.latency = Some(latency);
        state.exceeded_wait = latency >= config.max_wait();
        state.take(self.source.name(), answer, (start, request.now), config.simulated, config.clock.now());
        (latency, state.faults.clone())
    }

    /// A slot goes on while it is still being asked.
    pub(super) fn exceeded_wait(&self) {
        let mut state = self.state();
        state.exceeded_wait |= state.asking;
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    pub(super) fn state(&self) -> MutexGuard<'_, PollerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives the source is being asked, also where the asking panics or is dropped.
struct Asking<'a>(&'a Poller);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.state().asking = false;
    }
}

impl PollerState {
    fn take(
        &mut self,
        source: &'static str,
        answer: Result<PollReply, SourceError>,
        (start, asked_at): (Instant, Timestamp),
        simulated: bool,
        now: Timestamp,
    ) {
        let (answer, faults) = match answer {
            Ok(mut answer) => {
                let faults = std::mem::take(&mut answer.errors);
                (answer, faults.into_iter().map(|(direction, error)| (Some(direction), error)).collect())
            }
            Err(error) => (PollReply::default(), vec![(None, error)]),
        };
        let simulated = simulated || answer.simulated;
        let works = !answer.tickers.is_empty();
        for (direction, ticker) in answer.tickers {
            let observed = start.checked_sub(asked_at.since(ticker.observed_at)).unwrap_or(start);
            self.tickers.insert(direction, LatestTicker { ticker, simulated, observed, requested: start });
        }
        self.faults = faults;
        let status = match self.faults.first() {
            // What becomes of its votes is found out later in the slot.
            _ if works && self.status == SourceState::Disbelieved => SourceState::Disbelieved,
            _ if works => SourceState::Working,
            Some((_, SourceError::Paused(_) | SourceError::RateLimited { .. })) => SourceState::Paused,
            _ => SourceState::Failing,
        };
        self.enter(source, status, now);
    }

    /// Takes in what became of its votes in a slot.
    pub(super) fn record_votes(
        &mut self,
        source: &'static str,
        used: u64,
        rejected: BTreeMap<Rejection, u64>,
        now: Timestamp,
    ) {
        let unused = used == 0 && rejected.keys().any(|why| matches!(why, Rejection::Frozen | Rejection::Outlier));
        (self.used, self.rejected) = (used, rejected);
        match (self.status, unused) {
            (SourceState::Working, true) => self.enter(source, SourceState::Disbelieved, now),
            (SourceState::Disbelieved, false) => self.enter(source, SourceState::Working, now),
            _ => {}
        }
    }

    /// Tells of a change once when it comes: an exchange may be away for days.
    fn enter(&mut self, source: &'static str, status: SourceState, now: Timestamp) {
        let before = std::mem::replace(&mut self.status, status);
        if before == status {
            return;
        }
        self.since = now;
        let why = self.why().unwrap_or_default();
        match status {
            SourceState::Working if before == SourceState::Waiting => tracing::debug!(source, "a price source works"),
            SourceState::Working => tracing::info!(source, ?before, "a price source works again"),
            SourceState::Disbelieved => tracing::warn!(source, why, "a price source is not believed"),
            SourceState::Failing | SourceState::Paused | SourceState::Waiting => {
                tracing::warn!(source, state = ?status, why, "a price source fails");
            }
        }
    }

    /// Why it is of no use right now.
    pub(super) fn why(&self) -> Option<String> {
        match self.status {
            SourceState::Working => None,
            SourceState::Waiting => Some("was not asked yet".to_owned()),
            SourceState::Disbelieved => {
                let votes = self.rejected.iter().map(|(why, votes)| format!("{votes} {why:?}").to_lowercase());
                Some(format!("none of its votes is used: {}", votes.collect::<Vec<_>>().join(", ")))
            }
            SourceState::Failing | SourceState::Paused => {
                Some(self.faults.first().map_or("gave no price".to_owned(), |(_, error)| error.to_string()))
            }
        }
    }

    /// When the newest of its tickers was observed.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.tickers.values().map(|latest| latest.ticker.observed_at).max()
    }
}
