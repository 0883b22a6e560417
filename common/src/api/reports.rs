//! Wire types of reports. Services send reports to health-check, and health-check returns them in pages.

use std::{fmt, str::FromStr};

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::{CursorError, parse_cursor, parse_hex};
use crate::{
    level::{Level, LevelError},
    time::Timestamp,
};

/// Maximum length of the status of a report in characters.
pub const MAX_STATUS: usize = 1024;
/// Maximum size of the data of a report as JSON, in bytes.
pub const MAX_REPORT_DATA: usize = 16 * 1024;
/// Maximum size as JSON, in bytes, of each value that [`Report::truncated`] keeps.
const MAX_KEPT_VALUE: usize = 256;
/// Maximum number of reports on a page.
pub const MAX_REPORT_PAGE: u32 = 200;

/// A level as a filter: selects this level and all more severe levels. Parsed like [`Level`].
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

crate::text_type!(MinLevel, "level", "One of critical, error, warning, info, debug, in upper or lower case.", "warning", errors: verbatim);

/// A report of a service.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct Report {
    pub level: Level,
    /// The name of the service, such as `create-order`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub service: String,
    /// What happened: `alive`, `stopping`, or the message of a log event.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub status: String,
    /// Further data.
    #[serde(default)]
    #[oai(default)]
    pub data: Value,
}

impl Report {
    /// The status of a heartbeat. Its data is a `Heartbeat`.
    pub const ALIVE: &'static str = "alive";
    /// The status of the last heartbeat of an instance that stops normally. Its data is a `Heartbeat`.
    pub const STOPPING: &'static str = "stopping";

    pub fn is_heartbeat(&self) -> bool {
        self.status == Self::ALIVE || self.status == Self::STOPPING
    }

    /// Truncates a status and replaces data that health-check would reject as too large.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        if let Some((end, _)) = self.status.char_indices().nth(MAX_STATUS) {
            self.status.truncate(end);
        }
        if json_len(&self.data) > MAX_REPORT_DATA {
            let short = |name: &str| self.data.get(name).filter(|value| json_len(value) <= MAX_KEPT_VALUE).cloned();
            let (at, request_id) = (short("at").unwrap_or_default(), short("request_id").unwrap_or_default());
            self.data = serde_json::json!({ "at": at, "request_id": request_id, "cut": "the data was too large" });
        }
        self
    }
}

/// The size of `data` as JSON, in bytes.
pub fn json_len(data: &Value) -> usize {
    serde_json::to_vec(data).map_or(usize::MAX, |json| json.len())
}

/// The number of reports of each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LevelCounts {
    pub critical: u64,
    pub error: u64,
    pub warning: u64,
    pub info: u64,
    pub debug: u64,
}

/// A report that health-check has stored.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct StoredReport {
    /// Increases with every report, across restarts.
    pub id: u64,
    /// When health-check received the report.
    pub received_at: Timestamp,
    pub level: Level,
    pub service: String,
    /// The price source that the report is about, such as `kraken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub source: Option<String>,
    pub status: String,
    pub data: Value,
}

/// Reports with the same service, level and price source whose messages differ only in numbers and ids.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct ReportGroup {
    /// How many reports of the group are stored.
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The newest report of the group.
    pub latest: StoredReport,
}

/// Groups of reports. The group with the newest report comes first.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
pub struct ReportGroupList {
    pub data: Vec<ReportGroup>,
}

/// A page of reports, newest first.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
pub struct ReportPage {
    pub data: Vec<StoredReport>,
    /// The cursor of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<ReportCursor>,
}

/// A position in the list of reports: the id of the last report of a page. Opaque to clients.
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

crate::text_type!(ReportCursor, "cursor", "An opaque cursor from a previous page.", "r1f", pattern: r"^r[0-9a-f]{1,16}$");

#[cfg(test)]
mod tests;
