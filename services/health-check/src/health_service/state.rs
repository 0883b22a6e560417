//! What health-check knows about the platform, and the checks of names and filters against it.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::{
        FieldError,
        alerts::{Alert, AlertState},
        filters::check_period,
        health::{Component, Health, HealthStatus, OrderIntake, ServiceHealth, ServiceState},
        history::{HistoryKind, HistoryPeriod},
    },
    startup::STARTUP_GRACE,
    time::Timestamp,
};

use crate::{
    alerts::{Alerts, rules},
    clock::Instants,
    error::Error,
    history::{AbnormalState, History},
    limit_pace::LimitUsage,
    registry::ServiceRegistry,
    report_store::{ReportFilter, ReportStore},
    validation::check_name,
};

/// The period of an alert that fired before a restart of health-check continues for this time after the restart, unless
/// the heartbeats show earlier that its fault has ended. Within this time, each alert whose fault still exists becomes
/// pending again.
const RESTART_GRACE: Duration = Duration::from_mins(3);

/// One lock protects all fields, so that the state of a service and the reports about the service are consistent. No
/// network I/O happens under the lock.
pub(super) struct State {
    pub(super) registry: ServiceRegistry,
    pub(super) reports: ReportStore,
    pub(super) limit_usage: LimitUsage,
    pub(super) alerts: Alerts,
    pub(super) history: History,
    /// When the changes of state were last recorded.
    pub(super) recorded_at: Instants,
}

impl State {
    /// The health at `now`. The alerts are those of the last call of
    /// [`detect_state_changes`](super::HealthService::detect_state_changes).
    pub(super) fn health(&self, now: Instants) -> Health {
        let Self { registry, reports, alerts, .. } = self;
        Health {
            status: registry.status(now),
            at: now.wall,
            orders: Some(self.order_intake(now)),
            services: registry.services(now),
            infrastructure: registry.infrastructure(now),
            machines: registry.machines(now),
            alerts: alerts.list().into_iter().filter(|alert| alert.state == AlertState::Firing).collect(),
            reports_last_hour: reports.last_hour(now),
        }
    }

    /// The order intake, with the pace at which the limit is used.
    fn order_intake(&self, now: Instants) -> OrderIntake {
        let intake = self.registry.order_intake(now);
        let mut limit_pace = intake.limit.as_ref().and_then(|limit| self.limit_usage.pace(limit, now));
        // While orders are refused, the limit is not used, so no time at which the limit is reached can be predicted.
        if let Some(pace) = limit_pace.as_mut().filter(|_| !intake.accepted) {
            pace.full_at = None;
        }
        OrderIntake { limit_pace, ..intake }
    }

    /// The subjects and services that an alert can have now. The field `service` of a silence must be one of these
    /// names.
    pub(super) fn alert_subjects(&self, now: Instants) -> BTreeSet<String> {
        let health = self.health(now);
        let alerts = self.alerts.list().into_iter().flat_map(|alert| [Some(alert.subject), alert.service]).flatten();
        rules::subjects(&health).chain(self.reports.services().map(str::to_owned)).chain(alerts).collect()
    }

    /// Returns an error unless `name` is a service in the registry or the service of a stored report.
    pub(super) fn unknown_service(&self, name: &str) -> Option<FieldError> {
        if self.registry.contains(name) {
            return None;
        }
        // A service can have sent a report before its first heartbeat.
        let names = self.registry.names().chain(self.reports.services()).map(str::to_owned).collect();
        check_name("service", name, &names)
    }

    /// Returns an error if the name is none of these: the subject of a stored period, a subject or service of an alert,
    /// a service, the platform.
    pub(super) fn unknown_subject(&self, name: &str, now: Instants) -> Option<FieldError> {
        if self.history.has_subject(name) {
            return None;
        }
        let mut names = self.alert_subjects(now);
        names.extend(self.registry.names().map(str::to_owned));
        names.insert(HistoryKind::Platform.as_str().to_owned());
        check_name("subject", name, &names)
    }

    /// Updates the history with the abnormal states of the platform and of the services in `health`, and with the
    /// firing alerts. The alerts in `health` are not used, because they were read before the alerts were updated.
    pub(super) fn update_history(&mut self, health: &Health, now: Instants) {
        let alerts = self.alerts.list();
        let started = now.monotonic >= STARTUP_GRACE;
        let ended_at = |period: &HistoryPeriod| match period.kind {
            // Shortly after the start of health-check, the services have not sent heartbeats yet.
            HistoryKind::Platform => started.then_some(now.wall),
            HistoryKind::Alert => alert_ended_at(period, &alerts, health, now),
            HistoryKind::Service => {
                let service = health.services.iter().find(|service| service.service == period.subject);
                service.is_none_or(|service| service.state != ServiceState::Unknown).then_some(now.wall)
            }
        };
        let firing = alerts.iter().filter(|alert| alert.state == AlertState::Firing).cloned();
        let mut states: Vec<_> = firing
            .map(|Alert { name: state, subject, summary: why, .. }| AbnormalState {
                kind: HistoryKind::Alert,
                subject,
                state,
                why,
            })
            .collect();
        states.extend(health.services.iter().filter_map(service_state));
        if started && health.status != HealthStatus::Ok {
            let orders = health.orders.as_ref().and_then(|orders| orders.reason.clone());
            let faulty = states.iter().filter(|state| state.kind == HistoryKind::Service);
            let faulty: Vec<_> = faulty.map(|state| format!("{}: {}", state.subject, state.state)).collect();
            let why = orders.into_iter().chain(faulty).collect::<Vec<_>>().join("; ");
            let (kind, subject) = (HistoryKind::Platform, HistoryKind::Platform.as_str().to_owned());
            states.push(AbnormalState { kind, subject, state: health.status.to_string(), why });
        }
        self.history.update(states, ended_at, now);
    }

    pub(super) fn check_filter(&self, filter: &ReportFilter) -> Result<(), Error> {
        let unknown = filter.service.as_deref().and_then(|name| self.unknown_service(name));
        let errors: Vec<_> = [unknown, check_period(filter.from, filter.to)].into_iter().flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }
}

/// When the alert of a period ended. `None` if it fires, or if its fault possibly still exists. `alerts` and `health` are
/// the present ones.
fn alert_ended_at(period: &HistoryPeriod, alerts: &[Alert], health: &Health, now: Instants) -> Option<Timestamp> {
    if let Some(alert) = alerts.iter().find(|alert| alert.name == period.state && alert.subject == period.subject) {
        // After a restart of health-check, the alert is pending again until its fault has lasted for the pending period.
        // Only a resolved alert has an end.
        return alert.resolved_at;
    }
    // The alert fired before a restart of health-check.
    let is_absent = now.monotonic >= RESTART_GRACE || rules::is_known(health, &period.state, &period.subject);
    is_absent.then_some(now.wall)
}

/// The state of a service that is degraded, missing or stopped. `None` if the service is alive or its state is unknown.
fn service_state(service: &ServiceHealth) -> Option<AbnormalState> {
    let ServiceHealth { service: name, state, ready, parts, .. } = service;
    if matches!(state, ServiceState::Alive | ServiceState::Unknown) {
        return None;
    }
    let missing: Vec<_> = parts.iter().filter(|part| !part.ready).map(Component::name_with_detail).collect();
    let state = if *ready == Some(false) { "not ready".to_owned() } else { state.to_string() };
    Some(AbnormalState { kind: HistoryKind::Service, subject: name.clone(), state, why: missing.join("; ") })
}
