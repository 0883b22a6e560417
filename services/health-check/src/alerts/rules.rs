//! The rules that find faults in the health of the platform. They are pure functions of the health at one moment and
//! of the thresholds.
//!
//! Each rule has the name, severity and runbook entry of an alert in `deployment/prometheus/rules`. Except for
//! `DatabaseConnectionsUsedUp`, the rule and the alert are about the same fault.

use std::time::Duration;

use common::{
    api::{
        health::{Component, Health, InstanceHealth, Measurement, OrderIntake, ServiceHealth, ServiceState},
        prices::PriceState,
    },
    level::Level,
    service::Service,
};

use crate::{App, degradation::describe_degraded};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Pending period of a service that has stopped or has not sent a heartbeat yet. The service is possibly starting.
const STOPPED_PENDING_PERIOD: Duration = secs(180);
/// Pending period of a fault that makes requests fail, or will soon make them fail.
const BROKEN_PENDING_PERIOD: Duration = secs(10);
/// Pending period of a state that often ends without an action of an operator.
const TRANSIENT_PENDING_PERIOD: Duration = secs(30);
/// Pending period of a measured value, which can exceed its threshold for some seconds without a fault.
const MEASURED_PENDING_PERIOD: Duration = secs(60);
const LONG_PENDING_PERIOD: Duration = secs(120);
const DEGRADED_PENDING_PERIOD: Duration = secs(300);

/// An alert fires if the clocks of db-proxy and PostgreSQL differ by more. If they differ by more than 5 s, nothing is
/// written.
const MAX_CLOCK_OFFSET_MILLIS: i64 = 2_000;
const MAX_LAG_MILLIS: i64 = 10_000;
const MAX_WAITING_COMMANDS: i64 = 1_000;
/// In percent of the maximum.
const MAX_OPEN_FILES_PERCENT: i64 = 80;
const MAX_CONNECTIONS_PERCENT: i64 = 90;
const MIN_LIMIT_PERCENT: i64 = 10;

/// The thresholds that are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// An alert fires if less than this share of a disk is available, in percent. 0 turns the alert off.
    pub(crate) disk_percent: i64,
    /// The same for the memory of a machine.
    pub(crate) memory_percent: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { disk_percent: 10, memory_percent: 5 }
    }
}

/// Defines the rules with their severity and their file in `docs/runbooks`.
macro_rules! rules {
    ($($name:ident: $severity:ident, $file:literal;)*) => {
        /// A rule. Its name is the name of its alerts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Rule { $($name,)* }

        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            pub(crate) fn severity(self) -> Level {
                match self { $(Self::$name => Level::$severity,)* }
            }

            /// The name of the file in `docs/runbooks`, without its extension.
            fn runbook(self) -> &'static str {
                match self { $(Self::$name => $file,)* }
            }
        }
    };
}

rules! {
    ServiceMissing: Critical, "services";
    ServiceDegraded: Warning, "services";
    FileDescriptorsUsedUp: Warning, "services";
    OrdersRefused: Critical, "orders";
    CommitsFail: Critical, "orders";
    CommitsNotDurable: Critical, "orders";
    ClockWrong: Warning, "orders";
    QueueGrows: Warning, "orders";
    DatabaseConnectionsUsedUp: Warning, "orders";
    LimitNearlyReached: Warning, "orders";
    NoPriceInCurrency: Critical, "prices";
    PriceProlonged: Warning, "prices";
    PriceSourceSilent: Warning, "prices";
    RedisUnavailable: Critical, "infrastructure";
    NginxUnavailable: Critical, "infrastructure";
    ReplicationLags: Warning, "infrastructure";
    DiskNearlyFull: Warning, "infrastructure";
    MemoryNearlyUsedUp: Warning, "infrastructure";
}

impl Rule {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// The entry of the runbook, relative to the repository.
    pub(crate) fn runbook_url(self) -> String {
        format!("docs/runbooks/{}.md#{}", self.runbook(), self.name().to_lowercase())
    }
}

/// A fault that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) rule: Rule,
    pub(crate) subject: String,
    pub(crate) service: Option<String>,
    /// The fault in one sentence.
    pub(crate) summary: String,
    /// How long the fault must exist before its alert fires.
    pub(crate) pending_period: Duration,
}

impl Fault {
    fn new(rule: Rule, subject: &str, pending_period: Duration, summary: String) -> Self {
        Self { rule, subject: subject.to_owned(), service: None, summary, pending_period }
    }

    fn of_service(self, service: &str) -> Self {
        Self { service: Some(service.to_owned()), ..self }
    }
}

/// All faults of the platform.
pub(crate) fn find_faults(health: &Health, thresholds: Thresholds) -> Vec<Fault> {
    let mut faults: Vec<_> = health.services.iter().flat_map(|service| service_faults(service, thresholds)).collect();
    faults.extend(health.orders.iter().flat_map(order_faults));
    for machine in &health.machines {
        let faults_of_machine =
            machine.measurements.iter().filter_map(|measured| space_fault(measured, &machine.name, thresholds));
        faults.extend(faults_of_machine);
    }
    faults
}

/// Whether [`find_faults`] finds the fault of the alert `alert` if the fault exists. If not, an instance whose heartbeat has
/// not arrived since health-check started may have the fault.
pub(crate) fn is_known(health: &Health, alert: &str, subject: &str) -> bool {
    let orders = health.orders.as_ref();
    let intake = orders.and_then(|orders| {
        orders.prices.iter().find(|intake| subject.parse().is_ok_and(|code| intake.currency == code))
    });
    match Rule::of_name(alert) {
        // Before its first heartbeat, create-order counts as unable to place orders, and an expected service as missing.
        Some(Rule::OrdersRefused) => orders.is_some(),
        Some(Rule::ServiceMissing) => health.services.iter().any(|service| service.service == subject),
        Some(Rule::NoPriceInCurrency) => intake.is_some(),
        Some(Rule::PriceProlonged) => intake.is_some_and(|intake| intake.price.is_some()),
        Some(Rule::LimitNearlyReached) => orders.is_some_and(|orders| orders.limit.is_some()),
        _ => false,
    }
}

/// The components of db-proxy and price-cache-proxy whose state has a rule. A silence may name these components even
/// before a heartbeat reports them.
const COMPONENTS: [&str; 5] = ["cache", "clock", "database", "durability", "journal"];
/// The subjects of faults of the order intake.
const ORDERS: &str = "orders";
const LIMIT: &str = "limit";

/// The subjects that faults can have: the services with their instances and components, the machines, the currencies,
/// the order intake and the limit.
pub(crate) fn subjects(health: &Health) -> impl Iterator<Item = String> {
    let instances = health.services.iter().flat_map(|service| &service.instances);
    let components = instances.clone().flat_map(|instance| &instance.parts).map(|part| {
        let prefixes = [Component::SOURCE, Component::PRICE];
        let name = part.name.as_str();
        prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
    });
    let currencies = health.orders.iter().flat_map(|orders| &orders.prices).map(|intake| intake.currency.to_string());
    let names = health.services.iter().map(|service| service.service.as_str());
    let names = names.chain(instances.map(|instance| instance.instance.as_str())).chain(components);
    let names = names.chain(health.machines.iter().map(|machine| machine.name.as_str()));
    names.chain(COMPONENTS).chain([ORDERS, LIMIT]).map(str::to_owned).chain(currencies)
}

fn service_faults(service: &ServiceHealth, thresholds: Thresholds) -> Vec<Fault> {
    let name = service.service.as_str();
    let mut faults: Vec<_> = state_fault(service).map(|fault| fault.of_service(name)).into_iter().collect();
    let is_running =
        |instance: &&InstanceHealth| matches!(instance.state, ServiceState::Alive | ServiceState::Degraded);
    for instance in service.instances.iter().filter(is_running) {
        let of_process = instance.measurements.iter().filter_map(|measured| process_fault(measured, instance));
        let of_components = instance.parts.iter().filter_map(|part| component_fault(name, part));
        let of_measurements = instance.parts.iter().flat_map(|part| {
            part.measurements.iter().filter_map(|measured| measured_fault(measured, &part.name, thresholds))
        });
        faults.extend(of_process.chain(of_components).chain(of_measurements).map(|fault| fault.of_service(name)));
    }
    faults
}

fn state_fault(service: &ServiceHealth) -> Option<Fault> {
    let name = service.service.as_str();
    let missing =
        |pending_period, what: &str| Fault::new(Rule::ServiceMissing, name, pending_period, format!("{name} {what}."));
    match service.state {
        ServiceState::Missing => Some(missing(BROKEN_PENDING_PERIOD, "is missing: it sends no heartbeats")),
        ServiceState::Stopped => Some(missing(STOPPED_PENDING_PERIOD, "has stopped, and was not started again")),
        ServiceState::Unknown => Some(missing(STOPPED_PENDING_PERIOD, "has not been seen since health-check started")),
        ServiceState::Degraded => {
            let summary = format!("{name} is {}.", describe_degraded(service.ready != Some(false), &service.parts));
            Some(Fault::new(Rule::ServiceDegraded, name, DEGRADED_PENDING_PERIOD, summary))
        }
        ServiceState::Alive => None,
    }
}

/// The fault of a component that is not ready. `None` if the component is ready, or if no rule is about the component.
fn component_fault(service: &str, component: &Component) -> Option<Fault> {
    if component.ready {
        return None;
    }
    let name = component.name.as_str();
    let why = component.detail.as_deref().unwrap_or("it is not ready");
    let fault =
        |rule, pending_period, what: &str| Some(Fault::new(rule, name, pending_period, format!("{what}: {why}.")));
    match (service, name) {
        ("db-proxy", "database") => fault(Rule::CommitsFail, BROKEN_PENDING_PERIOD, "Orders cannot be stored"),
        ("db-proxy", "journal") => {
            fault(Rule::CommitsFail, BROKEN_PENDING_PERIOD, "Movements of wallets cannot be stored")
        }
        ("db-proxy", "durability") => fault(Rule::CommitsNotDurable, BROKEN_PENDING_PERIOD, "Orders are refused"),
        (_, "clock") => fault(Rule::ClockWrong, BROKEN_PENDING_PERIOD, "Nothing is written"),
        ("price-cache-proxy", "cache") => {
            fault(Rule::RedisUnavailable, BROKEN_PENDING_PERIOD, "No new prices can be written")
        }
        (App::NAME, _) if name.starts_with(Component::NGINX) => {
            let summary = format!("Customers cannot reach the services through {name}: {why}.");
            Some(Fault::new(Rule::NginxUnavailable, name, BROKEN_PENDING_PERIOD, summary))
        }
        _ => {
            let source = name.strip_prefix(Component::SOURCE)?;
            let summary = format!("The price source {source} does not vote: {why}.");
            Some(Fault::new(Rule::PriceSourceSilent, source, TRANSIENT_PENDING_PERIOD, summary))
        }
    }
}

/// The fault of a measurement of a component.
fn measured_fault(measured: &Measurement, component: &str, thresholds: Thresholds) -> Option<Fault> {
    let value = measured.value;
    let exceeds = |max: i64| value.checked_abs().is_none_or(|value| value > max);
    let fault = |rule, pending_period, summary| Some(Fault::new(rule, component, pending_period, summary));
    match measured.name.as_str() {
        Measurement::CLOCK_OFFSET if exceeds(MAX_CLOCK_OFFSET_MILLIS) => fault(
            Rule::ClockWrong,
            LONG_PENDING_PERIOD,
            format!("The clocks of db-proxy and of PostgreSQL differ by {value} ms."),
        ),
        Measurement::REPLICATION_LAG if exceeds(MAX_LAG_MILLIS) => fault(
            Rule::ReplicationLags,
            MEASURED_PENDING_PERIOD,
            format!("A standby of PostgreSQL lags {value} ms behind."),
        ),
        Measurement::WAITING_COMMANDS if exceeds(MAX_WAITING_COMMANDS) => {
            fault(Rule::QueueGrows, MEASURED_PENDING_PERIOD, format!("{value} commands wait for the writer."))
        }
        Measurement::CONNECTIONS_USED if exceeds_percent(measured, MAX_CONNECTIONS_PERCENT) => {
            let summary = format!("PostgreSQL accepts few further connections: {measured}.");
            fault(Rule::DatabaseConnectionsUsedUp, MEASURED_PENDING_PERIOD, summary)
        }
        _ => space_fault(measured, component, thresholds),
    }
}

fn process_fault(measured: &Measurement, instance: &InstanceHealth) -> Option<Fault> {
    let is_used_up = measured.name == Measurement::OPEN_FILES && exceeds_percent(measured, MAX_OPEN_FILES_PERCENT);
    is_used_up.then(|| {
        let summary = format!("{} can open few further files: {measured}.", instance.instance);
        Fault::new(Rule::FileDescriptorsUsedUp, &instance.instance, LONG_PENDING_PERIOD, summary)
    })
}

/// The fault that little disk space or memory is available. `subject` is the machine or the component.
fn space_fault(measured: &Measurement, subject: &str, thresholds: Thresholds) -> Option<Fault> {
    let (rule, what, min_percent, pending_period) = match measured.name.as_str() {
        Measurement::DISK_AVAILABLE => {
            (Rule::DiskNearlyFull, "disk space", thresholds.disk_percent, BROKEN_PENDING_PERIOD)
        }
        Measurement::MEMORY_AVAILABLE => {
            (Rule::MemoryNearlyUsedUp, "memory", thresholds.memory_percent, MEASURED_PENDING_PERIOD)
        }
        _ => return None,
    };
    let is_low = measured.percent().is_some_and(|percent| percent < min_percent);
    is_low
        .then(|| Fault::new(rule, subject, pending_period, format!("Little {what} is left at {subject}: {measured}.")))
}

fn exceeds_percent(measured: &Measurement, max: i64) -> bool {
    measured.percent().is_some_and(|percent| percent > max)
}

fn order_faults(orders: &OrderIntake) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !orders.accepted {
        let why = orders.reason.as_deref().unwrap_or("the reason is not known");
        faults.push(Fault::new(
            Rule::OrdersRefused,
            ORDERS,
            TRANSIENT_PENDING_PERIOD,
            format!("Orders are not accepted: {why}."),
        ));
    }
    for intake in &orders.prices {
        let currency = intake.currency.to_string();
        let fault = |rule, pending_period, summary| Fault::new(rule, &currency, pending_period, summary);
        if !intake.accepted {
            let why = intake.reason.as_deref().unwrap_or("there is no price");
            let summary = format!("Orders in {currency} are refused: {why}.");
            faults.push(fault(Rule::NoPriceInCurrency, TRANSIENT_PENDING_PERIOD, summary));
        }
        if intake.price.as_ref().is_some_and(|price| price.state == PriceState::Prolonged) {
            let why = "no newer price was agreed, or the newer price is withheld as implausible";
            let summary = if intake.accepted {
                format!("Orders in {currency} use the last good price: {why}.")
            } else {
                format!("The price in {currency} is the last good price: {why}.")
            };
            faults.push(fault(Rule::PriceProlonged, LONG_PENDING_PERIOD, summary));
        }
    }
    let nearly_reached = orders.limit.as_ref().filter(|limit| {
        let remaining = i128::from(limit.remaining.get()) * 100;
        remaining < i128::from(limit.limit.get()) * i128::from(MIN_LIMIT_PERCENT)
    });
    if let Some(limit) = nearly_reached {
        let summary = format!("{} of {} BTC remain for orders.", limit.remaining, limit.limit);
        faults.push(Fault::new(Rule::LimitNearlyReached, LIMIT, BROKEN_PENDING_PERIOD, summary));
    }
    faults
}

#[cfg(test)]
mod tests;
