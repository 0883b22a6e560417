//! The error format of all services: RFC 9457 `application/problem+json`.

mod codes;
mod examples;
mod field_errors;
mod reference;
mod subcode;

use std::{borrow::Cow, fmt, time::Duration};

use poem::{
    IntoResponse, Response,
    error::ResponseError,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};

pub use self::{
    codes::{Code, RetryAdvice},
    field_errors::FieldErrors,
    reference::{REFERENCE_PATH, reference_html, reference_markdown},
    subcode::Subcode,
};
use crate::{
    money::{Money, Sats},
    spelling,
    text::shown_name,
};

/// Maximum number of invalid fields or parameters that a problem names. A request could contain a hundred thousand of them.
pub const MAX_FIELD_ERRORS: usize = 20;

/// A wrong field: for example, its value is invalid, or a required field is missing.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FieldError {
    /// The name of the field, the parameter or the header.
    pub field: String,
    /// What is wrong with the field. For an invalid value, which values are allowed.
    pub message: String,
}

const IS_REQUIRED: &str = "is required";
const UNLESS: &str = ", unless ";
const IS_SENT: &str = " is sent";
const IS_UNKNOWN: &str = "is unknown";
const DID_YOU_MEAN: &str = "; did you mean ";

impl FieldError {
    pub fn new(field: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { field: field.into(), message: reason.to_string() }
    }

    /// A field or a parameter that does not exist. Suggests the known name that is probably meant, or lists all known names.
    pub fn unknown(field: impl Into<String>, known: &[&str]) -> Self {
        let field = field.into();
        let hint = match spelling::nearest(&field, known.iter().copied()) {
            Some(name) => format!("{DID_YOU_MEAN}{name}?"),
            None if known.is_empty() => String::new(),
            None if known.len() == 1 => format!("; the only known name is {}", known[0]),
            None => format!("; the known names are {}", known.join(", ")),
        };
        Self::new(shown_name(&field), format!("{IS_UNKNOWN}{hint}"))
    }

    /// A field or a parameter that is required and absent.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::new(field, IS_REQUIRED)
    }

    /// A field or a parameter that is required unless one of the alternatives is present.
    pub fn missing_unless(field: impl Into<String>, alternatives: &str) -> Self {
        Self::new(field, format!("{IS_REQUIRED}{UNLESS}{alternatives}{IS_SENT}"))
    }

    pub fn is_missing(&self) -> bool {
        self.message.starts_with(IS_REQUIRED)
    }

    /// The name that an unknown field probably means. `None` if the field is known, or if no known name is similar.
    pub fn meant_name(&self) -> Option<&str> {
        self.message.strip_prefix(IS_UNKNOWN)?.strip_prefix(DID_YOU_MEAN)?.strip_suffix('?')
    }

    /// Whether this error reports a missing field whose name, or the name of an alternative, is misspelt in the same object.
    /// An unknown field in `errors` shows the misspelling.
    pub fn is_explained_by_misspelling(&self, errors: &[Self]) -> bool {
        let Some(rest) = self.message.strip_prefix(IS_REQUIRED) else { return false };
        let alternatives = rest.strip_prefix(UNLESS).and_then(|rest| rest.strip_suffix(IS_SENT)).unwrap_or_default();
        let (object, name) = self.object_and_name();
        let is_possible = |meant: &str| meant == name || alternatives.split(" or ").any(|name| name == meant);
        errors.iter().any(|error| error.object_and_name().0 == object && error.meant_name().is_some_and(is_possible))
    }

    /// The path of the object that contains the field, and the name of the field in it.
    fn object_and_name(&self) -> (&str, &str) {
        self.field.rsplit_once('.').unwrap_or(("", &self.field))
    }

    /// Whether the error is about `field` or a part of `field`.
    pub fn is_within(&self, field: &str) -> bool {
        self.field.strip_prefix(field).is_some_and(|part| part.is_empty() || part.starts_with(['.', '[']))
    }

    /// A field or a parameter that was sent several times.
    pub fn repeated(field: impl Into<String>) -> Self {
        Self::new(field, "must be sent once")
    }
}

/// The body of an error response.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Problem")]
struct ProblemBody {
    /// The URL of the description of the kind of problem, relative to the URL of the request.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// The kind of problem, for people. The same for every problem of the code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The kind of problem, for programs. Stable.
    code: String,
    /// Distinguishes problems of one code, for programs. Stable. Absent if the code suffices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    subcode: Option<String>,
    /// What happened, and what the client can do about it.
    detail: String,
    /// The invalid fields. Absent if no field is invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    errors: Vec<FieldError>,
    /// The bitcoin amount that remains below the limit, or that a quote may still reserve. Present if the request exceeds this
    /// amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    remaining_bitcoin: Option<String>,
    /// The balance of the wallet. Present if the operation needs more money, or would exceed the highest balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    balance: Option<String>,
    /// The key with which the request should be sent again. Present if it is unknown whether an order was placed, a
    /// wallet was created, or money moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    idempotency_key: Option<String>,
    /// The id of the request in the logs of all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
}

impl ProblemBody {
    fn to_json(&self) -> String {
        let mut json = serde_json::to_string(self).expect("a problem can be serialized");
        json.push('\n');
        json
    }
}

/// An error response. `detail` is written for the client. Internal causes are logged and not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub subcode: Option<Subcode>,
    pub detail: Cow<'static, str>,
    pub errors: Vec<FieldError>,
    pub remaining_bitcoin: Option<Sats>,
    /// Boxed to keep `Problem` small, because many functions return it as their error.
    pub balance: Option<Box<Money>>,
    pub idempotency_key: Option<String>,
    /// How long the client should wait before a retry. [`Problem::new`] sets a value for every 429 and 503.
    pub retry_after: Option<Duration>,
}

/// The default of `retry_after` for a 429 and a 503.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Problem {
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry = matches!(code.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self {
            code,
            subcode: None,
            detail: detail.into(),
            errors: Vec::new(),
            remaining_bitcoin: None,
            balance: None,
            idempotency_key: None,
            retry_after: retry.then_some(DEFAULT_RETRY_AFTER),
        }
    }

    /// A 422 that names the invalid fields, at most [`MAX_FIELD_ERRORS`].
    pub fn validation(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_FIELD_ERRORS);
        let detail = errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// A 500. The caller must log the cause.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "An internal error occurred. The logs contain its cause under the request id.")
    }

    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Parses the body of an error response. Returns `None` if it is not a problem document with a known code.
    pub fn from_json(body: &[u8], retry_after: Option<Duration>) -> Option<Self> {
        let body: ProblemBody = serde_json::from_slice(body).ok()?;
        Some(Self {
            code: Code::from_text(&body.code)?,
            subcode: body.subcode.as_deref().and_then(Subcode::from_text),
            detail: body.detail.into(),
            errors: body.errors,
            remaining_bitcoin: body.remaining_bitcoin.and_then(|text| text.parse().ok()),
            balance: body.balance.and_then(|text| text.parse().ok()).map(Box::new),
            idempotency_key: body.idempotency_key,
            retry_after,
        })
    }

    /// The body of the response, without a request id.
    pub fn to_json(self) -> String {
        self.into_body(None).to_json()
    }

    fn into_body(self, request_id: Option<&str>) -> ProblemBody {
        ProblemBody {
            kind: format!("{REFERENCE_PATH}#{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            code: self.code.to_string(),
            subcode: self.subcode.map(|subcode| subcode.as_str().to_owned()),
            detail: self.detail.into_owned(),
            errors: self.errors,
            remaining_bitcoin: self.remaining_bitcoin.map(|bitcoin| bitcoin.to_string()),
            balance: self.balance.map(|balance| balance.to_string()),
            idempotency_key: self.idempotency_key,
            request_id: request_id.map(str::to_owned),
        }
    }

    /// Builds the response. Adds `request_id` to the body, if it is known.
    pub fn respond(self, request_id: Option<&str>) -> Response {
        let status = self.code.status();
        let retry_after = self.retry_after;
        let json = self.into_body(request_id).to_json();
        let mut response = Response::builder().status(status).content_type(Self::CONTENT_TYPE).body(json);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = retry_after {
            // Rounded up to whole seconds, because a client that retries early is rejected again.
            let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
            let value = HeaderValue::from_str(&seconds.to_string()).expect("digits are a valid header value");
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.status()
    }

    fn as_response(&self) -> Response {
        self.clone().respond(None)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

impl ApiResponse for Problem {
    /// Declares only the response that every operation can return, so that the OpenAPI document contains the schema of a
    /// problem. `server::documentation` adds the other error responses of each operation.
    fn meta() -> MetaResponses {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: ProblemBody::schema_ref() }];
        MetaResponses {
            responses: vec![MetaResponse {
                description: status.canonical_reason().unwrap_or_default(),
                status: Some(status.as_u16()),
                status_range: None,
                content,
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

#[cfg(test)]
mod tests;
