//! Wire types of the history of abnormal states, which health-check keeps.

use std::{fmt, str::FromStr};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::cursor::{CursorError, parse_cursor, parse_hex};
use crate::time::Timestamp;

/// The kind of the subject of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum HistoryKind {
    /// The whole platform. The states are the values of `status` of the health.
    Platform,
    /// A service.
    Service,
    /// An alert that fired. The state is its name.
    Alert,
}

impl HistoryKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Service => "service",
            Self::Alert => "alert",
        }
    }
}

/// A period in which the platform or a service was not healthy, or an alert fired.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct HistoryPeriod {
    /// Increases with every period, across restarts.
    pub id: u64,
    pub kind: HistoryKind,
    /// The name of the service, or the subject of the alert. `platform` for the platform.
    pub subject: String,
    /// The state, such as `missing`, `degraded` or `failing`, or the name of the alert.
    pub state: String,
    /// The reason, as known when the period began.
    pub why: String,
    pub from: Timestamp,
    /// Absent while the state lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub to: Option<Timestamp>,
}

/// A page of periods, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct HistoryPage {
    pub data: Vec<HistoryPeriod>,
    /// The cursor of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}

/// A position in the history: the id of the last period of a page. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryCursor(pub u64);

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{:x}", self.0)
    }
}

impl FromStr for HistoryCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse_cursor(text, 'h', |digits| parse_hex(digits).filter(|&id| id > 0).map(Self))
    }
}

crate::text_type!(HistoryCursor, "cursor", "An opaque cursor from a previous page.", "h1f", pattern: r"^h[0-9a-f]{1,16}$");
