//! The history of abnormal states: when each one began and ended, and why.
//!
//! The history is kept in memory and, if `HEALTH_HISTORY_FILE` is set, in a file. It is not kept in the database,
//! because outages of the database must be recorded while the database is unavailable.

mod file;

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use common::{
    api::{
        alerts::Silence,
        history::{HistoryCursor, HistoryKind, HistoryPage, HistoryPeriod},
    },
    config::Env,
    time::Timestamp,
};

use self::file::{HistoryFile, Record};
use crate::clock::Instants;

/// Maximum number of periods. A month has far fewer, unless faults are intermittent.
const MAX_PERIODS: usize = 20_000;
const DAY_SECS: u64 = 24 * 60 * 60;

/// The settings of the history.
#[derive(Debug, Clone)]
pub struct HistoryConfig {
    /// The file from which the history and the silences are restored after a restart. If it is `None`, both are kept in
    /// memory only.
    pub file: Option<PathBuf>,
    /// How long a period is kept after it has ended.
    pub keep: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { file: None, keep: Duration::from_secs(30 * DAY_SECS) }
    }
}

impl HistoryConfig {
    pub fn from_env(env: &mut Env) -> Self {
        let keep = env.seconds("HEALTH_KEEP_SECS", 30 * DAY_SECS, 3600..=3660 * DAY_SECS);
        Self { file: env.text("HEALTH_HISTORY_FILE").map(PathBuf::from), keep }
    }
}

/// A firing alert, or the current state of a service or of the platform if that state is abnormal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AbnormalState {
    pub(crate) kind: HistoryKind,
    pub(crate) subject: String,
    pub(crate) state: String,
    pub(crate) why: String,
}

impl AbnormalState {
    /// Whether the period has the same kind and subject. The names of alerts are compared too, because several alerts
    /// can have one subject.
    fn is_same_subject(&self, period: &HistoryPeriod) -> bool {
        period.kind == self.kind
            && period.subject == self.subject
            && (self.kind != HistoryKind::Alert || period.state == self.state)
    }
}

/// Selects periods. A period must match every field that is set.
#[derive(Debug, Clone, Default)]
pub(crate) struct HistoryFilter {
    pub(crate) kind: Option<HistoryKind>,
    pub(crate) subject: Option<String>,
    /// Selects periods that ended at this time or later, or have not ended.
    pub(crate) from: Option<Timestamp>,
    /// Selects periods that began before this time.
    pub(crate) to: Option<Timestamp>,
}

impl HistoryFilter {
    fn matches(&self, period: &HistoryPeriod) -> bool {
        self.kind.is_none_or(|kind| period.kind == kind)
            && self.subject.as_ref().is_none_or(|subject| period.subject == *subject)
            && self.from.is_none_or(|from| period.to.is_none_or(|to| to >= from))
            && self.to.is_none_or(|to| period.from < to)
    }
}

/// The periods, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct History {
    periods: VecDeque<HistoryPeriod>,
    keep: Duration,
    last_id: u64,
    file: Option<HistoryFile>,
}

/// The history and the silences that were read from the history file. Without a file, both are empty.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) history: History,
    pub(crate) silences: Vec<Silence>,
}

impl History {
    /// Reads the history file, if `config` names one, and rewrites the file without outdated records.
    pub(crate) fn open(config: &HistoryConfig, now: Timestamp) -> anyhow::Result<Restored> {
        let mut history = Self { keep: config.keep, ..Self::default() };
        let Some(path) = &config.file else { return Ok(Restored { history, silences: Vec::new() }) };
        let (periods, silences) = file::read(path)?.into_current();
        history.last_id = periods.last().map_or(0, |period| period.id);
        history.periods = periods.into();
        history.remove_old(now);
        let silences: Vec<_> = silences.into_iter().filter(|silence| silence.until > now).collect();
        let periods = history.periods.iter().cloned().map(Record::Period);
        history.file = Some(HistoryFile::replace(path, periods.chain(silences.iter().cloned().map(Record::Silence)))?);
        Ok(Restored { history, silences })
    }

    pub(crate) fn has_subject(&self, name: &str) -> bool {
        self.periods.iter().any(|period| period.subject == name)
    }

    /// Begins a period for each new state in `states`, and ends each period whose state `states` does not contain.
    /// `ended_at` returns when the state of such a period ended. While this is unknown (`None`), for example after a
    /// restart of health-check, the period continues.
    pub(crate) fn update(
        &mut self,
        states: Vec<AbnormalState>,
        ended_at: impl Fn(&HistoryPeriod) -> Option<Timestamp>,
        now: Instants,
    ) {
        let mut changed = Vec::new();
        for period in self.periods.iter_mut().filter(|period| period.to.is_none()) {
            let continues = states.iter().any(|state| state.is_same_subject(period) && state.state == period.state);
            if continues {
                continue;
            }
            if let Some(end) = ended_at(period) {
                period.to = Some(end.max(period.from));
                changed.push(period.clone());
            }
        }
        for state in states {
            if self.periods.iter().any(|period| period.to.is_none() && state.is_same_subject(period)) {
                continue;
            }
            // Ids are derived from the wall time, so that they also increase across a restart without a file.
            self.last_id = u64::try_from(now.wall.micros()).unwrap_or(0).max(self.last_id + 1);
            let AbnormalState { kind, subject, state, why } = state;
            let period = HistoryPeriod { id: self.last_id, kind, subject, state, why, from: now.wall, to: None };
            self.periods.push_back(period.clone());
            changed.push(period);
        }
        if let Some(file) = &self.file {
            for period in changed {
                file.append(Record::Period(period));
            }
        }
        self.remove_old(now.wall);
    }

    /// Changes how long a period is kept after its end. The next update removes periods that are too old.
    pub(crate) fn set_keep(&mut self, keep: Duration) {
        self.keep = keep;
    }

    /// Writes an added silence to the file.
    pub(crate) fn record_silence(&self, silence: &Silence) {
        if let Some(file) = &self.file {
            file.append(Record::Silence(silence.clone()));
        }
    }

    /// Writes the removal of a silence to the file.
    pub(crate) fn record_removed_silence(&self, id: &str) {
        if let Some(file) = &self.file {
            file.append(Record::RemovedSilence { id: id.to_owned() });
        }
    }

    fn remove_old(&mut self, now: Timestamp) {
        let end = now.minus(self.keep);
        let is_old = |period: &HistoryPeriod| period.to.is_some_and(|to| to < end);
        if self.periods.iter().any(is_old) {
            self.periods.retain(|period| !is_old(period));
        }
        while self.periods.len() > MAX_PERIODS {
            self.periods.pop_front();
        }
    }

    /// Returns up to `limit` periods that match, the newest first. Starts after the period of `cursor`.
    pub(crate) fn page(&self, filter: &HistoryFilter, cursor: Option<HistoryCursor>, limit: usize) -> HistoryPage {
        let end = cursor.map_or(u64::MAX, |cursor| cursor.0);
        let newest_first = self.periods.iter().rev().filter(|period| period.id < end && filter.matches(period));
        let mut data: Vec<_> = newest_first.take(limit + 1).cloned().collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|period| HistoryCursor(period.id));
        HistoryPage { data, next_cursor }
    }
}

#[cfg(test)]
mod tests;
