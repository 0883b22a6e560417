//! Health: the heartbeats of the services, and the health of the whole platform as health-check reports it.

use std::fmt;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{
    prices::PriceState,
    reports::{LevelCounts, MAX_REPORT_DATA, json_len},
};
use crate::{
    money::{Currency, Rate, Sats},
    time::Timestamp,
};

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
    /// The port on which the service listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub port: Option<u16>,
    /// Whether the heartbeat was sent early, only because a price, the limit, or why a component is not ready has changed. It is not
    /// kept as a report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub update: bool,
    /// The next heartbeat, also an early one, arrives within this time. Present if what the instance reports is confirmed more often
    /// than every `interval_secs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_within_secs: Option<u64>,
}

impl Heartbeat {
    /// Shortens texts and drops components until the heartbeat is within the limits of health-check. Components that are not
    /// ready are dropped last.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        // The limits are tried in this order. The last limit removes every detail.
        const DETAIL_LIMITS: [usize; 4] = [MAX_DETAIL, 256, 64, 0];
        truncate(&mut self.version, MAX_NAME);
        if self.parts.len() > MAX_COMPONENTS {
            self.parts.sort_by_key(|component| component.ready);
            self.parts.truncate(MAX_COMPONENTS);
        }
        for limit in DETAIL_LIMITS {
            for component in &mut self.parts {
                truncate(&mut component.name, MAX_NAME);
                component.detail = component.detail.take().filter(|_| limit > 0);
                component.detail.iter_mut().for_each(|detail| truncate(detail, limit));
            }
            if self.is_small() {
                return self;
            }
        }
        self.parts.sort_by_key(|component| component.ready);
        while !self.is_small() && self.parts.pop().is_some() {}
        self
    }

    fn is_small(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|data| json_len(&data) <= MAX_REPORT_DATA)
    }

    /// Returns the heartbeat without the details of its components, or without components if no component has a detail. Returns
    /// `None` if the heartbeat has no components.
    pub fn reduced(mut self) -> Option<Self> {
        let has_details = self.parts.iter().any(|component| component.detail.is_some());
        if has_details {
            self.parts.iter_mut().for_each(|component| component.detail = None);
            return Some(self);
        }
        (!std::mem::take(&mut self.parts).is_empty()).then_some(self)
    }
}

/// Cuts a text to `max` characters. The last character of a cut text is an ellipsis.
fn truncate(text: &mut String, max: usize) {
    if text.chars().count() > max {
        *text = text.chars().take(max.saturating_sub(1)).chain(['…']).collect();
    }
}

/// A dependency or a part of a service, such as its database or a price.
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
    /// When the newest data of the component, such as the price of a source, was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub observed_at: Option<Timestamp>,
    /// Words that mark the component wherever it is shown, such as `simulated` and `prolonged` of a price. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub marks: Vec<String>,
    /// The price that an order gets. Present for a component of create-order that is the price in one currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<OrderPriceStatus>,
    /// The limit over all orders. Present for the component `limit` of create-order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub limit: Option<OrderLimitStatus>,
}

/// The price that an order in one currency gets now.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPriceStatus {
    /// The price of one bitcoin.
    pub price: Rate,
    pub state: PriceState,
    /// Whether the price comes from simulated exchanges.
    pub simulated: bool,
    /// When the price was observed.
    pub as_of: Timestamp,
    /// From this time on the price is not used.
    pub expires_at: Timestamp,
}

/// The limit over all orders, and what remains of it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderLimitStatus {
    /// The maximum bitcoin amount of all orders and open quotes together.
    pub limit: Sats,
    /// The part that no order and no open quote uses.
    pub remaining: Sats,
    /// The part that open quotes reserve.
    pub reserved: Sats,
}

impl Component {
    /// The prefix of the name of a component that is a price source.
    pub const SOURCE: &'static str = "source:";
    /// The prefix of the name of a component that is the price of bitcoin in one currency.
    pub const PRICE: &'static str = "price:";
    /// The name of the component that is the limit over all orders.
    pub const LIMIT: &'static str = "limit";

    pub fn ready(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ready: true,
            detail: None,
            optional: false,
            since: None,
            observed_at: None,
            marks: Vec::new(),
            price: None,
            limit: None,
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

    /// Whether the service cannot work because of this component.
    pub fn is_fatal(&self) -> bool {
        !self.ready && !self.optional
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
        Self { ready: !parts.iter().any(Component::is_fatal), parts }
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
    /// Has sent no heartbeat for two and a half heartbeat intervals. The interval of create-order is the time within which it
    /// confirms the order intake.
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
    /// A service has stopped, was never seen, or works without something optional. `orders` states whether orders are accepted.
    Degraded,
    /// A service is missing, or orders are not accepted because something that they need is not ready, such as the database or a
    /// price that is young enough, or because create-order does not report, or was never seen.
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
    /// Whether every required component of at least one running instance is ready. A service that is degraded and ready works,
    /// but an optional component is not ready, or an instance is not. Absent if no instance is running.
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
    /// Whether every service that reports the component works without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub optional: bool,
    /// The services that reported the component.
    pub told_by: Vec<String>,
}

/// Whether orders can be placed, at which prices, and what remains of the limit. All of this is reported by create-order.
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
    /// The price that an order gets. Absent if there is no price.
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
    /// The reports of the last 60 minutes, including heartbeats.
    pub reports_last_hour: LevelCounts,
}

#[cfg(test)]
mod tests;
