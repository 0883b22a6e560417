//! Wire types of alerts and of silences, which health-check serves.

use std::{fmt, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use crate::{level::Level, time::Timestamp};

/// The longest silence: 30 days. A longer one would hide a fault that everybody has forgotten.
pub const MAX_SILENCE: Duration = Duration::from_hours(30 * 24);
/// Maximum number of characters of the author and of the reason of a silence.
pub const MAX_SILENCE_TEXT: usize = 256;

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum AlertState {
    /// The fault exists, but not yet for the time after which the alert fires.
    Pending,
    /// The fault exists.
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

/// A fault of the platform that an operator must know.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Alert {
    /// The name of the alert, such as `ServiceMissing`. Prometheus uses the same names for the same faults.
    pub name: String,
    /// What has the fault, such as the name of a service, a component, a currency or a machine.
    pub subject: String,
    /// The service that has or reports the fault. Absent if it is no single service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub service: Option<String>,
    /// `critical`, `error` or `warning`.
    pub severity: Level,
    pub state: AlertState,
    /// The fault in one sentence.
    pub summary: String,
    /// The entry of the runbook, relative to the repository.
    pub runbook_url: String,
    /// When the fault was noticed.
    pub since: Timestamp,
    /// When the alert fired. Absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub fired_at: Option<Timestamp>,
    /// When the fault had ended. Absent unless the alert is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub resolved_at: Option<Timestamp>,
    /// The silence because of which nobody is notified. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub silence: Option<String>,
}

/// The alerts that are pending or firing, and those that were resolved a short time ago. The most severe come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct AlertList {
    pub data: Vec<Alert>,
}

/// A request for a silence. It names an alert, a service, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct NewSilence {
    /// The name of the alert, such as `ServiceMissing`. All alerts if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub alert: Option<String>,
    /// The service, or the component, currency or machine that the alert is about. All if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub service: Option<String>,
    /// How long the silence lasts: 1 second to 30 days.
    pub for_secs: u64,
    /// Who requests the silence.
    pub created_by: String,
    /// Why, such as the maintenance that is planned.
    pub reason: String,
}

/// Nobody is notified of matching alerts until the silence ends.
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
    /// Whether nobody is notified of this alert.
    pub fn matches(&self, alert: &Alert) -> bool {
        let is_about = |name: &String| alert.subject == *name || alert.service.as_ref() == Some(name);
        self.alert.as_ref().is_none_or(|name| alert.name == *name) && self.service.as_ref().is_none_or(is_about)
    }
}

/// The silences that have not ended, in the order in which they end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SilenceList {
    pub data: Vec<Silence>,
}
