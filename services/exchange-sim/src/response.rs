//! What goes over the wire: answers in an exchange's own form, whole and not.

use std::{io, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use poem::{Body, IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

const JSON: &str = "application/json";
/// From one byte to the next of an answer that trickles.
const TRICKLE: Duration = Duration::from_secs(1);
/// What an endless answer sends at once, and how often it does, for it ends all the same.
const BLANKS: &[u8] = &[b' '; 64 * 1024];
const BLANK_CHUNKS: usize = 1024;

/// An answer in the exchange's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Vec::new()
        });
        Self { status, content_type: JSON, headers: Vec::new(), body }
    }

    /// JSON as it stands in the text.
    pub(crate) fn raw(status: StatusCode, body: impl Into<String>) -> Self {
        Self::text(status, JSON, body)
    }

    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self::bytes(status, content_type, body.into().into_bytes())
    }

    pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// What Cloudflare, or another gateway, answers in front of an exchange.
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
    pub(crate) fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
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

    /// With other names in the place of some; names are ASCII.
    #[must_use]
    pub(crate) fn renamed(self, names: &[(&str, &str)]) -> Self {
        // A character for a byte, and back: the answer may be in another code than UTF-8.
        let body: String = self.body.iter().copied().map(char::from).collect();
        let body = names.iter().fold(body, |body, (from, to)| body.replace(from, to));
        Self { body: body.chars().filter_map(|character| u8::try_from(character).ok()).collect(), ..self }
    }
}

/// How an answer goes over the wire.
pub(crate) enum SimulatedResponse {
    Complete(Reply),
    /// The connection ends before the answer does.
    Aborted,
    /// One byte after the other.
    Trickled(Reply),
    /// The answer, behind more blanks than anybody should read.
    Padded(Reply),
}

impl SimulatedResponse {
    fn stream(reply: &Reply, body: impl Stream<Item = Vec<u8>> + Send + 'static) -> Response {
        let response = Response::builder().status(reply.status).content_type(reply.content_type);
        response.body(Body::from_bytes_stream(body.map(Ok::<_, io::Error>)))
    }
}

impl IntoResponse for SimulatedResponse {
    fn into_response(self) -> Response {
        match self {
            Self::Complete(Reply { status, content_type, headers, body }) => {
                let response = Response::builder().status(status).content_type(content_type);
                let with = |response: poem::ResponseBuilder, (name, value)| response.header(name, value);
                headers.into_iter().fold(response, with).body(body)
            }
            Self::Aborted => {
                let cut = stream::once(async {
                    Err::<Vec<u8>, _>(io::Error::new(io::ErrorKind::ConnectionAborted, "fault: down"))
                });
                // With a length that is never reached: a body in chunks would be ended as if it were whole.
                let response = Response::builder().content_type(JSON).header("content-length", "512");
                response.body(Body::from_bytes_stream(cut))
            }
            Self::Trickled(reply) => {
                let bytes = stream::iter(reply.body.clone()).then(|byte| async move {
                    tokio::time::sleep(TRICKLE).await;
                    vec![byte]
                });
                Self::stream(&reply, bytes)
            }
            Self::Padded(reply) => {
                let body = reply.body.clone();
                let blanks = stream::iter(std::iter::repeat_n(BLANKS.to_vec(), BLANK_CHUNKS));
                Self::stream(&reply, blanks.chain(stream::once(async { body })))
            }
        }
    }
}

impl ApiResponse for SimulatedResponse {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: JSON, schema: serde_json::Value::schema_ref() }];
        let description = "What the real exchange answers; errors too come in its own form.";
        let response =
            MetaResponse { description, status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        serde_json::Value::register(registry);
    }
}
