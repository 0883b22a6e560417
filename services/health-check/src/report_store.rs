//! Stores the most recent reports in memory.

mod groups;

use std::collections::VecDeque;

use common::{
    api::reports::{LevelCounts, Report, ReportCursor, ReportPage, StoredReport, json_len},
    level::Level,
    time::Timestamp,
};
use serde_json::Value;

use crate::clock::Instants;

/// Retention of reports of level warning or worse. Heartbeats and other routine reports have a retention of their own,
/// so that they do not displace these reports.
const IMPORTANT_RETENTION: Retention = Retention { reports: 10_000, bytes: 32 * 1024 * 1024 };
/// Retention of all other reports.
const ROUTINE_RETENTION: Retention = Retention { reports: 2_000, bytes: 4 * 1024 * 1024 };

#[derive(Debug, Clone, Copy)]
struct Retention {
    reports: usize,
    bytes: usize,
}

/// Selects reports. A report must match every field that is set.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportFilter {
    /// Selects reports of this level or worse.
    pub(crate) level: Option<Level>,
    pub(crate) service: Option<String>,
    /// Selects reports received at this time or later.
    pub(crate) from: Option<Timestamp>,
    /// Selects reports received before this time.
    pub(crate) to: Option<Timestamp>,
    /// A part of the status (case-insensitive), or the whole name of the price source, or the whole request id.
    pub(crate) text: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The id of the user whose request caused the report.
    pub(crate) user: Option<String>,
}

impl ReportFilter {
    fn matches(&self, report: &StoredReport) -> bool {
        let has_text = |text: &String| {
            report.status.to_lowercase().contains(&text.to_lowercase())
                || report.source.as_ref() == Some(text)
                || text_of(&report.data, "request_id") == Some(text)
        };
        let user_of = |data| text_of(data, "user").or_else(|| text_of(report.data.get("fields")?, "user"));
        self.level.is_none_or(|level| report.level <= level)
            && self.service.as_ref().is_none_or(|service| report.service == *service)
            && self.from.is_none_or(|from| report.received_at >= from)
            && self.to.is_none_or(|to| report.received_at < to)
            && self.text.as_ref().is_none_or(has_text)
            && self.request_id.as_ref().is_none_or(|id| text_of(&report.data, "request_id") == Some(id))
            && self.user.as_ref().is_none_or(|user| user_of(&report.data) == Some(user))
    }
}

fn text_of<'a>(data: &'a Value, field: &str) -> Option<&'a str> {
    data.get(field)?.as_str()
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

    pub(crate) fn add_report(&mut self, report: Report, now: Instants) {
        let Report { level, service, status, data } = report;
        // Ids are derived from the wall time, so that they also increase across a restart, and cursors stay valid.
        self.last_id = u64::try_from(now.wall.micros()).unwrap_or(0).max(self.last_id + 1);
        let buffer = if level <= Level::Warning { &mut self.important } else { &mut self.routine };
        let source = source_of(&data);
        buffer.push(StoredReport { id: self.last_id, received_at: now.wall, level, service, source, status, data });
        self.counts.count_report(level, now);
    }

    /// Returns up to `limit` reports that match, newest first. Starts after the report of `cursor`.
    pub(crate) fn page(&self, filter: &ReportFilter, cursor: Option<ReportCursor>, limit: usize) -> ReportPage {
        let newest_first = self.newest_first(cursor.map_or(u64::MAX, |cursor| cursor.0));
        let mut data: Vec<_> = newest_first.filter(|report| filter.matches(report)).take(limit + 1).cloned().collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|report| ReportCursor(report.id));
        ReportPage { data, next_cursor }
    }

    /// The reports with an id below `end`, newest first.
    fn newest_first(&self, end: u64) -> impl Iterator<Item = &StoredReport> {
        let (mut important, mut routine) = (self.important.before(end).peekable(), self.routine.before(end).peekable());
        std::iter::from_fn(move || {
            let take_important = match (important.peek(), routine.peek()) {
                (Some(important), Some(routine)) => important.id > routine.id,
                (important, _) => important.is_some(),
            };
            if take_important { important.next() } else { routine.next() }
        })
    }

    /// The service of each stored report.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        let reports = self.important.reports.iter().chain(&self.routine.reports);
        reports.map(|sized| sized.report.service.as_str())
    }

    pub(crate) fn last_hour(&self, now: Instants) -> LevelCounts {
        self.counts.last_hour(now)
    }
}

/// The price source in the field `source` of a log record.
fn source_of(data: &Value) -> Option<String> {
    data.get("fields")?.get("source")?.as_str().map(str::to_owned)
}

/// Reports in the order of their ids. The oldest reports are removed when the retention is exceeded.
struct ReportBuffer {
    retention: Retention,
    reports: VecDeque<SizedReport>,
    bytes: usize,
}

struct SizedReport {
    report: StoredReport,
    bytes: usize,
}

impl ReportBuffer {
    fn new(retention: Retention) -> Self {
        Self { retention, reports: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, report: StoredReport) {
        let source = report.source.as_ref().map_or(0, String::len);
        let texts = report.service.len() + report.status.len() + source;
        let bytes = size_of::<StoredReport>() + texts + json_len(&report.data);
        self.bytes += bytes;
        self.reports.push_back(SizedReport { report, bytes });
        while self.reports.len() > self.retention.reports || self.bytes > self.retention.bytes {
            let Some(oldest) = self.reports.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }

    /// The reports with an id below `end`, newest first.
    fn before(&self, end: u64) -> impl Iterator<Item = &StoredReport> {
        let count = self.reports.partition_point(|sized| sized.report.id < end);
        self.reports.range(..count).rev().map(|sized| &sized.report)
    }
}

const MINUTES: usize = 60;

/// Counts of the reports of the last 60 minutes. Reports that are no longer stored are counted, too.
struct HourlyCounts([MinuteCounts; MINUTES]);

#[derive(Clone, Copy, Default)]
struct MinuteCounts {
    /// The minute in which the reports arrived, counted from the start of health-check.
    minute: u64,
    by_level: [u64; Level::ALL.len()],
}

impl Default for HourlyCounts {
    fn default() -> Self {
        Self([MinuteCounts::default(); MINUTES])
    }
}

impl HourlyCounts {
    fn count_report(&mut self, level: Level, now: Instants) {
        let minute = minute_of(now);
        let counts = &mut self.0[usize::try_from(minute % MINUTES as u64).unwrap_or(0)];
        if counts.minute != minute {
            *counts = MinuteCounts { minute, ..MinuteCounts::default() };
        }
        counts.by_level[level as usize] += 1;
    }

    fn last_hour(&self, now: Instants) -> LevelCounts {
        let now = minute_of(now);
        let recent = self.0.iter().filter(|counts| counts.minute + MINUTES as u64 > now);
        let sum = |level: Level| recent.clone().map(|counts| counts.by_level[level as usize]).sum();
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
    now.monotonic.as_secs() / 60
}

#[cfg(test)]
mod tests;
