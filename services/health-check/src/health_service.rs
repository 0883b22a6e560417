//! Where reports come in and questions are answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{
    api::{
        health::{Health, ServiceState},
        reports::{Report, ReportCursor, ReportPage},
    },
    level::Level,
    metrics::Metrics,
    service::Service,
};

use crate::{
    App,
    clock::Instants,
    error::Error,
    metrics::HealthMetrics,
    registry::{ServiceRegistry, StateChange},
    report_store::{ReportFilter, ReportStore},
    validation,
};

/// The services that are missed where they do not call.
const EXPECTED: [&str; 7] =
    ["create-order", "db-proxy", "fetch-orders", App::NAME, "price-cache-proxy", "price-updater", "rates"];

pub(crate) struct HealthService {
    state: Mutex<State>,
    metrics: HealthMetrics,
}

/// Under one lock, so that what is told of a service and what is stored of it agree. It is held for memory's sake only.
struct State {
    registry: ServiceRegistry,
    reports: ReportStore,
}

impl HealthService {
    pub(crate) fn new(metrics: &Metrics, now: Instants) -> Self {
        let mut registry = ServiceRegistry::new(App::NAME, &EXPECTED);
        // That it is alive itself is no news.
        registry.tick(now);
        let state = Mutex::new(State { registry, reports: ReportStore::new() });
        Self { state, metrics: HealthMetrics::register(metrics) }
    }

    /// Never poisoned in earnest: a report that was half added is one report less.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report; an alive call is one, and says how its instance stands.
    pub(crate) fn receive(&self, report: Report, now: Instants) -> Result<(), Error> {
        validation::check_report(&report)?;
        let call = if report.is_heartbeat() { Some(validation::parse_heartbeat(&report.data)?) } else { None };
        let mut state = self.state();
        if let Some(call) = call {
            state.registry.record_heartbeat(&report.service, call, report.status == Report::STOPPING, now)?;
        }
        self.metrics.count(report.level);
        state.reports.add(report, now);
        self.look(&mut state, now);
        Ok(())
    }

    /// Looks whether a service stands otherwise than before, and brings the measurements up to date.
    pub(crate) fn tick(&self, now: Instants) {
        let mut state = self.state();
        self.look(&mut state, now);
        let services = state.registry.services(now);
        drop(state);
        self.metrics.show(&services);
    }

    fn look(&self, state: &mut State, now: Instants) {
        let changes = state.registry.tick(now);
        for change in changes {
            tracing::info!(name = change.service, from = %change.from, to = %change.to, "a service changed its state");
            let report = report_of(change);
            self.metrics.count(report.level);
            state.reports.add(report, now);
        }
    }

    pub(crate) fn health(&self, now: Instants) -> Health {
        let mut state = self.state();
        self.look(&mut state, now);
        let State { registry, reports } = &*state;
        Health {
            status: registry.status(now),
            at: now.at,
            services: registry.services(now),
            infrastructure: registry.infrastructure(now),
            reports_last_hour: reports.last_hour(now),
        }
    }

    pub(crate) fn reports(&self, filter: &ReportFilter, cursor: Option<ReportCursor>, limit: usize) -> ReportPage {
        self.state().reports.page(filter, cursor, limit)
    }
}

/// What is stored of a change, under the name of the service that it is about.
fn report_of(change: StateChange) -> Report {
    let StateChange { service, from, to, missing } = change;
    let (level, status) = match (from, to) {
        (_, ServiceState::Missing) => (Level::Critical, "the service is missing: it has stopped calling"),
        (_, ServiceState::Degraded) => (Level::Warning, "the service lacks something that it needs, or an instance"),
        (ServiceState::Missing, ServiceState::Alive) => (Level::Info, "the service is back"),
        (ServiceState::Degraded, ServiceState::Alive) => (Level::Info, "the service has all it needs again"),
        (_, ServiceState::Alive) => (Level::Info, "the service has come up"),
        (_, ServiceState::Stopped) => (Level::Info, "the service has stopped, as it said"),
        (_, ServiceState::Unknown) => (Level::Info, "the service is not known any more"),
    };
    let data = serde_json::json!({ "told_by": App::NAME, "from": from, "to": to, "missing": missing });
    Report { level, service, status: status.to_owned(), data }
}

#[cfg(test)]
mod tests;
