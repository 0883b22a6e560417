//! The use cases of health-check: receive reports, detect changes of state, and show the health of all services.

mod state;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        FieldError,
        alerts::{AlertList, NewSilence, Silence, SilenceList},
        filters::check_period,
        health::{Health, ServiceState},
        history::{HistoryCursor, HistoryPage},
        reports::{MAX_REPORT_DATA, Report, ReportCursor, ReportGroupList, ReportPage, json_len},
    },
    level::Level,
    metrics::Metrics,
    server::{CheckedValue, ParameterValue, ValueCheck},
    service::Service,
};

use self::state::State;
use crate::{
    App,
    alerts::{Alerts, rules::Thresholds, silences::check_silence},
    clock::Instants,
    degradation::describe_degraded,
    error::Error,
    history::{History, HistoryFilter},
    limit_pace::LimitUsage,
    metrics::HealthMetrics,
    registry::{ServiceRegistry, StateChange},
    report_store::{ReportFilter, ReportStore},
    validation,
};

/// The services that are listed even before their first heartbeat. Until then, their state is `unknown`. The state of
/// health-check itself is always `alive` or `degraded`.
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

pub(crate) struct HealthService {
    state: Mutex<State>,
    metrics: HealthMetrics,
}

impl ValueCheck for HealthService {
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a> {
        let state = self.state();
        let unknown = match parameter.name {
            "service" => state.unknown_service(parameter.value),
            "subject" => state.unknown_subject(parameter.value, state.recorded_at),
            _ => None,
        };
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
            recorded_at: now,
        });
        Self { state, metrics: HealthMetrics::register(metrics) }
    }

    /// Applies changed settings: the thresholds of alerts, and how long the history keeps a period after its end.
    pub(crate) fn apply_settings(&self, thresholds: Thresholds, keep: Duration) {
        let mut state = self.state();
        state.alerts.set_thresholds(thresholds);
        state.history.set_keep(keep);
    }

    /// Locks the state. A poisoned lock is accepted, so that health-check continues to work after a panic.
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

    /// Detects changes of state, and updates the alerts, the history and the metrics. Called at regular intervals,
    /// because a missing service sends nothing.
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
        state.recorded_at = now;
        for change in state.registry.update_states(now) {
            let from = previous_state(&change).map(tracing::field::display);
            let (name, to) = (change.service.clone(), change.to.state);
            let report = state_change_report(change).truncated();
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

/// The state before the change. `None` if the change affects only `ready` or `starting`.
fn previous_state(change: &StateChange) -> Option<ServiceState> {
    let StateChange { from, to, .. } = change;
    (from.state != to.state).then_some(from.state)
}

/// The report of a change of state, stored under the name of the service whose state changed.
fn state_change_report(change: StateChange) -> Report {
    let StateChange { service, from, to, not_ready } = change;
    let (level, status) = match (from.state, to.state) {
        (_, ServiceState::Missing) => (Level::Critical, "the service is missing: it sends no heartbeats".to_owned()),
        (_, ServiceState::Degraded) if to.starting => {
            (Level::Info, "the service is starting: not every component is ready yet".to_owned())
        }
        (_, ServiceState::Degraded) => {
            let level = if to.ready { Level::Warning } else { Level::Error };
            (level, format!("the service is {}", describe_degraded(to.ready, &not_ready)))
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
