//! Health: the heartbeats of the services, and the health of the whole platform as health-check reports it.

use std::fmt;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::reports::{LevelCounts, MAX_REPORT_DATA, json_len};
use crate::time::Timestamp;

/// Maximum number of characters of a name or a version in a heartbeat.
pub const MAX_NAME: usize = 64;
/// Maximum number of characters of the detail of a component.
pub const MAX_DETAIL: usize = 1024;
/// Maximum number of components of an instance.
pub const MAX_COMPONENTS: usize = 64;

/// The data of a heartbeat report of one instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Call")]
pub struct Heartbeat {
    /// The name of the instance. Unique within the service.
    pub instance: String,
    pub version: String,
    /// The time until the next heartbeat.
    pub interval_secs: u64,
    pub uptime_secs: u64,
    /// Whether every required component is ready.
    pub ready: bool,
    pub parts: Vec<Component>,
}

impl Heartbeat {
    /// Shortens texts and drops components until the heartbeat is within the limits of health-check. Components that are not
    /// ready are dropped last.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        // From the longest details to none.
        const DETAIL_LIMITS: [usize; 4] = [MAX_DETAIL, 256, 64, 0];
        truncate(&mut self.version, MAX_NAME);
        if self.parts.len() > MAX_COMPONENTS {
            self.parts.sort_by_key(|part| part.ready);
            self.parts.truncate(MAX_COMPONENTS);
        }
        for limit in DETAIL_LIMITS {
            for part in &mut self.parts {
                truncate(&mut part.name, MAX_NAME);
                part.detail = part.detail.take().filter(|_| limit > 0);
                part.detail.iter_mut().for_each(|detail| truncate(detail, limit));
            }
            if self.is_small() {
                return self;
            }
        }
        self.parts.sort_by_key(|part| part.ready);
        while !self.is_small() && self.parts.pop().is_some() {}
        self
    }

    fn is_small(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|data| json_len(&data) <= MAX_REPORT_DATA)
    }

    /// The same heartbeat without details, or without components if none has a detail. `None` if nothing can be left out.
    pub fn reduced(mut self) -> Option<Self> {
        let has_details = self.parts.iter().any(|part| part.detail.is_some());
        if has_details {
            self.parts.iter_mut().for_each(|part| part.detail = None);
            return Some(self);
        }
        (!std::mem::take(&mut self.parts).is_empty()).then_some(self)
    }
}

/// Cuts a text to `max` characters. The last one of a cut text is an ellipsis.
fn truncate(text: &mut String, max: usize) {
    if text.chars().count() > max {
        *text = text.chars().take(max.saturating_sub(1)).chain(['…']).collect();
    }
}

/// An external component that a service uses, such as its database.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Part")]
pub struct Component {
    pub name: String,
    pub ready: bool,
    /// Why the component is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// Whether the service works without the component, such as one of several price sources.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub optional: bool,
    /// When `ready` last changed, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub since: Option<Timestamp>,
    /// When the newest data of the component was observed, such as the price of a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub observed_at: Option<Timestamp>,
    /// Words that mark the component wherever it is shown, such as `simulated` and `prolonged` of a price. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub marks: Vec<String>,
}

impl Component {
    /// The prefix of the name of a component that is a price source.
    pub const SOURCE: &'static str = "source:";
    /// The prefix of the name of a component that is the price of bitcoin in one currency.
    pub const PRICE: &'static str = "price:";

    pub fn ready(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ready: true,
            detail: None,
            optional: false,
            since: None,
            observed_at: None,
            marks: Vec::new(),
        }
    }

    pub fn not_ready(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { ready: false, detail: Some(detail.into()), ..Self::ready(name) }
    }

    /// The name, and the detail if there is one.
    pub fn name_with_detail(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.name),
            None => self.name.clone(),
        }
    }

    /// Marks the component as optional.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Whether a service is ready, and the state of its components.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub parts: Vec<Component>,
}

impl From<Vec<Component>> for Readiness {
    fn from(parts: Vec<Component>) -> Self {
        Self { ready: parts.iter().all(|component| component.ready || component.optional), parts }
    }
}

/// The state of a service or of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ServiceState {
    /// Sends heartbeats, and all components are ready.
    Alive,
    /// Sends heartbeats, but a component is not ready or one of the instances is missing.
    Degraded,
    /// Has sent no heartbeat for two and a half of its intervals.
    Missing,
    /// Reported that it is stopping.
    Stopped,
    /// Has sent no heartbeat since health-check started.
    Unknown,
}

impl ServiceState {
    pub const ALL: [Self; 5] = [Self::Alive, Self::Degraded, Self::Missing, Self::Stopped, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        })
    }
}

/// The status of the platform, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Every service is alive.
    Ok,
    /// A service is degraded, stopped, or was never seen.
    Degraded,
    /// A service is missing.
    Failing,
}

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct InstanceHealth {
    pub instance: String,
    pub state: ServiceState,
    pub last_seen: Timestamp,
    pub interval_secs: u64,
    /// The uptime in the last heartbeat.
    pub uptime_secs: u64,
    pub version: String,
    pub parts: Vec<Component>,
}

/// A service and its instances.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ServiceHealth {
    pub service: String,
    pub state: ServiceState,
    /// The time of the latest heartbeat of any instance. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_seen: Option<Timestamp>,
    /// The heartbeat interval of the instance with the latest heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub interval_secs: Option<u64>,
    /// The version of the instance with the latest heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub version: Option<String>,
    /// The components of all live instances. A component is ready if it is ready for each of them.
    pub parts: Vec<Component>,
    pub instances: Vec<InstanceHealth>,
}

/// A component outside the platform, such as the database, as the services report it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "InfrastructurePart")]
pub struct InfrastructureComponent {
    pub name: String,
    pub ready: bool,
    /// Why the component is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// Words that mark the component wherever it is shown, such as `simulated` and `prolonged` of a price. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub marks: Vec<String>,
    /// The services that reported the component.
    pub told_by: Vec<String>,
}

/// The health of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// When the health was determined.
    pub at: Timestamp,
    pub services: Vec<ServiceHealth>,
    pub infrastructure: Vec<InfrastructureComponent>,
    /// The reports of the last 60 minutes, including heartbeats.
    pub reports_last_hour: LevelCounts,
}

#[cfg(test)]
mod tests;
