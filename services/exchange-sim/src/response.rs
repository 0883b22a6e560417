//! HTTP responses in an exchange's own format, sent completely or as a fault requires.

use std::{io, time::Duration};

use common::server::ImitatedResponse;
use futures_util::{Stream, StreamExt, stream};
use poem::{Body, IntoResponse, Response, ResponseBuilder, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

/// Every response carries this header, so that a client can distinguish the simulation from a real exchange.
pub(crate) const SIMULATED_HEADER: &str = "x-simulated";

const JSON: &str = "application/json";
/// The format of the error for a missing or malformed parameter. exchange-sim itself refuses such a call.
const PROBLEM: &str = "application/problem+json";
/// The time between two bytes of [`SimulatedResponse::Trickled`].
const TRICKLE_INTERVAL: Duration = Duration::from_secs(1);
/// [`SimulatedResponse::Padded`] sends this chunk [`BLANK_CHUNKS`] times before the body.
const BLANK_CHUNK: &[u8] = &[b' '; 64 * 1024];
/// The chunks have 64 MiB in total.
const BLANK_CHUNKS: usize = 1024;

/// A complete reply in the exchange's own format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// JSON with status 200.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| {
            tracing::error!(%error, "reply cannot be serialized as JSON");
            Vec::new()
        });
        Self { status, content_type: JSON, headers: Vec::new(), body }
    }

    /// `body` must be JSON.
    pub(crate) fn raw_json(status: StatusCode, body: impl Into<String>) -> Self {
        Self::text(status, JSON, body)
    }

    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self::bytes(status, content_type, body.into().into_bytes())
    }

    pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// The error page of Cloudflare or another gateway in front of an exchange.
    pub(crate) fn html(status: u16) -> Self {
        let title = match status {
            520 => "520: Web server is returning an unknown error",
            403 => "Access denied (error 1020)",
            _ => "The server cannot answer",
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>{title}</title></head><body><h1>Error {}</h1></body></html>\n",
            status.as_u16()
        );
        Self::text(status, "text/html; charset=UTF-8", page)
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    #[must_use]
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    #[must_use]
    pub(crate) fn first_half(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    #[must_use]
    pub(crate) fn empty(self) -> Self {
        Self { body: Vec::new(), ..self }
    }

    /// Replaces texts in the body. Each pair in `replacements` is the old and the new text, both in ASCII.
    #[must_use]
    pub(crate) fn renamed(self, replacements: &[(&str, &str)]) -> Self {
        // The body is not always UTF-8, so each byte becomes one character and then a byte again.
        let body: String = self.body.iter().copied().map(char::from).collect();
        let body = replacements.iter().fold(body, |body, (old, new)| body.replace(old, new));
        Self { body: body.chars().filter_map(|character| u8::try_from(character).ok()).collect(), ..self }
    }

    /// The response without its body, and the body.
    fn into_parts(self) -> (ResponseBuilder, Vec<u8>) {
        let Self { status, content_type, headers, body } = self;
        let response = Response::builder().status(status).content_type(content_type);
        let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        (response, body)
    }
}

/// A reply and how it is sent.
pub(crate) enum SimulatedResponse {
    Complete(Reply),
    /// The connection breaks before the end of the body.
    Aborted,
    /// The body is sent byte by byte.
    Trickled(Reply),
    /// The body follows more blanks than a client should read.
    Padded(Reply),
}

fn streamed(chunks: impl Stream<Item = Vec<u8>> + Send + 'static) -> Body {
    Body::from_bytes_stream(chunks.map(Ok::<_, io::Error>))
}

impl IntoResponse for SimulatedResponse {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Complete(reply) => {
                let (response, body) = reply.into_parts();
                response.body(body)
            }
            Self::Aborted => {
                let failure = io::Error::new(io::ErrorKind::ConnectionAborted, "fault: down");
                let body = stream::once(async { Err::<Vec<u8>, _>(failure) });
                // Without a content length, the body would be chunked, and the server would send the final chunk.
                let response = Response::builder().content_type(JSON).header("content-length", "512");
                response.body(Body::from_bytes_stream(body))
            }
            Self::Trickled(reply) => {
                let (response, body) = reply.into_parts();
                let bytes = stream::iter(body).then(|byte| async move {
                    tokio::time::sleep(TRICKLE_INTERVAL).await;
                    vec![byte]
                });
                response.body(streamed(bytes))
            }
            Self::Padded(reply) => {
                let (response, body) = reply.into_parts();
                let blanks = stream::iter(std::iter::repeat_n(BLANK_CHUNK.to_vec(), BLANK_CHUNKS));
                response.body(streamed(blanks.chain(stream::once(async { body }))))
            }
        };
        // Marks the response as imitated, so that a simulated failure is not reported as a warning.
        response.set_data(ImitatedResponse);
        response
    }
}

impl ApiResponse for SimulatedResponse {
    fn meta() -> MetaResponses {
        responses_of_exchange(&[JSON])
    }

    fn register(registry: &mut Registry) {
        serde_json::Value::register(registry);
    }
}

/// A response of an institution that publishes XML.
pub(crate) struct SimulatedXml(pub(crate) SimulatedResponse);

impl IntoResponse for SimulatedXml {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl ApiResponse for SimulatedXml {
    fn meta() -> MetaResponses {
        responses_of_exchange(&["application/xml", "text/xml"])
    }

    fn register(registry: &mut Registry) {
        serde_json::Value::register(registry);
    }
}

/// The responses for the OpenAPI document: success in one of these content types, and errors, of which some are HTML
/// pages of a gateway.
fn responses_of_exchange(success: &[&'static str]) -> MetaResponses {
    let media = |content_type| MetaMediaType { content_type, schema: serde_json::Value::schema_ref() };
    let error = |range: &str, description| MetaResponse {
        description,
        status: None,
        status_range: Some(range.to_owned()),
        content: [JSON, PROBLEM, "application/xml", "text/xml", "text/html", "text/plain"].map(media).into(),
        headers: Vec::new(),
    };
    let success = MetaResponse {
        description: "The real exchange's format. Some exchanges report errors with this status too.",
        status: Some(200),
        status_range: None,
        content: success.iter().copied().map(media).collect(),
        headers: Vec::new(),
    };
    let refused = error("4XX", "The exchange refuses the call, in its own format.");
    let failed = error("5XX", "A fault is active, or a gateway fails.");
    MetaResponses { responses: vec![success, refused, failed] }
}
