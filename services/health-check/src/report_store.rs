//! The reports that were received: the latest of them, in memory.

use std::collections::VecDeque;

use common::{
    api::reports::{LevelCounts, Report, ReportCursor, ReportPage, StoredReport, json_len},
    level::Level,
    time::Timestamp,
};

use crate::clock::Instants;

/// What is kept of warnings and worse, and of the rest: apart, so that a month of alive calls does not push out the one line
/// that tells what went wrong.
const IMPORTANT_RETENTION: Retention = Retention { reports: 10_000, bytes: 32 * 1024 * 1024 };
const ROUTINE_RETENTION: Retention = Retention { reports: 2_000, bytes: 4 * 1024 * 1024 };

#[derive(Debug, Clone, Copy)]
struct Retention {
    reports: usize,
    bytes: usize,
}

/// Which reports to list; a field that is not set lets all pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportFilter {
    /// This level and worse.
    pub(crate) level: Option<Level>,
    pub(crate) service: Option<String>,
    /// Received at this time or later.
    pub(crate) from: Option<Timestamp>,
    /// Received before this time.
    pub(crate) to: Option<Timestamp>,
    /// Somewhere in the status, in any case; or the whole id of the request.
    pub(crate) text: Option<String>,
}

impl ReportFilter {
    fn lets_pass(&self, report: &StoredReport) -> bool {
        let has = |text: &String| {
            report.status.to_lowercase().contains(&text.to_lowercase())
                || report.data.get("request_id").and_then(|id| id.as_str()) == Some(text)
        };
        self.level.is_none_or(|level| report.level <= level)
            && self.service.as_ref().is_none_or(|service| report.service == *service)
            && self.from.is_none_or(|from| report.received_at >= from)
            && self.to.is_none_or(|to| report.received_at < to)
            && self.text.as_ref().is_none_or(has)
    }
}

pub(crate) struct ReportStore {
    important: ReportBuffer,
    routine: ReportBuffer,
    last_id: u64,
    counts: HourlyCounts,
}

impl ReportStore {
    pub(crate) fn new() -> Self {
        Self {
            important: ReportBuffer::new(IMPORTANT_RETENTION),
            routine: ReportBuffer::new(ROUTINE_RETENTION),
            last_id: 0,
            counts: HourlyCounts::default(),
        }
    }

    pub(crate) fn add(&mut self, report: Report, now: Instants) {
        let Report { level, service, status, data } = report;
        // By the time of day, so that an id, and a cursor made of it, means the same after a restart.
        self.last_id = u64::try_from(now.at.micros()).unwrap_or(0).max(self.last_id + 1);
        let ring = if level <= Level::Warning { &mut self.important } else { &mut self.routine };
        ring.push(StoredReport { id: self.last_id, received_at: now.at, level, service, status, data });
        self.counts.count(level, now);
    }

    /// Up to `limit` reports that pass, newest first, from `cursor` on.
    pub(crate) fn page(&self, filter: &ReportFilter, cursor: Option<ReportCursor>, limit: usize) -> ReportPage {
        let end = cursor.map_or(u64::MAX, |cursor| cursor.0);
        let (mut important, mut routine) = (self.important.before(end).peekable(), self.routine.before(end).peekable());
        let newest_first = std::iter::from_fn(|| {
            let from_news = match (important.peek(), routine.peek()) {
                (Some(a), Some(b)) => a.id > b.id,
                (a, _) => a.is_some(),
            };
            if from_news { important.next() } else { routine.next() }
        });
        let mut data: Vec<_> =
            newest_first.filter(|report| filter.lets_pass(report)).take(limit + 1).cloned().collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|report| ReportCursor(report.id));
        ReportPage { data, next_cursor }
    }

    pub(crate) fn last_hour(&self, now: Instants) -> LevelCounts {
        self.counts.last_hour(now)
    }
}

/// Reports in the order of their ids; the oldest go when there are too many or they are too large.
struct ReportBuffer {
    limit: Retention,
    reports: VecDeque<(StoredReport, usize)>,
    bytes: usize,
}

impl ReportBuffer {
    fn new(limit: Retention) -> Self {
        Self { limit, reports: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, report: StoredReport) {
        let size = size_of::<StoredReport>() + report.service.len() + report.status.len() + json_len(&report.data);
        self.bytes += size;
        self.reports.push_back((report, size));
        while self.reports.len() > self.limit.reports || self.bytes > self.limit.bytes {
            let Some((_, size)) = self.reports.pop_front() else { break };
            self.bytes -= size;
        }
    }

    /// Those with an id below `end`, newest first.
    fn before(&self, end: u64) -> impl Iterator<Item = &StoredReport> {
        let count = self.reports.partition_point(|(report, _)| report.id < end);
        self.reports.range(..count).rev().map(|(report, _)| report)
    }
}

const MINUTES: usize = 60;

/// Counts by the minute, so that they are right also of reports that were not kept.
struct HourlyCounts([(u64, [u64; Level::ALL.len()]); MINUTES]);

impl Default for HourlyCounts {
    fn default() -> Self {
        Self([(0, [0; Level::ALL.len()]); MINUTES])
    }
}

impl HourlyCounts {
    fn count(&mut self, level: Level, now: Instants) {
        let minute = minute_of(now);
        let slot = usize::try_from(minute % MINUTES as u64).unwrap_or(0);
        let (since, counts) = &mut self.0[slot];
        if *since != minute {
            (*since, *counts) = (minute, [0; Level::ALL.len()]);
        }
        counts[level as usize] += 1;
    }

    fn last_hour(&self, now: Instants) -> LevelCounts {
        let minute = minute_of(now);
        let recent = self.0.iter().filter(|(since, _)| since + MINUTES as u64 > minute);
        let sum = |level: Level| recent.clone().map(|(_, counts)| counts[level as usize]).sum();
        LevelCounts {
            critical: sum(Level::Critical),
            error: sum(Level::Error),
            warning: sum(Level::Warning),
            info: sum(Level::Info),
            debug: sum(Level::Debug),
        }
    }
}

fn minute_of(now: Instants) -> u64 {
    now.steady.as_secs() / 60
}

#[cfg(test)]
mod tests;
