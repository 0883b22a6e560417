//! Health: what every service says of its parts, and how health-check shows that everything stands.

use std::{fmt, time::Duration};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::reports::LevelCounts;
use crate::time::Timestamp;

/// The data of an alive call: what one instance of a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Call")]
pub struct Heartbeat {
    /// Which of the instances of its service it is; the same in all its calls.
    pub instance: String,
    pub version: String,
    /// How long until it calls again.
    pub interval_secs: u64,
    pub uptime_secs: u64,
    /// Whether every part is there.
    pub ready: bool,
    pub parts: Vec<Component>,
}

/// One outside part that a service needs, such as its database.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Part")]
pub struct Component {
    pub name: String,
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// Whether the service does its work without it: one of several sources, say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub optional: bool,
    /// Since when it is as it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub since: Option<Timestamp>,
    /// When the newest of what it gave was true, where it gives what gets old: the price of a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub observed_at: Option<Timestamp>,
}

impl Component {
    /// What the name of a part begins with that is a price source.
    pub const SOURCE: &'static str = "source:";

    pub fn ready(name: impl Into<String>) -> Self {
        Self { name: name.into(), ready: true, detail: None, optional: false, since: None, observed_at: None }
    }

    pub fn missing(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { ready: false, detail: Some(detail.into()), ..Self::ready(name) }
    }

    /// The same part, of one that the service does its work without.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Whether a service can do its work, and what it lacks if not.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub parts: Vec<Component>,
}

impl From<Vec<Component>> for Readiness {
    fn from(parts: Vec<Component>) -> Self {
        Self { ready: parts.iter().all(|part| part.ready || part.optional), parts }
    }
}

/// How a service, or one instance of it, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ServiceState {
    /// It calls, and has all it needs.
    Alive,
    /// It calls, and a part that it needs or one of its instances is missing.
    Degraded,
    /// It stopped calling, for more than two of its own intervals.
    Missing,
    /// It said that it stops.
    Stopped,
    /// It never called since health-check started.
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

/// How the whole stands; ordered from best to worst.
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

/// One running process of a service.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct InstanceHealth {
    pub instance: String,
    pub state: ServiceState,
    pub last_seen: Timestamp,
    pub interval_secs: u64,
    /// How long it ran when it was last seen.
    pub uptime_secs: u64,
    pub version: String,
    pub parts: Vec<Component>,
}

/// One service with all its instances.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ServiceHealth {
    pub service: String,
    pub state: ServiceState,
    /// The latest call of any instance; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_seen: Option<Timestamp>,
    /// How often the instance of the latest call calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub interval_secs: Option<u64>,
    /// Of the instance of the latest call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub version: Option<String>,
    /// What it needs, over all instances that call: a part is ready where it is for each.
    pub parts: Vec<Component>,
    pub instances: Vec<InstanceHealth>,
}

/// Something that is no service of ours, such as the database, as the services that need it tell.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "InfrastructurePart")]
pub struct InfrastructureComponent {
    pub name: String,
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// The services that tell of it.
    pub told_by: Vec<String>,
}

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// When this was true.
    pub at: Timestamp,
    pub services: Vec<ServiceHealth>,
    pub infrastructure: Vec<InfrastructureComponent>,
    /// The reports of the last 60 minutes, alive calls among them.
    pub reports_last_hour: LevelCounts,
}

/// Two and a half intervals, after which an instance that does not call counts as missing.
pub fn missing_after(interval: Duration) -> Duration {
    interval.saturating_mul(5) / 2
}

#[cfg(test)]
mod tests;
