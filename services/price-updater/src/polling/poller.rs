//! One source, and what it did last.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{courses::Rejection, prices::SourceState},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::time::{Instant, timeout_at};

use super::config::Manners;
use crate::{
    sources::{Answer, Ask, Source, SourceError},
    ticker::Quote,
};

/// What a source has for coming back after its requests were ended at the deadline, before it is ended itself.
const GRACE: Duration = Duration::from_millis(250);

pub(super) struct Seat {
    pub(super) source: Box<dyn Source>,
    memory: Mutex<Memory>,
}

/// The newest quote of a direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) quote: Quote,
    pub(super) simulated: bool,
    /// When it was observed, by a clock that only goes forward: a change of the machine's time makes nothing younger.
    pub(super) seen: Instant,
    /// When it was asked for.
    pub(super) asked: Instant,
}

/// What a source did last.
pub(super) struct Memory {
    /// When it may be asked again.
    due: Option<Instant>,
    asking: bool,
    /// Whether its last answer came later than a slot waits for: the next one does not wait for it.
    kept_waiting: bool,
    pub(super) asked_at: Option<Timestamp>,
    pub(super) latency: Option<Duration>,
    pub(super) quotes: BTreeMap<CurrencyPair, Kept>,
    /// What went wrong when it was asked last; with no direction where that concerns all.
    pub(super) faults: Vec<(Option<CurrencyPair>, SourceError)>,
    pub(super) state: SourceState,
    /// Since when it is in that state.
    pub(super) since: Timestamp,
    /// What became of its votes in the last slot.
    pub(super) used: u64,
    pub(super) rejected: BTreeMap<Rejection, u64>,
}

impl Seat {
    pub(super) fn new(source: Box<dyn Source>, now: Timestamp) -> Self {
        let memory = Memory {
            due: None,
            asking: false,
            kept_waiting: false,
            asked_at: None,
            latency: None,
            quotes: BTreeMap::new(),
            faults: Vec::new(),
            state: SourceState::Waiting,
            since: now,
            used: 0,
            rejected: BTreeMap::new(),
        };
        Self { source, memory: Mutex::new(memory) }
    }

    /// Whether it is to be asked in the slot that was due at `slot`, and if so, whether that is worth waiting for.
    pub(super) fn begin(&self, slot: Instant) -> Option<bool> {
        let mut memory = self.memory();
        if memory.asking || memory.due.is_some_and(|due| slot < due) {
            return None;
        }
        memory.asking = true;
        memory.due = Some(slot + self.source.period());
        Some(!memory.kept_waiting)
    }

    /// Asks it, and takes in what it says. Returns how long that took, and the errors.
    pub(super) async fn ask(
        &self,
        ask: Ask<'_>,
        manners: &Manners,
    ) -> (Duration, Vec<(Option<CurrencyPair>, SourceError)>) {
        let _asking = Asking(self);
        let start = Instant::now();
        let answer = timeout_at(ask.deadline + GRACE, self.source.ask(ask)).await;
        let answer = answer.unwrap_or(Err(SourceError::Timeout));
        let latency = start.elapsed();
        let mut memory = self.memory();
        memory.asked_at = Some(ask.now);
        memory.latency = Some(latency);
        memory.kept_waiting = latency >= manners.patience();
        memory.take(self.source.name(), answer, (start, ask.now), manners.simulated, manners.clock.now());
        (latency, memory.faults.clone())
    }

    /// A slot goes on while it is still being asked.
    pub(super) fn kept_waiting(&self) {
        let mut memory = self.memory();
        memory.kept_waiting |= memory.asking;
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives the source is being asked, also where the asking panics or is dropped.
struct Asking<'a>(&'a Seat);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.memory().asking = false;
    }
}

impl Memory {
    fn take(
        &mut self,
        source: &'static str,
        answer: Result<Answer, SourceError>,
        (start, asked_at): (Instant, Timestamp),
        simulated: bool,
        now: Timestamp,
    ) {
        let (answer, faults) = match answer {
            Ok(mut answer) => {
                let faults = std::mem::take(&mut answer.faults);
                (answer, faults.into_iter().map(|(direction, error)| (Some(direction), error)).collect())
            }
            Err(error) => (Answer::default(), vec![(None, error)]),
        };
        let simulated = simulated || answer.simulated;
        let works = !answer.quotes.is_empty();
        for (direction, quote) in answer.quotes {
            let seen = start.checked_sub(asked_at.since(quote.observed_at)).unwrap_or(start);
            self.quotes.insert(direction, Kept { quote, simulated, seen, asked: start });
        }
        self.faults = faults;
        let state = match self.faults.first() {
            // What becomes of its votes is found out later in the slot.
            _ if works && self.state == SourceState::Disbelieved => SourceState::Disbelieved,
            _ if works => SourceState::Working,
            Some((_, SourceError::Paused(_) | SourceError::RateLimited { .. })) => SourceState::Paused,
            _ => SourceState::Failing,
        };
        self.enter(source, state, now);
    }

    /// Takes in what became of its votes in a slot.
    pub(super) fn judge(
        &mut self,
        source: &'static str,
        used: u64,
        rejected: BTreeMap<Rejection, u64>,
        now: Timestamp,
    ) {
        let unused = used == 0 && rejected.keys().any(|why| matches!(why, Rejection::Frozen | Rejection::Outlier));
        (self.used, self.rejected) = (used, rejected);
        match (self.state, unused) {
            (SourceState::Working, true) => self.enter(source, SourceState::Disbelieved, now),
            (SourceState::Disbelieved, false) => self.enter(source, SourceState::Working, now),
            _ => {}
        }
    }

    /// Tells of a change once when it comes: an exchange may be away for days.
    fn enter(&mut self, source: &'static str, state: SourceState, now: Timestamp) {
        let before = std::mem::replace(&mut self.state, state);
        if before == state {
            return;
        }
        self.since = now;
        let why = self.why().unwrap_or_default();
        match state {
            SourceState::Working if before == SourceState::Waiting => tracing::debug!(source, "a price source works"),
            SourceState::Working => tracing::info!(source, ?before, "a price source works again"),
            SourceState::Disbelieved => tracing::warn!(source, why, "a price source is not believed"),
            SourceState::Failing | SourceState::Paused | SourceState::Waiting => {
                tracing::warn!(source, ?state, why, "a price source fails");
            }
        }
    }

    /// Why it is of no use right now.
    pub(super) fn why(&self) -> Option<String> {
        match self.state {
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

    /// When the newest of its quotes was observed.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.quotes.values().map(|kept| kept.quote.observed_at).max()
    }
}
