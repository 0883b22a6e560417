//! Forwards read requests to another service. Responses are streamed, so a response of any size takes little memory.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, unfold},
};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use url::Url;

use super::{CallError, Retry, call::call_with_retries, call_span::CallSpan};
use crate::{
    api::{Code, Problem},
    ids::RequestId,
    request_context::RequestContext,
};

/// Deadline for the beginning of the response. It is longer than every deadline of a read in the other service.
const HEAD_DEADLINE: Duration = Duration::from_secs(20);
/// Deadline for each further part of the response. A stream of events sends something every 15 s.
const PART_DEADLINE: Duration = Duration::from_secs(45);
/// Maximum number of requests in progress. A stream of events counts until it ends.
const MAX_IN_PROGRESS: usize = 1024;

/// The headers that every forwarded request keeps.
const FORWARDED_REQUEST_HEADERS: &[HeaderName] = &[header::ACCEPT, header::ACCEPT_ENCODING, header::IF_NONE_MATCH];
/// The response headers that are not forwarded. They concern only the connection (RFC 9110, section 7.6.1), or this service
/// sets them itself.
const EXCLUDED_RESPONSE_HEADERS: &[&str] =
    &["connection", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", RequestId::HEADER];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a request could not be forwarded.
#[derive(Debug, thiserror::Error)]
pub enum ForwardingError {
    /// The call failed before the response began.
    #[error(transparent)]
    Call(#[from] CallError),
    /// [`MAX_IN_PROGRESS`] requests are in progress.
    #[error("too many requests are being forwarded to {0}")]
    TooMany(&'static str),
}

impl From<ForwardingError> for Problem {
    fn from(error: ForwardingError) -> Self {
        match error {
            ForwardingError::Call(error) => {
                tracing::warn!(error = %error.chain(), "a read could not be forwarded");
                error.to_problem(Code::UpstreamUnavailable)
            }
            ForwardingError::TooMany(service) => {
                Self::new(Code::Overloaded, format!("Too many requests wait for {service}. Try again in a moment."))
            }
        }
    }
}

/// A read request that is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct ForwardedRead<'a> {
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// The IP address that the request came from.
    pub peer: IpAddr,
}

/// A response with a streamed body.
pub struct ForwardedResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Fails if the other service breaks the connection or sends nothing for [`PART_DEADLINE`].
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

/// Forwards read requests to one service. Clones share the limit of requests in progress.
#[derive(Debug, Clone)]
pub struct ForwardingClient {
    http: reqwest::Client,
    service: &'static str,
    base: Url,
    /// Whether the credentials of requests are forwarded.
    forwards_credentials: bool,
    permits: Arc<Semaphore>,
}

impl ForwardingClient {
    pub fn new(http: reqwest::Client, service: &'static str, base: Url) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_IN_PROGRESS));
        Self { http, service, base, forwards_credentials: false, permits }
    }

    /// Forwards the credentials of requests too, for a service that checks them.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        Self { forwards_credentials: true, ..self }
    }

    /// Sends a GET, and returns when the response begins. If the service cannot be reached, or closes its connection
    /// without a response, the request is retried. A restart of the service therefore causes no error.
    pub async fn get(&self, read: ForwardedRead<'_>) -> Result<ForwardedResponse, ForwardingError> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| ForwardingError::TooMany(self.service))?;
        let response = timeout(HEAD_DEADLINE, self.open(read)).await.unwrap_or_else(|_elapsed| {
            let reason = format!("the response did not begin within {HEAD_DEADLINE:?}");
            Err(CallError::InvalidResponse(self.service, reason))
        })?;
        let (status, mut headers) = (response.status(), response.headers().clone());
        for name in EXCLUDED_RESPONSE_HEADERS {
            headers.remove(*name);
        }
        Ok(ForwardedResponse { status, headers, body: parts(response.bytes_stream(), permit).boxed() })
    }

    async fn open(&self, read: ForwardedRead<'_>) -> Result<reqwest::Response, CallError> {
        // The URL takes only the path and the query from the request, so a request cannot select another server.
        let mut url = self.base.clone();
        url.set_path(read.path);
        url.set_query(read.query);
        let mut headers = request_headers(read);
        if self.forwards_credentials {
            for value in read.headers.get_all(header::AUTHORIZATION) {
                headers.append(header::AUTHORIZATION, value.clone());
            }
        }
        let context = RequestContext::current();
        let send = async |_remaining| {
            let span = CallSpan::begin(context.as_ref(), self.service, &Method::GET, &url);
            let request = span.add_headers(self.http.get(url.clone()).headers(headers.clone()));
            let result = request.send().await.map_err(|error| CallError::of_transport(self.service, error));
            span.end(result.as_ref().map(reqwest::Response::status));
            result
        };
        call_with_retries(1, Retry::Safe, HEAD_DEADLINE, send).await.result
    }
}

fn request_headers(read: ForwardedRead<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in FORWARDED_REQUEST_HEADERS {
        for value in read.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    // The other service limits the request rate of each client. It reads the IP address of the client from this header.
    for value in read.headers.get_all(FORWARDED_FOR) {
        headers.append(FORWARDED_FOR, value.clone());
    }
    let peer = HeaderValue::from_str(&read.peer.to_string()).expect("an address is a valid header value");
    headers.append(FORWARDED_FOR, peer);
    if let Some(id) = RequestContext::current().and_then(|context| HeaderValue::from_str(context.id.as_str()).ok()) {
        headers.insert(RequestId::HEADER, id);
    }
    headers
}

/// The parts of a body, each with a deadline of [`PART_DEADLINE`]. The permit is released when the stream ends or is dropped.
fn parts(
    body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold((Some(body.boxed()), permit), |(body, permit)| async move {
        let mut body = body?;
        let part = match timeout(PART_DEADLINE, body.next()).await {
            Ok(part) => part?.map_err(io::Error::other),
            Err(_elapsed) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        // The stream ends after an error.
        let rest = part.is_ok().then_some(body);
        Some((part, (rest, permit)))
    })
}

#[cfg(test)]
mod tests;
