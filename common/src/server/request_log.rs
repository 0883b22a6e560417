//! The request log: at most one line for each answered request.
//!
//! A line per request would cost a busy service more than the request itself. So the lines at level info are limited, for
//! successes and failures separately. A line states how many lines were omitted since the previous line. At log level debug,
//! every request has a line.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use poem::http::Method;
use poem_openapi::{OperationId, registry::MetaApi};

use super::common_paths::PROBE_PATHS;
use crate::{
    config::Live,
    ids::UserId,
    telemetry::{self, LineLimit},
};

/// Failures are rarer and more important than successes, so more lines are written for failures.
const FAILURE_FACTOR: u32 = 5;
/// Maximum length of a path that belongs to no operation, in bytes.
const MAX_PATH: usize = 200;

pub(super) struct RequestLog {
    operations: HashMap<&'static str, LoggedOperation>,
    successes: LineLimit,
    failures: LineLimit,
}

struct LoggedOperation {
    /// The path with the names of its parameters.
    path: String,
    lines: Lines,
}

/// Which answered requests of an operation have a line at level info.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    All,
    /// Only failed requests have a line. Calls between services, requests to simulated exchanges, and frequent reads of
    /// health and prices are routine.
    Failures,
    /// No request has a line. Probes and collectors of metrics send requests for the operation at regular intervals.
    None,
}

/// A request and how it was answered.
pub(super) struct AnsweredRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    /// `None` if the request belongs to no operation.
    pub(super) operation: Option<OperationId>,
    pub(super) client: IpAddr,
    /// The user of the API key in the request.
    pub(super) user: Option<UserId>,
    pub(super) status: u16,
    /// Whether the response carries [`ImitatedResponse`].
    pub(super) imitated: bool,
    pub(super) received_at: Instant,
    pub(super) elapsed: Duration,
}

/// Marks a response in which a service imitates another server, such as an exchange that fails. The status of such a response
/// is not an error of the service, so not even a 500 is logged as a warning.
#[derive(Debug, Clone, Copy)]
pub struct ImitatedResponse;

impl RequestLog {
    /// The log of a service with these APIs, limited by `REQUEST_LOG_PER_SECOND`. `for_users` contains the operations
    /// that users call.
    pub(super) fn new(apis: Vec<MetaApi>, for_users: &[MetaApi]) -> Self {
        Self::with_limit(apis, for_users, telemetry::request_lines_per_second())
    }

    fn with_limit(apis: Vec<MetaApi>, for_users: &[MetaApi], per_second: Live<u32>) -> Self {
        let for_users = for_users.iter().flat_map(|api| &api.paths).flat_map(|path| &path.operations);
        let for_users: HashSet<_> = for_users.filter_map(|operation| operation.operation_id).collect();
        let for_users = &for_users;
        let operations = apis.into_iter().flat_map(|api| api.paths).flat_map(|path| {
            let path_text = with_braces(&path.path);
            path.operations.into_iter().filter_map(move |operation| {
                let id = operation.operation_id?;
                let lines = match path_text.as_str() {
                    path if PROBE_PATHS.contains(&path) => Lines::None,
                    "/record" | "/api/v1/health" | "/api/v1/reports" => Lines::Failures,
                    _ if operation.security.is_empty() && for_users.contains(id) => Lines::All,
                    _ => Lines::Failures,
                };
                Some((id, LoggedOperation { path: path_text.clone(), lines }))
            })
        });
        Self {
            operations: operations.collect(),
            successes: LineLimit::new(per_second.clone()),
            failures: LineLimit::new(per_second).times(FAILURE_FACTOR),
        }
    }

    /// The documented path of an operation.
    pub(super) fn route(&self, operation: Option<OperationId>) -> Option<&str> {
        self.operations.get(operation?.0).map(|operation| operation.path.as_str())
    }

    /// Logs a request. The cause of a 503 is logged where it was detected, so only a 500 is a warning.
    pub(super) fn record(&self, request: &AnsweredRequest<'_>) {
        let &AnsweredRequest { method, path, operation, client, user, status, imitated, received_at, elapsed } =
            request;
        let user = user.map(tracing::field::display);
        let operation = operation.and_then(|id| self.operations.get(id.0));
        let (path, lines) = match operation {
            Some(operation) => (operation.path.as_str(), operation.lines),
            None => (&path[..path.floor_char_boundary(MAX_PATH)], Lines::All),
        };
        let micros = elapsed.as_micros();
        if status == 500 && !imitated {
            tracing::warn!(%method, path, status, micros, %client, user, "request failed");
            return;
        }
        let is_failure = status >= 400;
        let limit = match lines {
            Lines::All | Lines::Failures if is_failure => Some(&self.failures),
            Lines::All => Some(&self.successes),
            Lines::Failures | Lines::None => None,
        };
        match limit.and_then(|limit| limit.admit(received_at + elapsed)) {
            Some(0) => tracing::info!(%method, path, status, micros, %client, user, "request answered"),
            Some(left_out) => {
                tracing::info!(%method, path, status, micros, %client, user, left_out, "request answered");
            }
            None => tracing::debug!(%method, path, status, micros, %client, user, "request answered"),
        }
    }
}

/// The path as the documentation writes it: `/orders/{id}`.
fn with_braces(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.strip_prefix(':') {
        Some(parameter) => format!("{{{parameter}}}"),
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
