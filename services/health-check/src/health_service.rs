//! The use cases of health-check: receive reports, detect changes of state, and show the health of all services.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        FieldError,
        alerts::{Alert, AlertList, AlertState, NewSilence, Silence, SilenceList},
        filters::check_period,
        health::{Component, Health, HealthStatus, OrderIntake, ServiceHealth, ServiceState},
        history::{HistoryCursor, HistoryKind, HistoryPage, HistoryPeriod},
        reports::{MAX_REPORT_DATA, Report, ReportCursor, ReportGroupList, ReportPage, json_len},
    },
    level::Level,
    metrics::Metrics,
    server::{CheckedValue, ParameterValue, ValueCheck},
    service::Service,
    spelling::must_be_one_of,
    startup::STARTUP_GRACE,
};

use crate::{
    App,
    alerts::{
        Alerts,
        rules::{self, Thresholds},
        silences::check_silence,
    },
    clock::Instants,
    error::Error,
    history::{AbnormalState, History, HistoryFilter},
    limit_pace::LimitUsage,
    metrics::HealthMetrics,
    registry::{ServiceRegistry, StateChange},
    report_store::{ReportFilter, ReportStore},
    validation,
};

/// The services that are listed even before their first heartbeat. Until then, their state is `unknown`, except that
/// the state of health-check itself is always `alive` or `degraded`.
const EXPECTED_SERVICES: [&str; 9] = [
    "create-order",
    "db-proxy",
    "fetch-orders",
    App::NAME,
    "price-cache-proxy",
    "price-updater",
    "rates",
    "users",
    "wallets",
];

/// The periods of alerts that fired before a restart of health-check continue for at least this time after the restart.
/// Within this time, each alert whose fault still exists becomes pending again.
const RESTART_GRACE: Duration = Duration::from_mins(3);

pub(crate) struct HealthService {
    state: Mutex<State>,
    metrics: HealthMetrics,
}

/// One lock protects all fields, so that the state of a service and the reports about the service are consistent. No network
/// I/O happens under the lock.
struct State {
    registry: ServiceRegistry,
    reports: ReportStore,
    limit_usage: LimitUsage,
    alerts: Alerts,
    history: History,
}

impl State {
    /// The health at `now`. The alerts are those of the last call of [`HealthService::detect_state_changes`].
    fn health(&self, now: Instants) -> Health {
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
        // While orders are refused, the limit is not used, so the time at which it is reached cannot be predicted.
        if let Some(pace) = limit_pace.as_mut().filter(|_| !intake.accepted) {
            pace.full_at = None;
        }
        OrderIntake { limit_pace, ..intake }
    }

    /// The subjects and services that an alert can have now. The field `service` of a silence must be one of these
    /// names.
    fn alert_subjects(&self, now: Instants) -> BTreeSet<String> {
        let health = self.health(now);
        let alerts = self.alerts.list().into_iter().flat_map(|alert| [Some(alert.subject), alert.service]).flatten();
        rules::subjects(&health).chain(self.reports.services().map(str::to_owned)).chain(alerts).collect()
    }

    /// Returns an error if the registry contains no service with this name, and no stored report is about such a
    /// service.
    fn unknown_service(&self, name: &str) -> Option<FieldError> {
        if self.registry.contains(name) {
            return None;
        }
        // A service may have sent a report, but no heartbeat yet.
        let names: BTreeSet<_> = self.registry.names().chain(self.reports.services()).collect();
        (!names.contains(name)).then(|| FieldError::new("service", must_be_one_of(name, names)))
    }

    /// Returns an error if the name is none of these: the subject of a stored period, a subject or service of an alert,
    /// a service, the platform.
    fn unknown_subject(&self, name: &str, now: Instants) -> Option<FieldError> {
        if self.history.has_subject(name) {
            return None;
        }
        let mut names = self.alert_subjects(now);
        names.extend(self.registry.names().map(str::to_owned));
        names.insert(HistoryKind::Platform.as_str().to_owned());
        (!names.contains(name)).then(|| FieldError::new("subject", must_be_one_of(name, &names)))
    }

    /// Updates the history with the abnormal states of the platform and of the services in `health`, and with the
    /// firing alerts. The alerts in `health` are not used, because they were read before the alerts were updated.
    fn update_history(&mut self, health: &Health, now: Instants) {
        let alerts = self.alerts.list();
        let started = now.monotonic >= STARTUP_GRACE;
        let is_known = |period: &HistoryPeriod| match period.kind {
            // Shortly after the start of health-check, the services have not sent heartbeats yet.
            HistoryKind::Platform => started,
            // After a restart, an alert that fired before is pending until its fault has lasted for its pending period.
            HistoryKind::Alert => {
                let is_pending = |alert: &Alert| {
                    alert.state == AlertState::Pending && alert.name == period.state && alert.subject == period.subject
                };
                now.monotonic >= RESTART_GRACE && !alerts.iter().any(is_pending)
            }
            HistoryKind::Service => health
                .services
                .iter()
                .find(|service| service.service == period.subject)
                .is_none_or(|service| service.state != ServiceState::Unknown),
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
        self.history.update(states, is_known, now);
    }

    fn check_filter(&self, filter: &ReportFilter) -> Result<(), Error> {
        let unknown = filter.service.as_deref().and_then(|name| self.unknown_service(name));
        let errors: Vec<_> = [unknown, check_period(filter.from, filter.to)].into_iter().flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }
}

impl ValueCheck for HealthService {
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a> {
        let unknown = (parameter.name == "service").then(|| self.state().unknown_service(parameter.value)).flatten();
        Box::pin(async { unknown })
    }
}

impl HealthService {
    pub(crate) fn new(metrics: &Metrics, alerts: Alerts, history: History, now: Instants) -> Self {
        let mut registry = ServiceRegistry::new(App::NAME, &EXPECTED_SERVICES);
        // This update changes the state of health-check itself to `alive`. The change is not reported.
        registry.update_states(now);
        let state = Mutex::new(State {
            registry,
            reports: ReportStore::new(),
            limit_usage: LimitUsage::default(),
            alerts,
            history,
        });
        Self { state, metrics: HealthMetrics::register(metrics) }
    }

    /// Applies changed settings: the thresholds of alerts, and how long the history keeps a period after its end.
    pub(crate) fn apply_settings(&self, thresholds: Thresholds, keep: Duration) {
        let mut state = self.state();
        state.alerts.set_thresholds(thresholds);
        state.history.set_keep(keep);
    }

    /// Locks the state. A poisoned lock is accepted: after a panic, at most one report is lost.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a report. A heartbeat also updates the state of its instance. A heartbeat in which `update` is true is
    /// not stored: it only updates the state. If a heartbeat is refused, the state of its instance may be outdated.
    /// Therefore the refusal is stored as a report under the name of the service, if this name is valid.
    pub(crate) fn receive_report(&self, report: Report, now: Instants) -> Result<(), Error> {
        let refused = report.is_heartbeat().then(|| report.service.clone());
        let result = self.store_report(report, now);
        if let (Err(error), Some(service)) = (&result, refused.filter(|service| validation::is_name(service))) {
            tracing::warn!(name = service, %error, "a heartbeat was refused");
            let status = "a heartbeat of the service was refused: its state may be outdated".to_owned();
            let data =
                serde_json::json!({ "told_by": App::NAME, "error": error.to_string(), "fields": error.fields() });
            self.add_report(&mut self.state(), Report { level: Level::Warning, service, status, data }, now);
        }
        result
    }

    fn store_report(&self, mut report: Report, now: Instants) -> Result<(), Error> {
        validation::check_report(&report)?;
        let heartbeat = if report.is_heartbeat() {
            Some(validation::parse_heartbeat(&report.data).map_err(Error::Invalid)?)
        } else {
            None
        };
        let mut state = self.state();
        if let Some(heartbeat) = heartbeat {
            if json_len(&report.data) > MAX_REPORT_DATA {
                report.data = serde_json::to_value(&heartbeat).unwrap_or_default();
            }
            let stopping = report.status == Report::STOPPING;
            let is_update = heartbeat.update;
            state.registry.record_heartbeat(&report.service, heartbeat, stopping, now)?;
            if is_update {
                self.record_state_changes(&mut state, now);
                return Ok(());
            }
        }
        self.add_report(&mut state, report, now);
        self.record_state_changes(&mut state, now);
        Ok(())
    }

    fn add_report(&self, state: &mut State, report: Report, now: Instants) {
        self.metrics.count_report(report.level);
        state.reports.add_report(report, now);
    }

    /// Detects changes of state, and updates the alerts, the history and the metrics. Called at regular intervals, because a service
    /// becomes missing without sending anything.
    pub(crate) fn detect_state_changes(&self, now: Instants) {
        let mut state = self.state();
        self.record_state_changes(&mut state, now);
        if let Some(limit) = state.registry.order_intake(now).limit {
            state.limit_usage.record(&limit, now);
        }
        let health = state.health(now);
        state.alerts.update(&health, now);
        let alerts = state.alerts.list();
        state.update_history(&health, now);
        drop(state);
        self.metrics.set_states(&health.services);
        self.metrics.set_components(&health.infrastructure);
        self.metrics.set_alerts(&alerts);
    }

    /// Logs each change of state and stores it as a report.
    fn record_state_changes(&self, state: &mut State, now: Instants) {
        for change in state.registry.update_states(now) {
            let from = previous_state(&change).map(tracing::field::display);
            let (name, to) = (change.service.clone(), change.to.state);
            let report = state_change_report(change);
            tracing::info!(name, from, %to, "{}", report.status);
            self.add_report(state, report, now);
        }
    }

    pub(crate) fn health(&self, now: Instants) -> Health {
        let mut state = self.state();
        self.record_state_changes(&mut state, now);
        state.health(now)
    }

    /// Returns a page of the history, or an error with every invalid field of the filter.
    pub(crate) fn history(
        &self,
        filter: &HistoryFilter,
        cursor: Option<HistoryCursor>,
        limit: usize,
        now: Instants,
    ) -> Result<HistoryPage, Error> {
        let state = self.state();
        let unknown = filter.subject.as_ref().and_then(|name| state.unknown_subject(name, now));
        let errors: Vec<_> = check_period(filter.from, filter.to).into_iter().chain(unknown).collect();
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        Ok(state.history.page(filter, cursor, limit))
    }

    pub(crate) fn alerts(&self) -> AlertList {
        AlertList { data: self.state().alerts.list() }
    }

    pub(crate) fn silences(&self, now: Instants) -> SilenceList {
        let mut state = self.state();
        state.alerts.silences.remove_ended(now.wall);
        SilenceList { data: state.alerts.silences.list().to_vec() }
    }

    /// Every invalid field of a request for a silence.
    pub(crate) fn check_silence(&self, new: &NewSilence, now: Instants) -> Vec<FieldError> {
        check_silence(new, &self.state().alert_subjects(now))
    }

    pub(crate) fn add_silence(&self, new: NewSilence, now: Instants) -> Result<Silence, Error> {
        let mut state = self.state();
        let subjects = state.alert_subjects(now);
        let silence = state.alerts.silences.add(new, &subjects, now.wall)?;
        state.history.record_silence(&silence);
        drop(state);
        let Silence { id, alert, service, until, created_by, reason, .. } = &silence;
        tracing::info!(id, alert, service, %until, created_by, reason, "a silence was added");
        Ok(silence)
    }

    pub(crate) fn remove_silence(&self, id: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.alerts.silences.remove(id)?;
        state.history.record_removed_silence(id);
        drop(state);
        tracing::info!(id, "a silence was removed");
        Ok(())
    }

    /// Returns a page of the reports that match, or an error with every invalid field of the filter.
    pub(crate) fn reports(
        &self,
        filter: &ReportFilter,
        cursor: Option<ReportCursor>,
        limit: usize,
    ) -> Result<ReportPage, Error> {
        let state = self.state();
        state.check_filter(filter)?;
        Ok(state.reports.page(filter, cursor, limit))
    }

    /// Returns groups of the reports that match, or an error with every invalid field of the filter.
    pub(crate) fn report_groups(&self, filter: &ReportFilter, limit: usize) -> Result<ReportGroupList, Error> {
        let state = self.state();
        state.check_filter(filter)?;
        Ok(ReportGroupList { data: state.reports.groups(filter, limit) })
    }
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

/// The state before the change. `None` if only `ready` or `starting` has changed, and not the state.
fn previous_state(change: &StateChange) -> Option<ServiceState> {
    let StateChange { from, to, .. } = change;
    (from.state != to.state).then_some(from.state)
}

/// The report of a change of state, stored under the name of the service whose state changed.
fn state_change_report(change: StateChange) -> Report {
    let StateChange { service, from, to, not_ready } = change;
    let names = |fatal: bool| {
        let names = not_ready.iter().filter(|component| component.is_fatal() == fatal);
        names.map(|component| component.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (level, status) = match (from.state, to.state) {
        (_, ServiceState::Missing) => (Level::Critical, "the service is missing: it sends no heartbeats".to_owned()),
        (_, ServiceState::Degraded) if to.starting => {
            (Level::Info, "the service is starting: not every component is ready yet".to_owned())
        }
        (_, ServiceState::Degraded) if !to.ready => {
            (Level::Error, format!("the service is not ready: it cannot work without {}", names(true)))
        }
        (_, ServiceState::Degraded) if not_ready.is_empty() => {
            (Level::Warning, "the service is degraded: an instance is missing".to_owned())
        }
        (_, ServiceState::Degraded) => {
            (Level::Warning, format!("the service is degraded: it works without {}", names(false)))
        }
        (ServiceState::Missing, ServiceState::Alive) => (Level::Info, "the service sends heartbeats again".to_owned()),
        (ServiceState::Degraded, ServiceState::Alive) if !from.starting => {
            (Level::Info, "the service has recovered: every component is ready".to_owned())
        }
        (_, ServiceState::Alive) => (Level::Info, "the service has started".to_owned()),
        (_, ServiceState::Stopped) => (Level::Info, "the service has stopped normally".to_owned()),
        (_, ServiceState::Unknown) => (Level::Info, "the service is no longer known".to_owned()),
    };
    let (from, to) = (from.state, to.state);
    let data = serde_json::json!({ "told_by": App::NAME, "from": from, "to": to, "missing": not_ready });
    Report { level, service, status, data }
}

#[cfg(test)]
mod tests;
