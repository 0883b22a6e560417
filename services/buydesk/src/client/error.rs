//! The errors of client commands: what happened, and what the user can do about it. For people they are sentences, and with
//! `--json` a JSON document.

use std::{error::Error as _, fmt, io};

use common::{
    api::{Code, Problem},
    config::ConfigError,
    ids::IdempotencyKey,
};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, REQUEST_TIMEOUT};

/// Why a command failed.
#[derive(Debug)]
pub struct ClientError {
    /// What happened.
    message: String,
    /// What the user can do.
    next_step: Option<String>,
    /// The error for programs: the problem document of the service if it sent one.
    document: String,
}

impl ClientError {
    /// An error that the client itself found. `code` is for programs.
    pub fn new(code: &str, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        let (message, next_step) = (message.into(), next_step.into());
        let document = json!({ "code": code, "detail": &message, "next_step": &next_step }).to_string();
        Self { message, next_step: Some(next_step), document }
    }

    /// A problem that a service reported in this body.
    pub fn from_problem(problem: &Problem, body: &[u8]) -> Self {
        let document = String::from_utf8_lossy(body).trim_end().to_owned();
        let fields: Value = serde_json::from_slice(body).unwrap_or_default();
        let request_id = fields["request_id"].as_str();
        // Operators find the cause in the logs.
        let request_id = request_id.filter(|_| problem.code.status().is_server_error());
        let request_id = request_id.map(|id| format!(", request id {id}")).unwrap_or_default();
        let message = format!("{} ({}{request_id})", problem.detail, problem.code);
        let retry = || problem.retry_after.map(|wait| format!("Try again in {} s.", wait.as_secs().max(1)));
        let next_step = match problem.code {
            Code::Unauthorized | Code::Forbidden => {
                Some("Set OPERATOR_TOKEN to the token that `buydesk up` printed.".to_owned())
            }
            _ => retry(),
        };
        Self { message, next_step, document }
    }

    /// The service sent no response.
    pub fn no_response(endpoint: &Endpoint, error: &reqwest::Error) -> Self {
        let Endpoint { service, variable, .. } = endpoint;
        let message = format!("{service} does not respond at {}: {}.", endpoint.origin(), describe_failure(error));
        let next_step =
            format!("Is it running? `buydesk up --demo` starts all services. {variable} sets another address.");
        Self::new("no_response", message, next_step)
    }

    /// Something else than the service responded.
    pub fn not_the_service(endpoint: &Endpoint, answer: &str) -> Self {
        let Endpoint { service, variable, .. } = endpoint;
        let message = format!("{} is not {service} of Buydesk: it answered with {answer}.", endpoint.origin());
        Self::new("not_the_service", message, format!("Set {variable} to the address of {service}."))
    }

    /// It is not known whether an order was placed, because its request failed with this error.
    #[must_use]
    pub fn with_unknown_outcome(self, key: &IdempotencyKey) -> Self {
        let message = format!("{}\nThe order may have been placed.", self.message);
        let next_step = format!("To find out, run the command again with --key {key}. It places the order only once.");
        let document = json!({
            "code": Code::OutcomeUnknown.as_str(),
            "detail": &message,
            "next_step": &next_step,
            "idempotency_key": key,
        });
        Self { message, next_step: Some(next_step), document: document.to_string() }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.next_step.iter().try_for_each(|next_step| write!(f, "\n{next_step}"))
    }
}

impl std::error::Error for ClientError {}

/// The JSON document of any error of a command.
pub fn error_document(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.document.clone();
    }
    let code = if error.is::<ConfigError>() { "invalid_settings" } else { "command_failed" };
    json!({ "code": code, "detail": format!("{error:#}") }).to_string()
}

/// Why a request got no response, in words for users.
fn describe_failure(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it sent no response within {} s", REQUEST_TIMEOUT.as_secs());
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let io_error = causes.clone().find_map(|cause| cause.downcast_ref::<io::Error>());
    match io_error.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "the connection was refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => "the connection broke".to_owned(),
        _ if error.is_connect() && causes.clone().any(|cause| cause.to_string().starts_with("dns error")) => {
            "its host name is unknown".to_owned()
        }
        _ => causes.last().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// Prints a warning to standard error.
pub fn print_warning(code: &str, warning: &impl fmt::Display, json: bool) {
    if json {
        eprintln!("{}", json!({ "code": code, "detail": warning.to_string() }));
    } else {
        eprintln!("warning: {warning}");
    }
}
