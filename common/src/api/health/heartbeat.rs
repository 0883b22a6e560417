//! The heartbeat of an instance, and the readiness of a service with its components.

use std::fmt;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        prices::PriceState,
        reports::{MAX_REPORT_DATA, json_len},
    },
    measurement::{MAX_NAME, Machine, Measurement, bound_measurements, truncate},
};
use crate::{
    money::{Rate, Sats},
    time::Timestamp,
};

/// Maximum number of characters of the detail of a component.
pub const MAX_DETAIL: usize = 1024;
/// Maximum number of components of an instance.
pub const MAX_COMPONENTS: usize = 64;

/// The data of a heartbeat report of one instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The name of the instance. Unique within the service.
    pub instance: String,
    pub version: String,
    /// The interval of the heartbeats, apart from those that are sent early.
    pub interval_secs: u64,
    pub uptime_secs: u64,
    /// Whether every required component is ready.
    pub ready: bool,
    pub parts: Vec<Component>,
    /// The port on which the service listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub port: Option<u16>,
    /// Whether the heartbeat was sent early although the readiness of no component has changed. A heartbeat with this flag is
    /// not stored as a report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(default)]
    pub update: bool,
    /// The next heartbeat, early or not, is sent within this time. Present if the instance confirms its state more often than
    /// every `interval_secs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_within_secs: Option<u64>,
    /// Measurements of the process, such as its memory. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub measurements: Vec<Measurement>,
    /// The machine on which the process runs, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub machine: Option<Machine>,
}

impl Heartbeat {
    /// Shortens texts, and drops measurements and components, until the heartbeat is within the limits of health-check. Components
    /// that are not ready are dropped last.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        // The limits are tried in this order. The last limit removes every detail.
        const DETAIL_LIMITS: [usize; 4] = [MAX_DETAIL, 256, 64, 0];
        truncate(&mut self.version, MAX_NAME);
        if self.parts.len() > MAX_COMPONENTS {
            self.parts.sort_by_key(|component| component.ready);
            self.parts.truncate(MAX_COMPONENTS);
        }
        bound_measurements(&mut self.measurements);
        if let Some(machine) = &mut self.machine {
            truncate(&mut machine.id, MAX_NAME);
            truncate(&mut machine.name, MAX_NAME);
            bound_measurements(&mut machine.measurements);
        }
        self.parts.iter_mut().for_each(|component| bound_measurements(&mut component.measurements));
        if !self.fits_into_report() && self.remove_measurements() && self.fits_into_report() {
            return self;
        }
        for limit in DETAIL_LIMITS {
            for component in &mut self.parts {
                truncate(&mut component.name, MAX_NAME);
                component.detail = component.detail.take().filter(|_| limit > 0);
                component.detail.iter_mut().for_each(|detail| truncate(detail, limit));
            }
            if self.fits_into_report() {
                return self;
            }
        }
        self.parts.sort_by_key(|component| component.ready);
        while !self.fits_into_report() && self.parts.pop().is_some() {}
        self
    }

    /// Removes all measurements and the machine. Returns whether there were any.
    fn remove_measurements(&mut self) -> bool {
        let of_components = self.parts.iter_mut().map(|component| std::mem::take(&mut component.measurements));
        let had_components = of_components.filter(|measurements| !measurements.is_empty()).count() > 0;
        let had_machine = self.machine.take().is_some();
        !std::mem::take(&mut self.measurements).is_empty() || had_machine || had_components
    }

    fn fits_into_report(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|data| json_len(&data) <= MAX_REPORT_DATA)
    }

    /// Removes the first part that is present: the measurements with the machine, the details of the components, or the
    /// components. Returns `None` if no such part is present.
    pub fn reduced(mut self) -> Option<Self> {
        if self.remove_measurements() {
            return Some(self);
        }
        let has_details = self.parts.iter().any(|component| component.detail.is_some());
        if has_details {
            self.parts.iter_mut().for_each(|component| component.detail = None);
            return Some(self);
        }
        (!std::mem::take(&mut self.parts).is_empty()).then_some(self)
    }
}

/// A dependency or a part of a service, such as its database or a price.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
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
    /// The price of orders, also if it is too old for them. Present for a component of create-order that is the price in one
    /// currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub price: Option<OrderPriceStatus>,
    /// The limit over all orders. Present for the component `limit` of create-order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub limit: Option<OrderLimitStatus>,
    /// Measurements of the component, such as the size of the database. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    pub measurements: Vec<Measurement>,
}

/// The price of orders in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderPriceStatus {
    /// The price of one bitcoin.
    pub price: Rate,
    pub state: PriceState,
    /// Whether the price comes from simulated exchanges.
    pub simulated: bool,
    /// When the price was observed.
    pub as_of: Timestamp,
    /// When the price expires. While a price is prolonged, this time becomes later with each publication.
    pub expires_at: Timestamp,
    /// Until when orders use a prolonged price if no newer price is published. Absent for other prices, and if the price is too old
    /// for orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub usable_until: Option<Timestamp>,
    /// Until when a prolonged price is shown if no newer price is published. It can be later than the end of its use for orders.
    /// Absent for other prices. A create-order of an earlier release omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub prolongable_until: Option<Timestamp>,
}

/// The limit over all orders, and its remaining part.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderLimitStatus {
    /// The maximum bitcoin amount of all orders and open quotes together.
    pub limit: Sats,
    /// The part that no order and no open quote uses.
    pub remaining: Sats,
    /// The part that open quotes reserve.
    pub reserved: Sats,
    /// The sum of all orders and open quotes. More than the limit if the limit was lowered below it. A create-order of an
    /// earlier release omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub used: Option<Sats>,
}

impl OrderLimitStatus {
    /// The sum of all orders and open quotes. If it is not known, the used part of the limit.
    pub fn used(&self) -> Sats {
        self.used.unwrap_or_else(|| self.limit.saturating_sub(self.remaining))
    }

    /// The sum of all orders and open quotes, if it is more than the limit.
    pub fn used_above_limit(&self) -> Option<Sats> {
        self.used.filter(|used| *used > self.limit)
    }
}

impl Component {
    /// The name of the component that is not ready in an instance that is stopping. Such an instance still serves
    /// requests.
    pub const SHUTDOWN: &'static str = "shutdown";

    /// The prefix of the name of a component that is a price source.
    pub const SOURCE: &'static str = "source:";
    /// The beginning of the detail of a price of price-updater that is prolonged.
    pub const PRICE_PROLONGED: &'static str = "the last price is prolonged: ";
    /// The name of the component of price-updater that is ready if any exchange or index works.
    pub const SOURCES: &'static str = "sources";
    /// The name of the component of create-order that is ready if orders in at least one currency have a price.
    pub const ORDER_PRICE: &'static str = "price";
    /// The prefix of the name of a component that is the price of bitcoin in one currency.
    pub const PRICE: &'static str = "price:";
    /// The name of the component that is the limit over all orders.
    pub const LIMIT: &'static str = "limit";
    /// The name of the component of health-check that is nginx. With several addresses, a number follows: `nginx-1`.
    pub const NGINX: &'static str = "nginx";

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
            measurements: Vec::new(),
        }
    }

    /// A component that is not ready. A full stop at the end of `detail` is removed, because details become parts of
    /// sentences.
    pub fn not_ready(name: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.trim_end_matches('.').len());
        Self { ready: false, detail: Some(detail), ..Self::ready(name) }
    }

    /// A component that is ready if its check succeeded. If the check failed, the error is the detail.
    pub fn of_check<T>(name: impl Into<String>, result: Result<T, impl fmt::Display>) -> Self {
        match result {
            Ok(_) => Self::ready(name),
            Err(error) => Self::not_ready(name, error.to_string()),
        }
    }

    /// The name, and the detail if there is one.
    pub fn name_with_detail(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether the service cannot work because this component is not ready.
    pub fn is_fatal(&self) -> bool {
        !self.ready && !self.optional
    }

    /// The names and details of the required components that are not ready.
    pub fn fatal_reasons(components: &[Self]) -> Vec<String> {
        components.iter().filter(|component| component.is_fatal()).map(Self::name_with_detail).collect()
    }

    #[must_use]
    pub fn with_measurements(mut self, measurements: impl IntoIterator<Item = Measurement>) -> Self {
        self.measurements.extend(measurements);
        self
    }

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

impl Readiness {
    /// A service sends this header when it requests the readiness of another service. If the token of the request is
    /// refused, the component `token` in the response is not ready. Without this header, the token possibly belongs to
    /// a person. Such a token affects the readiness only if it contains the name of a service.
    pub const SERVICE_CALL_HEADER: &'static str = "x-service-call";

    pub fn is_stopping(&self) -> bool {
        self.parts.iter().any(|component| component.name == Component::SHUTDOWN)
    }
}

impl From<Vec<Component>> for Readiness {
    fn from(parts: Vec<Component>) -> Self {
        Self { ready: !parts.iter().any(Component::is_fatal), parts }
    }
}
