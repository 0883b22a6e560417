//! Wire types of alerts and of silences, which health-check serves.

use std::{fmt, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{level::Level, time::Timestamp};

/// Maximum duration of a silence: 30 days. A longer silence might be forgotten, and hide a fault.
pub const MAX_SILENCE: Duration = Duration::from_hours(30 * 24);
/// Maximum number of characters of the author and of the reason of a silence.
pub const MAX_SILENCE_TEXT: usize = 256;

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum AlertState {
    /// The fault exists, but has not lasted long enough for the alert to fire.
    Pending,
    /// The fault has lasted long enough for the alert to fire.
    Firing,
    /// The fault has ended.
    Resolved,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fault of the platform that needs the attention of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Alert {
    /// The name of the alert, such as `ServiceMissing`. Prometheus uses the same names for the same faults.
    pub name: String,
    /// The name of the service, instance, component, currency or machine that has the fault; `orders` or `limit` for a
    /// fault of the order intake.
    pub subject: String,
    /// The service that has or reports the fault. Absent if the fault does not belong to one service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub service: Option<String>,
    /// `critical` or `warning`.
    pub severity: Level,
    pub state: AlertState,
    /// The fault in one sentence.
    pub summary: String,
    /// The entry of the runbook, relative to the repository.
    pub runbook_url: String,
    /// When the fault was detected.
    pub since: Timestamp,
    /// When the alert fired. Absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub fired_at: Option<Timestamp>,
    /// When the alert was resolved. Absent unless the alert is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub resolved_at: Option<Timestamp>,
    /// The id of the silence that matches the alert. Absent if no silence matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub silence: Option<String>,
}

/// The firing alerts, then the pending alerts, then the alerts that were resolved in the last 15 minutes; in each state, the
/// most severe first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct AlertList {
    pub data: Vec<Alert>,
}

/// A request for a silence. It names an alert, a service, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct NewSilence {
    /// The name of the alert, such as `ServiceMissing`. If it is absent, all alerts match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub alert: Option<String>,
    /// The service or the subject of the alert, such as a component, a currency or a machine. If it is absent,
    /// the alerts of every service and subject match. A name that health-check does not know is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub service: Option<String>,
    /// How long the silence lasts: 1 second to 30 days.
    #[oai(validator(minimum(value = "1"), maximum(value = "2592000")))]
    pub for_secs: u64,
    /// The name of the person who requests the silence: 1 to 256 characters.
    pub created_by: String,
    /// The reason, such as a planned upgrade: 1 to 256 characters.
    pub reason: String,
}

/// A period in which no notification is sent when a matching alert fires.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Silence {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub alert: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub service: Option<String>,
    pub created_at: Timestamp,
    pub until: Timestamp,
    pub created_by: String,
    pub reason: String,
}

impl Silence {
    /// Whether the alert has the name and the service or subject of the silence.
    pub fn matches(&self, alert: &Alert) -> bool {
        let is_about = |name: &String| alert.subject == *name || alert.service.as_ref() == Some(name);
        self.alert.as_ref().is_none_or(|name| alert.name == *name) && self.service.as_ref().is_none_or(is_about)
    }
}

/// The silences that have not ended. The silence that ends first comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SilenceList {
    pub data: Vec<Silence>,
}
