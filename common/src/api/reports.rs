//! Reports: what every service tells health-check, and how health-check gives them out again.

use std::{fmt, str::FromStr};

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::{CursorError, parse_cursor, parse_hex};
use crate::{
    level::{Level, LevelError},
    time::Timestamp,
};

/// Most characters the status of a report may have.
pub const MAX_STATUS: usize = 1024;
/// Most bytes the data of a report may have, as JSON.
pub const MAX_REPORT_DATA: usize = 16 * 1024;
/// Most reports a page of them may hold.
pub const MAX_REPORT_PAGE: u32 = 200;

/// A level as a filter: itself and what is worse. Read as [`Level`] is, so that whoever gets it wrong is told what is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinLevel(pub Level);

impl fmt::Display for MinLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MinLevel {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        text.parse().map(Self)
    }
}

crate::text_type!(MinLevel, "level", "One of critical, error, warning, info, debug; any case.", "warning");

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct Report {
    pub level: Level,
    /// The name of the service, such as `create-order`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub service: String,
    /// What happened, in a word or a sentence: `alive`, `started`, `stopping`, or the message of a log line.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub status: String,
    /// Whatever belongs to it, by name.
    #[serde(default)]
    pub data: Value,
}

impl Report {
    /// The status of an alive call; its data is a `Heartbeat`.
    pub const ALIVE: &'static str = "alive";
    /// The status of the last call of an instance that goes down in good order; its data is a `Heartbeat`.
    pub const STOPPING: &'static str = "stopping";

    /// Whether it is a call by which an instance says that it is there or goes away, and no news of its own.
    pub fn is_heartbeat(&self) -> bool {
        self.status == Self::ALIVE || self.status == Self::STOPPING
    }

    /// Cuts what health-check would refuse for its size, so that the rest gets there.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        if let Some((end, _)) = self.status.char_indices().nth(MAX_STATUS) {
            self.status.truncate(end);
        }
        if json_len(&self.data) > MAX_REPORT_DATA {
            let when = self.data.get("at").cloned().unwrap_or_default();
            let request = self.data.get("request_id").cloned().unwrap_or_default();
            self.data = serde_json::json!({ "at": when, "request_id": request, "cut": "the data was too large" });
        }
        self
    }
}

/// The bytes that `data` takes as JSON.
pub fn json_len(data: &Value) -> usize {
    serde_json::to_vec(data).map_or(usize::MAX, |json| json.len())
}

/// How many reports came in, by level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LevelCounts {
    pub critical: u64,
    pub error: u64,
    pub warning: u64,
    pub info: u64,
    pub debug: u64,
}

/// A report as health-check keeps it.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct StoredReport {
    /// Grows with every report, over restarts too.
    pub id: u64,
    /// When health-check received it.
    pub received_at: Timestamp,
    pub level: Level,
    pub service: String,
    pub status: String,
    pub data: Value,
}

/// A page of reports, newest first.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
pub struct ReportPage {
    pub data: Vec<StoredReport>,
    /// Where the next page starts; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<ReportCursor>,
}

/// A place in the walk through the reports: the id of the last one that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportCursor(pub u64);

impl fmt::Display for ReportCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{:x}", self.0)
    }
}

impl FromStr for ReportCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'r', |digits| parse_hex(digits).filter(|&id| id > 0).map(Self))
    }
}

crate::text_type!(ReportCursor, "cursor", "A place in a walk; take it as it is.", "r1f");

#[cfg(test)]
mod tests;
