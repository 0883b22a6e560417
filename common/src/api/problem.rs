//! The one error envelope of every service: RFC 9457 `application/problem+json`.

use std::{borrow::Cow, fmt, time::Duration};

use poem::{
    IntoResponse, Response,
    error::ResponseError,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};

/// What went wrong, for a program: stable, and the only thing a client should compare.
///
/// Each code has one status and one title; what a person can do about it stands in the `detail` of the answer.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, for a program: stable, and the only thing a client should compare.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// The same for every problem of this code, as RFC 9457 wants it.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The request could not be parsed at all.
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be read";
    /// The internal token is missing or wrong.
    Unauthorized = "unauthorized", UNAUTHORIZED, "The internal token is missing or wrong";
    NotFound = "not_found", NOT_FOUND, "There is no such thing here";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This path does not take that method";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The order does not fit under the limit of all orders.
    LimitExceeded = "limit_exceeded", CONFLICT, "The order does not fit under the limit";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported";
    /// A field has a value that is not allowed; `errors` names each.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "A field has a value that is not allowed";
    /// The idempotency key was used before, for another order.
    KeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another order";
    /// The quote that the order names is not known.
    QuoteUnknown = "quote_unknown", UNPROCESSABLE_ENTITY, "There is no such quote";
    /// The quote was taken by another order.
    QuoteTaken = "quote_taken", CONFLICT, "The quote was taken";
    /// The quote was not taken in time.
    QuoteExpired = "quote_expired", CONFLICT, "The quote has run out";
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    Internal = "internal", INTERNAL_SERVER_ERROR, "A fault of the service";
    /// There is no price that may be used.
    PriceUnavailable = "price_unavailable", SERVICE_UNAVAILABLE, "There is no current price";
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database cannot be reached";
    CacheUnavailable = "cache_unavailable", SERVICE_UNAVAILABLE, "The price cache cannot be reached";
    /// A service that this one needs did not answer.
    UpstreamUnavailable = "upstream_unavailable", SERVICE_UNAVAILABLE, "A service that is needed cannot be reached";
    /// Too much is waiting already.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too much is waiting already";
    /// It is not known whether the order was placed; the same key sent again will tell.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "It is not known yet whether the order was placed";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, "The service is going down";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One field with a value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FieldError {
    /// The field of the body, the parameter or the header, by the name the client used.
    pub field: String,
    /// What is allowed.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { field: field.into(), message: reason.to_string() }
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Problem")]
struct ProblemBody {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// The kind of problem, for a person; the same for every problem of the code.
    title: String,
    /// The status of the answer, again.
    status: u16,
    /// The kind of problem, for a program; stable.
    code: String,
    /// What happened and what to do about it.
    detail: String,
    /// The fields that are wrong, where that is the problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default, skip_serializing_if_is_empty)]
    errors: Vec<FieldError>,
    /// How much bitcoin may still be ordered, where the limit was the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    remaining_bitcoin: Option<String>,
    /// The key to send the same order again with, where its outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    idempotency_key: Option<String>,
    /// The request, as it stands in the logs of every service it went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
}

/// An answer that is not a success. Its message is for the client; causes go to the log, never in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub detail: Cow<'static, str>,
    pub errors: Vec<FieldError>,
    pub remaining_bitcoin: Option<String>,
    pub idempotency_key: Option<String>,
    /// When a client may try again; every 429 and 503 has one.
    pub retry_after: Option<Duration>,
}

/// What a client waits after a 503 that says nothing better.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Problem {
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry = matches!(code.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            remaining_bitcoin: None,
            idempotency_key: None,
            retry_after: retry.then_some(DEFAULT_RETRY_AFTER),
        }
    }

    /// A 422 that names the fields.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// A fault of ours: says nothing of its cause, which the caller of this function has logged.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "Something went wrong on our side; the request id finds it in our logs.")
    }

    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Reads a problem that another service answered. Nothing where the text is no problem of ours.
    pub fn from_json(body: &[u8], retry_after: Option<Duration>) -> Option<Self> {
        let body: ProblemBody = serde_json::from_slice(body).ok()?;
        Some(Self {
            code: Code::from_text(&body.code)?,
            detail: body.detail.into(),
            errors: body.errors,
            remaining_bitcoin: body.remaining_bitcoin,
            idempotency_key: body.idempotency_key,
            retry_after,
        })
    }

    /// The answer, with the request's id where it is known.
    pub fn respond(self, request_id: Option<&str>) -> Response {
        let status = self.code.status();
        let retry_after = self.retry_after;
        let body = ProblemBody {
            kind: format!("urn:buydesk:problem:{}", self.code),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            code: self.code.to_string(),
            detail: self.detail.into_owned(),
            errors: self.errors,
            remaining_bitcoin: self.remaining_bitcoin,
            idempotency_key: self.idempotency_key,
            request_id: request_id.map(str::to_owned),
        };
        let json = serde_json::to_vec(&body).expect("a problem is plain text");
        let mut response = Response::builder().status(status).content_type(Self::CONTENT_TYPE).body(json);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = retry_after {
            // Whole seconds, rounded up: a client that comes back early is refused again.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let value = HeaderValue::from_str(&seconds.to_string()).expect("digits are a header value");
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
    /// Every status a problem can have; an operation documents all of them, for the edge may answer for any.
    fn meta() -> MetaResponses {
        let mut statuses: Vec<_> = Code::ALL.iter().map(|code| code.status().as_u16()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let responses = statuses.into_iter().map(|status| {
            let waits = status == 429 || status == 503;
            let retry_after = MetaHeader {
                name: "Retry-After".to_owned(),
                description: Some("Seconds to wait before the next try.".to_owned()),
                required: true,
                deprecated: false,
                schema: u32::schema_ref(),
            };
            MetaResponse {
                description: Code::ALL.iter().find(|c| c.status() == status).map_or("", |c| c.title()),
                status: Some(status),
                status_range: None,
                content: vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: ProblemBody::schema_ref() }],
                headers: waits.then_some(retry_after).into_iter().collect(),
            }
        });
        MetaResponses { responses: responses.collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

#[cfg(test)]
mod tests;
