//! The HTTP endpoints of health-check.

#![allow(clippy::unused_async, reason = "poem-openapi requires async handlers")]

use std::sync::Arc;

use common::{
    api::{
        Problem,
        alerts::{AlertList, NewSilence, Silence, SilenceList},
        health::Health,
        history::{HistoryCursor, HistoryKind, HistoryPage},
        reports::{MinLevel, Report, ReportCursor, ReportGroupList, ReportPage},
    },
    ids::{SilenceId, UserId},
    level::Level,
    server::{Json, Reporter, UncheckedBody},
    time::Timestamp,
};
use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::{Html, PlainText},
};

use crate::{
    clock::DualClock,
    error::Error,
    health_service::HealthService,
    history::HistoryFilter,
    operator::{self, OperatorAccess},
    report_store::ReportFilter,
    status_page,
    validation::invalid_fields,
};

const DEFAULT_LIMIT: u32 = 50;

/// Maximum number of periods of the history that the status page contains when it is loaded.
const SHOWN_HISTORY: usize = 20;

fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

pub(crate) struct Api {
    pub(crate) health_service: Arc<HealthService>,
    pub(crate) clock: DualClock,
    pub(crate) access: OperatorAccess,
}

#[derive(ApiResponse)]
enum ReportResponse {
    /// The report is accepted.
    #[oai(status = 202)]
    Accepted(PlainText<&'static str>),
}

#[derive(ApiResponse)]
enum AddSilenceResponse {
    /// The silence is added.
    #[oai(status = 201)]
    Added(Json<Silence>),
}

#[derive(ApiResponse)]
enum RemoveSilenceResponse {
    /// The silence is removed.
    #[oai(status = 204)]
    Removed,
}

#[derive(ApiResponse)]
enum StatusPageResponse {
    /// The status page as HTML.
    #[oai(status = 200)]
    Page(Html<String>, #[oai(header = "Content-Security-Policy")] String, #[oai(header = "Cache-Control")] String),
}

#[derive(ApiResponse)]
enum SignInResponse {
    /// The browser is signed in.
    #[oai(status = 303)]
    SignedIn(#[oai(header = "Location")] String),
    /// The token is missing or wrong.
    #[oai(status = 401, content_type = "application/problem+json")]
    PasswordNeeded(PlainText<String>, #[oai(header = "WWW-Authenticate")] String),
}

#[OpenApi]
impl Api {
    /// Receives one report of a service, and stores it.
    ///
    /// A report with the status `alive` or `stopping` is a heartbeat. Its data describes the instance: `instance`,
    /// `version`, `interval_secs`, `uptime_secs`, `ready`, `parts`, `port`, `update`, `next_within_secs`,
    /// `measurements` and `machine`. Omitted fields get default values, and fields beyond their limits are cut. A
    /// heartbeat in which `update` is true updates the state of the instance and is not stored. If a report is not a
    /// heartbeat and has more than 16384 bytes of data, it is refused with the status 413.
    #[oai(path = "/report", method = "post", operation_id = "report")]
    async fn report(&self, _caller: Reporter, report: UncheckedBody<Report>) -> Result<ReportResponse, Problem> {
        let report = report.or_problem(invalid_fields)?;
        self.health_service.receive_report(report, self.clock.now())?;
        Ok(ReportResponse::Accepted(PlainText("")))
    }

    /// Returns whether orders are accepted, at which prices, and the state of every service and of the infrastructure.
    ///
    /// The HTTP status is 200 even if services are missing. The body contains the states. If the service listens beyond
    /// loopback, only operators see the names of instances, the details of components, measurements, machines, alerts,
    /// and the reasons why orders are refused. A wrong token is refused.
    #[oai(path = "/api/v1/health", method = "get", operation_id = "health")]
    async fn health(&self, request: &Request) -> Result<Json<Health>, Problem> {
        Ok(Json(self.visible_health(self.access.allows(request)?)))
    }

    /// Lists the stored reports, newest first.
    ///
    /// The latest 10000 reports of level warning or worse and the latest 2000 other reports are kept in memory. Fewer reports
    /// are kept if the reports are large.
    ///
    /// If the service listens beyond loopback, only operators may read reports: send `OPERATOR_TOKEN` as bearer token, or as the
    /// password of HTTP basic authentication.
    #[oai(path = "/api/v1/reports", method = "get", operation_id = "reports")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn reports(
        &self,
        request: &Request,
        /// Reports of this level or worse.
        Query(level): Query<Option<MinLevel>>,
        /// Reports of this service. An unknown name is refused.
        #[oai(validator(max_length = 64))]
        Query(service): Query<Option<String>>,
        /// Reports received at this time or later.
        Query(from): Query<Option<Timestamp>>,
        /// Reports received before this time.
        Query(to): Query<Option<Timestamp>>,
        /// Reports whose status contains this text (case-insensitive), or whose `source` or `request_id` equals this text.
        #[oai(validator(max_length = 200))]
        Query(text): Query<Option<String>>,
        /// Reports of the request with this id.
        #[oai(validator(max_length = 200))]
        Query(request_id): Query<Option<String>>,
        /// Reports that requests of the user with this id caused.
        Query(user): Query<Option<UserId>>,
        /// Maximum number of reports on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<ReportCursor>>,
    ) -> Result<Json<ReportPage>, Problem> {
        self.check_operator(request)?;
        let (level, user) = (level.map(|MinLevel(level)| level), user.map(|user| user.to_string()));
        let filter = ReportFilter { level, service, from, to, text, request_id, user };
        Ok(Json(self.health_service.reports(&filter, cursor, limit as usize)?))
    }

    /// Lists groups of the stored reports. The group with the newest report comes first.
    ///
    /// The reports of a group have the same service, level and price source, and their messages differ only in numbers and ids. Each
    /// group contains the number of its reports, the times of the first and the last one, and the newest report.
    ///
    /// If the service listens beyond loopback, only operators may read reports.
    #[oai(path = "/api/v1/reports/groups", method = "get", operation_id = "report_groups")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn report_groups(
        &self,
        request: &Request,
        /// Reports of this level or worse.
        Query(level): Query<Option<MinLevel>>,
        /// Reports of this service. An unknown name is refused.
        #[oai(validator(max_length = 64))]
        Query(service): Query<Option<String>>,
        /// Reports received at this time or later.
        Query(from): Query<Option<Timestamp>>,
        /// Reports received before this time.
        Query(to): Query<Option<Timestamp>>,
        /// Reports whose status contains this text (case-insensitive), or whose `source` or `request_id` equals this text.
        #[oai(validator(max_length = 200))]
        Query(text): Query<Option<String>>,
        /// Maximum number of groups.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        Query(limit): Query<u32>,
    ) -> Result<Json<ReportGroupList>, Problem> {
        self.check_operator(request)?;
        let level = level.map(|MinLevel(level)| level);
        let filter = ReportFilter { level, service, from, to, text, ..ReportFilter::default() };
        Ok(Json(self.health_service.report_groups(&filter, limit as usize)?))
    }

    /// Lists the periods in which the platform or a service was not healthy or an alert fired, newest first.
    ///
    /// Each period states its reason. A period is kept for `HEALTH_KEEP_SECS` (30 days by default) after it ended.
    ///
    /// If the service listens beyond loopback, only operators may read the history.
    #[oai(path = "/api/v1/health/history", method = "get", operation_id = "health_history")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn health_history(
        &self,
        request: &Request,
        /// Periods of this kind.
        Query(kind): Query<Option<HistoryKind>>,
        /// Periods with this subject: a service, the subject of an alert, or `platform`. An unknown name is refused.
        #[oai(validator(max_length = 64))]
        Query(subject): Query<Option<String>>,
        /// Periods that had not ended before this time.
        Query(from): Query<Option<Timestamp>>,
        /// Periods that began before this time.
        Query(to): Query<Option<Timestamp>>,
        /// Maximum number of periods on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<HistoryCursor>>,
    ) -> Result<Json<HistoryPage>, Problem> {
        self.check_operator(request)?;
        let filter = HistoryFilter { kind, subject, from, to };
        Ok(Json(self.health_service.history(&filter, cursor, limit as usize, self.clock.now())?))
    }

    /// Lists the alerts that are pending or firing, and those that were resolved in the last 15 minutes.
    ///
    /// If the service listens beyond loopback, only operators may list alerts.
    #[oai(path = "/api/v1/alerts", method = "get", operation_id = "alerts")]
    async fn alerts(&self, request: &Request) -> Result<Json<AlertList>, Problem> {
        self.check_operator(request)?;
        Ok(Json(self.health_service.alerts()))
    }

    /// Lists the silences that have not ended.
    ///
    /// If the service listens beyond loopback, only operators may list silences.
    #[oai(path = "/api/v1/silences", method = "get", operation_id = "silences")]
    async fn silences(&self, request: &Request) -> Result<Json<SilenceList>, Problem> {
        self.check_operator(request)?;
        Ok(Json(self.health_service.silences(self.clock.now())))
    }

    /// Adds a silence. While it lasts, no notification is sent when a matching alert fires. The alerts are still shown.
    ///
    /// If the service listens beyond loopback, only operators may add silences.
    #[oai(path = "/api/v1/silences", method = "post", operation_id = "add_silence")]
    async fn add_silence(
        &self,
        request: &Request,
        new: UncheckedBody<NewSilence>,
    ) -> Result<AddSilenceResponse, Problem> {
        self.check_operator(request)?;
        let new = new.or_problem(|new| self.health_service.check_silence(new, self.clock.now()))?;
        let silence = self.health_service.add_silence(new, self.clock.now())?;
        Ok(AddSilenceResponse::Added(Json(silence)))
    }

    /// Removes a silence before it ends.
    ///
    /// For each firing alert whose notification this silence prevented, the notification is then sent, unless another
    /// silence matches.
    ///
    /// If the service listens beyond loopback, only operators may remove silences.
    #[oai(path = "/api/v1/silences/:id", method = "delete", operation_id = "remove_silence")]
    async fn remove_silence(
        &self,
        request: &Request,
        /// The id of the silence.
        Path(id): Path<SilenceId>,
    ) -> Result<RemoveSilenceResponse, Problem> {
        self.check_operator(request)?;
        self.health_service.remove_silence(&id.to_string())?;
        Ok(RemoveSilenceResponse::Removed)
    }

    /// Returns the status page, which shows the state of all services and updates itself.
    #[oai(path = "/", method = "get", operation_id = "status_page")]
    async fn status_page(&self, request: &Request) -> StatusPageResponse {
        let warnings = ReportFilter { level: Some(Level::Warning), ..ReportFilter::default() };
        let visible = self.access.allows_or_ignores(request);
        let reports =
            visible.then(|| self.health_service.report_groups(&warnings, DEFAULT_LIMIT as usize).ok()).flatten();
        let history = visible
            .then(|| self.health_service.history(&HistoryFilter::default(), None, SHOWN_HISTORY, self.clock.now()).ok())
            .flatten();
        let page = status_page::render(&self.visible_health(visible), reports.as_ref(), history.as_ref());
        StatusPageResponse::Page(Html(page.html), page.content_security_policy, "no-store".to_owned())
    }

    /// Redirects operators to the status page. Asks other callers for the token of operators as a password.
    #[oai(path = "/sign-in", method = "get", operation_id = "sign_in")]
    async fn sign_in(&self, request: &Request) -> SignInResponse {
        if self.access.allows(request).unwrap_or(false) {
            SignInResponse::SignedIn("./".to_owned())
        } else {
            let problem = Problem::from(Error::PasswordNeeded).to_json();
            SignInResponse::PasswordNeeded(PlainText(problem), "Basic realm=\"Buydesk\", charset=\"UTF-8\"".to_owned())
        }
    }
}

impl Api {
    fn check_operator(&self, request: &Request) -> Result<(), Error> {
        if self.access.allows(request)? { Ok(()) } else { Err(Error::OperatorsOnly) }
    }

    /// The health. Contains details only if `details` is true.
    fn visible_health(&self, details: bool) -> Health {
        let health = self.health_service.health(self.clock.now());
        if details { health } else { operator::without_details(health) }
    }
}
