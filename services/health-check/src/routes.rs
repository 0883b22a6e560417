//! The endpoints.

#![allow(clippy::unused_async, reason = "the macro wants every handler to be one")]

use std::sync::Arc;

use common::{
    api::{
        Problem,
        health::Health,
        reports::{MinLevel, Report, ReportCursor, ReportPage},
    },
    level::Level,
    server::{InternalCaller, Json},
    time::Timestamp,
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Query,
    payload::{Html, PlainText},
};

use crate::{clock::Clock, health_service::HealthService, report_store::ReportFilter, status_page};

const DEFAULT_PAGE: u32 = 50;

fn default_page() -> u32 {
    DEFAULT_PAGE
}

pub(crate) struct Routes {
    service: Arc<HealthService>,
    clock: Clock,
}

#[derive(ApiResponse)]
enum ReportAnswer {
    /// The report is taken.
    #[oai(status = 202)]
    Accepted(PlainText<&'static str>),
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// The page.
    #[oai(status = 200)]
    Page(Html<String>, #[oai(header = "Content-Security-Policy")] String, #[oai(header = "Cache-Control")] String),
}

impl Routes {
    pub(crate) fn new(service: Arc<HealthService>, clock: Clock) -> Self {
        Self { service, clock }
    }
}

#[OpenApi]
impl Routes {
    /// Takes one report of a service.
    ///
    /// With the status `alive` or `stopping` it is a call, and its data says how the instance stands: `instance`, `version`,
    /// `interval_secs`, `uptime_secs`, `ready` and `parts`; what is left out is taken for granted. Data of more than 16384
    /// bytes is refused with a 413.
    #[oai(path = "/report", method = "post", operation_id = "report")]
    async fn report(&self, _caller: InternalCaller, report: Json<Report>) -> Result<ReportAnswer, Problem> {
        self.service.receive(report.0, self.clock.now())?;
        Ok(ReportAnswer::Accepted(PlainText("")))
    }

    /// How every service, and what they need, stands. Always a 200: the state is in the answer.
    #[oai(path = "/api/v1/health", method = "get", operation_id = "health")]
    async fn health(&self) -> Json<Health> {
        Json(self.service.health(self.clock.now()))
    }

    /// The reports that are kept, newest first.
    ///
    /// The latest 10000 warnings and worse are kept in memory, and the latest 2000 others; fewer where they are large.
    #[oai(path = "/api/v1/reports", method = "get", operation_id = "reports")]
    #[allow(clippy::too_many_arguments, reason = "one for each parameter of the query")]
    async fn reports(
        &self,
        /// This level and worse.
        level: Query<Option<MinLevel>>,
        /// Of this service alone.
        #[oai(validator(max_length = 64))]
        service: Query<Option<String>>,
        /// Received at this time or later.
        from: Query<Option<Timestamp>>,
        /// Received before this time.
        to: Query<Option<Timestamp>>,
        /// With this text in the status, in any case; or of the request with this id.
        #[oai(validator(max_length = 200))]
        text: Query<Option<String>>,
        /// Most reports of the page.
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<ReportCursor>>,
    ) -> Json<ReportPage> {
        let filter = ReportFilter {
            level: level.0.map(|level| level.0),
            service: service.0,
            from: from.0,
            to: to.0,
            text: text.0,
        };
        Json(self.service.reports(&filter, cursor.0, limit.0 as usize))
    }

    /// The state of everything, for people: a page that keeps itself up to date.
    #[oai(path = "/", method = "get", operation_id = "status_page")]
    async fn page(&self) -> PageAnswer {
        let news = ReportFilter { level: Some(Level::Warning), ..ReportFilter::default() };
        let reports = self.service.reports(&news, None, DEFAULT_PAGE as usize);
        let page = status_page::render(&self.service.health(self.clock.now()), &reports);
        PageAnswer::Page(Html(page.html), page.policy, "no-store".to_owned())
    }
}
