//! The errors of client commands. An error states what happened and what the user can do. It is printed as sentences, or with
//! `--json` as a JSON document.

mod field_options;

use std::{fmt, time::Duration};

use common::{
    api::{Code, Problem, REFERENCE_PATH, RetryAdvice, Subcode},
    clients::describe_transport_failure,
    config::ConfigError,
    error_chain::format_chain,
    ids::IdempotencyKey,
};
use serde_json::{Map, Value, json};

pub use self::field_options::FieldOption;
use self::field_options::name_option;
use super::endpoint::{Endpoint, REQUEST_TIMEOUT};
use crate::program;

/// The member of the JSON document that states what the user can do.
const NEXT_STEP: &str = "next_step";
/// The member of the JSON document that states what happened.
const DETAIL: &str = "detail";
/// The member of the JSON document that contains the idempotency key of the change.
const IDEMPOTENCY_KEY: &str = "idempotency_key";
/// The member of the JSON document that contains the last lines of the log of a server.
const SERVER_LOG: &str = "server_log";
/// The code of an invalid command line.
pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
/// The code of an error without a response.
const NO_RESPONSE: &str = "no_response";
/// The member of the JSON document that contains the seconds of the header `Retry-After`, at least 1.
const RETRY_AFTER: &str = "retry_after_secs";

/// The next step if settings are invalid. The detail states what is allowed.
const SETTINGS_STEP: &str =
    "Correct these settings in the environment or in the file .env; .env.example describes them.";

/// The effect of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The service refused the request, or another server responded. A refused change is not sent again. Errors without
    /// a request have this value too.
    Refused,
    /// The request had no effect. If it had an idempotency key, the service did not look up the key, so an earlier
    /// request may have made the change.
    None,
    /// The request was not sent, because there was no connection.
    NotSent,
    /// The request may have taken effect.
    Unknown,
}

/// The error of a command that failed.
#[derive(Debug)]
pub struct ClientError {
    /// What happened.
    message: String,
    /// What the user can do.
    next_step: Option<String>,
    /// A sentence that denies the effect of the request. It is shown after the message.
    denial: Option<String>,
    /// The JSON document of the error: the problem document of the service, if there is one, with further members.
    document: Map<String, Value>,
    effect: Effect,
}

/// A change that may have been made although its request failed.
#[derive(Debug, Clone)]
pub struct UnknownChange {
    /// A sentence about the change that may have been made.
    pub possible_effect: &'static str,
    /// How the user finds out whether the change was made.
    pub next_step: String,
}

impl ClientError {
    /// An error that the client itself found. The JSON document contains `code`.
    pub fn new(code: &str, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        let (message, next_step) = (message.into(), next_step.into());
        let members = [("code", code), (DETAIL, message.as_str()), (NEXT_STEP, next_step.as_str())];
        let document = members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self { message, next_step: Some(next_step), denial: None, document, effect: Effect::Refused }
    }

    /// The error of a problem that a service sent. `body` is its problem document.
    pub fn from_problem(problem: &Problem, body: &[u8]) -> Self {
        let mut document: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        // Operators find the cause of a server error in the logs, by the request id.
        let is_server_error = problem.code.status().is_server_error();
        let request_id = if is_server_error { request_note(&document) } else { String::new() };
        let wait = problem.retry_after.map(|wait| wait.as_secs().max(1));
        let next_step = wait.map(retry_hint);
        let detail = if wait.is_some() { without_retry_sentence(&problem.detail) } else { problem.detail.to_string() };
        let message = format!("{detail} ({}{request_id})", problem.code);
        if let Some(member) = document.get_mut(DETAIL) {
            *member = detail.into();
        }
        document.extend(next_step.clone().map(|next_step| (NEXT_STEP.to_owned(), next_step.into())));
        document.extend(wait.map(|seconds| (RETRY_AFTER.to_owned(), seconds.into())));
        Self { message, next_step, denial: None, document, effect: Effect::Refused }
    }

    #[must_use]
    pub fn with_effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// The code of the error. `None` for a code that only this program has, such as `no_response`.
    pub fn code(&self) -> Option<Code> {
        self.document.get("code").and_then(Value::as_str).and_then(Code::from_text)
    }

    pub fn subcode(&self) -> Option<Subcode> {
        self.document.get("subcode").and_then(Value::as_str).and_then(Subcode::from_text)
    }

    /// Adds a next step, unless the error already has one.
    #[must_use]
    pub fn or_next_step(self, next_step: Option<impl Into<String>>) -> Self {
        match next_step {
            Some(next_step) if self.next_step.is_none() => self.replacing_next_step(next_step),
            _ => self,
        }
    }

    #[must_use]
    pub fn replacing_next_step(mut self, next_step: impl Into<String>) -> Self {
        let next_step = next_step.into();
        self.document.insert(NEXT_STEP.to_owned(), next_step.clone().into());
        self.next_step = Some(next_step);
        self
    }

    /// Adds a sentence to the next step.
    #[must_use]
    pub fn adding_next_step(self, sentence: &str) -> Self {
        let next_step = self.next_step.iter().map(String::as_str).chain([sentence]).collect::<Vec<_>>().join(" ");
        self.replacing_next_step(next_step)
    }

    /// The service sent no response.
    pub fn no_response(endpoint: &Endpoint, error: &reqwest::Error) -> Self {
        let Endpoint { service, settings, .. } = endpoint;
        let message = format!(
            "{service} does not respond at {}: {}.",
            endpoint.address(),
            describe_transport_failure(error, REQUEST_TIMEOUT)
        );
        let start = program::command("up --demo");
        let next_step = format!("Is it running? `{start}` starts all services. {settings} sets another address.");
        Self::new(NO_RESPONSE, message, next_step)
    }

    /// Whether the service sent no response.
    pub fn is_no_response(&self) -> bool {
        self.document.get("code").and_then(Value::as_str) == Some(NO_RESPONSE)
    }

    /// A server that is not the service responded. `response` describes the response.
    pub fn not_the_service(endpoint: &Endpoint, response: &str) -> Self {
        let Endpoint { service, settings, .. } = endpoint;
        let message = format!("{} is not {service} of Buydesk: it responded with {response}.", endpoint.address());
        Self::new("not_the_service", message, format!("Set {settings} to the address of {service}."))
    }

    /// The error of an argument that this program refuses.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        let next_step = format!("`{}` shows the commands and options.", program::command("--help"));
        Self::new(INVALID_ARGUMENTS, message, next_step)
    }

    /// Adds a suggestion, such as the name that was probably meant, to the JSON document.
    #[must_use]
    pub fn with_tip(mut self, tip: &str) -> Self {
        self.document.insert("tip".to_owned(), tip.into());
        self
    }

    /// Adds the last lines of the log of a server. They are shown after the next step.
    #[must_use]
    pub fn with_server_log(mut self, lines: String) -> Self {
        self.document.insert(SERVER_LOG.to_owned(), lines.into());
        self
    }

    /// Whether the user has to correct an argument: this program or the service refuses its value.
    pub fn is_invalid_argument(&self) -> bool {
        let code = self.document.get("code").and_then(Value::as_str);
        code.is_some_and(|code| code == INVALID_ARGUMENTS || code == Code::ValidationFailed.as_str())
    }

    /// Whether a part of the platform that the request needs is missing: a price, the database, the cache or another service.
    pub fn is_platform_fault(&self) -> bool {
        let faults =
            [Code::PriceUnavailable, Code::DatabaseUnavailable, Code::CacheUnavailable, Code::UpstreamUnavailable];
        self.code().is_some_and(|code| faults.contains(&code))
    }

    /// How long to wait before the same request is sent again. `None` if it would be refused again.
    pub fn retry_wait(&self) -> Option<Duration> {
        let seconds = self.document.get(RETRY_AFTER).and_then(Value::as_u64).unwrap_or_default();
        let is_transient = self.code().is_some_and(|code| code.retry_advice() != RetryAdvice::AfterChange);
        (is_transient || self.effect != Effect::Refused).then(|| Duration::from_secs(seconds))
    }

    /// Adds a sentence that denies the effect of the request, such as `No order was placed.`, unless the error contains it already.
    #[must_use]
    pub fn with_denial(mut self, denial: &str) -> Self {
        let detail = self.document.get(DETAIL).and_then(Value::as_str).unwrap_or_default();
        if !detail.contains(denial) {
            let detail = format!("{detail}{} {denial}", if detail.ends_with('.') { "" } else { "." });
            self.document.insert(DETAIL.to_owned(), detail.into());
            self.denial = Some(denial.to_owned());
        }
        self
    }

    /// The error of a change whose requests had no effect. `self` is the problem in which the service reported this.
    /// `not_made` denies the change, such as `No order was placed`. `reason` states why. `health_hint` names the
    /// command that shows more.
    #[must_use]
    pub fn into_denial(self, not_made: &str, reason: &str, health_hint: &str) -> Self {
        let code = Code::UpstreamUnavailable;
        let detail = format!("{not_made}, because {reason}.");
        let seconds = self.document.get(RETRY_AFTER).and_then(Value::as_u64).unwrap_or(1);
        let next_step = format!("{} {health_hint}", retry_hint(seconds));
        let mut document = self.document;
        document.remove(IDEMPOTENCY_KEY);
        set_code(&mut document, code);
        document.insert(DETAIL.to_owned(), detail.clone().into());
        document.insert(NEXT_STEP.to_owned(), next_step.clone().into());
        let message = format!("{detail} ({code}{})", request_note(&document));
        Self { message, next_step: Some(next_step), denial: None, document, effect: Effect::None }
    }

    /// The error of a change that may have been made. `self` is the error of an attempt, or of a confirmation that
    /// cannot be read. `key` is the idempotency key of the change.
    #[must_use]
    pub fn with_unknown_change(
        self,
        key: &IdempotencyKey,
        UnknownChange { possible_effect, next_step }: UnknownChange,
    ) -> Self {
        let mut error = self.with_unknown_outcome(possible_effect, next_step);
        error.document.insert(IDEMPOTENCY_KEY.to_owned(), key.as_str().into());
        error
    }

    /// The error of a request that may have taken effect. `self` is the error of the request. `possible_effect` is a sentence about the
    /// effect, and `next_step` states how the user finds out.
    fn with_unknown_outcome(self, possible_effect: &str, next_step: String) -> Self {
        let message = format!("{}\n{possible_effect}", self.message);
        let mut document = self.document;
        let detail = document.get(DETAIL).and_then(Value::as_str).unwrap_or_default();
        let detail = format!("{detail} {possible_effect}");
        // The invalid fields belong to the refusal of one attempt, not to the unknown outcome.
        document.remove("errors");
        set_code(&mut document, Code::OutcomeUnknown);
        document.insert(DETAIL.to_owned(), detail.into());
        document.insert(NEXT_STEP.to_owned(), next_step.clone().into());
        Self { message, next_step: Some(next_step), denial: None, document, effect: Effect::Unknown }
    }

    /// Adds to the error of a change whether the change was made, unless the error itself shows the outcome.
    fn of_change(self, change: UnknownChange) -> Self {
        match self.effect {
            Effect::Refused | Effect::None => self,
            Effect::NotSent => self.with_denial("Nothing was changed."),
            Effect::Unknown => self.with_unknown_outcome(change.possible_effect, change.next_step),
        }
    }

    /// Replaces the name of each invalid field by the option that sets it. In the JSON document, each element of `errors`
    /// gets the member `option`.
    #[must_use]
    pub fn naming_options(mut self, options: &[FieldOption]) -> Self {
        let errors = self.document.get_mut("errors").and_then(Value::as_array_mut);
        let sentences: Vec<_> = errors.into_iter().flatten().filter_map(|error| name_option(error, options)).collect();
        if !sentences.is_empty() {
            let code = self.document.get("code").and_then(Value::as_str).unwrap_or_default();
            self.message = format!("{} ({code})", sentences.join("; "));
        }
        self
    }
}

/// Sets the code of the document and the members that depend on the code. Only a document that a service sent has the
/// member `status`.
fn set_code(document: &mut Map<String, Value>, code: Code) {
    document.insert("type".to_owned(), format!("{REFERENCE_PATH}#{code}").into());
    document.insert("title".to_owned(), code.title().into());
    document.insert("code".to_owned(), code.as_str().into());
    if let Some(status) = document.get_mut("status") {
        *status = code.status().as_u16().into();
    }
}

fn retry_hint(seconds: u64) -> String {
    format!("Try again in {seconds} s.")
}

/// The detail of a problem without its sentence on when to try again. The next step states this time in seconds.
fn without_retry_sentence(detail: &str) -> String {
    const SENTENCES: [&str; 3] =
        [" Try again in a moment.", " Try again in a few seconds.", " Try again in some seconds."];
    SENTENCES.iter().fold(detail.to_owned(), |detail, sentence| detail.replace(sentence, ""))
}

/// The request id for a message, such as `, request id 7`. Empty if there is none.
fn request_note(document: &Map<String, Value>) -> String {
    let id = document.get("request_id").and_then(Value::as_str);
    id.map(|id| format!(", request id {id}")).unwrap_or_default()
}

/// Replaces the names of fields in the error by the options of the command line. See [`ClientError::naming_options`].
pub fn naming_options<T>(result: anyhow::Result<T>, options: &[FieldOption]) -> anyhow::Result<T> {
    map_client_error(result, |error| error.naming_options(options))
}

/// Adds to the error of a change whether the change was made. `result` must be the result of the request for the
/// change.
pub fn of_change<T>(result: anyhow::Result<T>, change: UnknownChange) -> anyhow::Result<T> {
    map_client_error(result, |error| error.of_change(change))
}

/// Adds a sentence that denies the change, such as `No quote was created.`, if the service refused the change or the request
/// had no effect.
pub fn denying_refused<T>(result: anyhow::Result<T>, denial: &str) -> anyhow::Result<T> {
    map_client_error(result, |error| match error.effect {
        Effect::Refused | Effect::None => error.with_denial(denial),
        Effect::NotSent | Effect::Unknown => error,
    })
}

/// Adds the next step that `advice` returns for the code of the error, unless the error already has a next step.
pub fn with_advice<T>(result: anyhow::Result<T>, advice: impl FnOnce(Code) -> Option<String>) -> anyhow::Result<T> {
    map_client_error(result, |error| {
        let next_step = error.code().and_then(advice);
        error.or_next_step(next_step)
    })
}

fn map_client_error<T>(result: anyhow::Result<T>, map: impl FnOnce(ClientError) -> ClientError) -> anyhow::Result<T> {
    result.map_err(|error| match error.downcast::<ClientError>() {
        Ok(error) => map(error).into(),
        Err(error) => error,
    })
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(denial) = &self.denial {
            // A message of a service ends with its code in parentheses.
            let separator = if self.message.ends_with('.') { " " } else { "\n" };
            write!(f, "{separator}{denial}")?;
        }
        self.next_step.iter().try_for_each(|next_step| write!(f, "\n{next_step}"))?;
        match self.document.get(SERVER_LOG).and_then(Value::as_str) {
            Some(lines) => write!(f, "\nThe last lines of the log of the server:\n{lines}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {}

/// The JSON document of any error of a command.
pub fn error_document(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return Value::Object(error.document.clone()).to_string();
    }
    let detail = format_chain(error.as_ref());
    if error.is::<ConfigError>() {
        // The text has a line for each setting.
        let mut lines = detail.lines().map(str::trim);
        let heading = lines.next().unwrap_or_default();
        let detail = format!("{heading} {}", lines.collect::<Vec<_>>().join("; "));
        return json!({ "code": "invalid_settings", DETAIL: detail, NEXT_STEP: SETTINGS_STEP }).to_string();
    }
    json!({ "code": "command_failed", DETAIL: detail }).to_string()
}

/// Prints a warning to standard error.
pub fn print_warning(code: &str, warning: &impl fmt::Display, json: bool) {
    if json {
        eprintln!("{}", json!({ "code": code, "detail": warning.to_string() }));
    } else {
        eprintln!("warning: {warning}");
    }
}

#[cfg(test)]
mod tests;
