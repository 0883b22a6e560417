//! Health: the heartbeats of the services, and the health of the whole platform as health-check reports it.

mod heartbeat;
mod measurement;
mod refusals;

use std::fmt;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

pub use self::{
    heartbeat::{Component, Heartbeat, MAX_COMPONENTS, MAX_DETAIL, OrderLimitStatus, OrderPriceStatus, Readiness},
    measurement::{MAX_NAME, Machine, Measurement, format_bytes},
    refusals::{SharedReason, describe_refusals, group_by_reason},
};
use super::{alerts::Alert, reports::LevelCounts};
use crate::{
    money::{Currency, Sats},
    time::Timestamp,
};

/// The state of a service or of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ServiceState {
    /// Sends heartbeats, and all components are ready.
    Alive,
    /// Sends heartbeats, but a component is not ready or one of the instances is missing.
    Degraded,
    /// Has sent no heartbeat for two and a half heartbeat intervals. For create-order, the time within which it
    /// confirms the order intake applies instead of the heartbeat interval.
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
    /// Every service that the platform needs is alive, and no other service is degraded or missing.
    Ok,
    /// A service is degraded, or a service that the platform needs has stopped or has sent no heartbeat yet, or a heartbeat of
    /// create-order is overdue. `orders` states whether orders are accepted.
    Degraded,
    /// A service is missing, or create-order cannot place orders: a component that orders need is not ready, such as the
    /// database or a current price, or create-order sends no heartbeats. If only the limit is reached, the status is
    /// `degraded`.
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
    /// Measurements of the process in the last heartbeat. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub measurements: Vec<Measurement>,
}

/// A service and its instances.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ServiceHealth {
    pub service: String,
    pub state: ServiceState,
    /// Whether every required component of at least one running instance is ready. If a degraded service is ready, it
    /// works, but an optional component or one of the instances is not ready. Absent if no instance is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub ready: Option<bool>,
    /// The port of the instance with the latest heartbeat. Its documentation page is at `/docs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub port: Option<u16>,
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
    /// The components of all running instances. A component is ready if it is ready in every instance that reports it.
    pub parts: Vec<Component>,
    pub instances: Vec<InstanceHealth>,
}

/// A component that is not a service of the platform, such as the database, as the services report it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
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
    /// Whether every service that reports the component works without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub optional: bool,
    /// The services that reported the component.
    pub told_by: Vec<String>,
    /// Measurements of the component, such as the size of the database. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub measurements: Vec<Measurement>,
}

/// A machine on which services run.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MachineHealth {
    /// The host name of the machine, or of one of its containers.
    pub name: String,
    /// The services that run on the machine.
    pub services: Vec<String>,
    /// When the machine was measured last.
    pub last_seen: Timestamp,
    pub measurements: Vec<Measurement>,
}

/// Whether orders can be placed, at which prices, and the remaining limit. create-order reports these values.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderIntake {
    /// Whether orders in at least one currency are accepted.
    pub accepted: bool,
    /// Why orders are not accepted, or why only some instances accept them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub reason: Option<String>,
    /// One element for each configured currency.
    pub prices: Vec<CurrencyIntake>,
    /// Absent if create-order does not know the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub limit: Option<OrderLimitStatus>,
    /// How fast orders and quotes used the limit. Absent in the first minute after health-check starts, and while the limit is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub limit_pace: Option<LimitPace>,
}

/// How fast orders and quotes used the limit in the last hour, or since health-check started.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LimitPace {
    /// The bitcoin by which orders and quotes increased the used part of the limit.
    pub used: Sats,
    /// The time over which `used` was measured.
    pub over_secs: u64,
    /// When the limit is reached at this pace. Absent if nothing was used, if the limit would be reached only after ten
    /// years, if `used` was measured over less than ten minutes, and while orders are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub full_at: Option<Timestamp>,
}

/// Whether orders in one currency can be placed, and at which price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CurrencyIntake {
    pub currency: Currency,
    pub accepted: bool,
    /// Why no order in this currency is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub reason: Option<String>,
    /// The price, also if it is too old for orders. Absent if there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<OrderPriceStatus>,
    /// The time since the price was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub age_secs: Option<u64>,
}

/// The health of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// When the health was determined.
    pub at: Timestamp,
    /// Whether orders are accepted, and at which prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub orders: Option<OrderIntake>,
    pub services: Vec<ServiceHealth>,
    pub infrastructure: Vec<InfrastructureComponent>,
    /// The machines on which services run. If health-check listens beyond loopback, only operators see the machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub machines: Vec<MachineHealth>,
    /// The firing alerts. If health-check listens beyond loopback, only operators see the alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub alerts: Vec<Alert>,
    /// The reports of the last 60 minutes, including heartbeats.
    pub reports_last_hour: LevelCounts,
}

#[cfg(test)]
mod tests;
