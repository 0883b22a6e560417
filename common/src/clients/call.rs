//! Calls to other services: one connection pool, one deadline per call including retries, and retries only if they are safe.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::Stream;
use poem::http::{Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    CallError,
    call_span::CallSpan,
    instances::{Instance, Instances},
};
use crate::{
    api::{Code, Problem},
    concurrency::backoff::Backoff,
    config::{Caller, CallerToken, Secret, ServiceUrls, TokenRefusal},
    ids::RequestId,
    request_context::RequestContext,
};

/// Base delay before the first retry; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// Maximum base delay before a retry.
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// How long a call is retried while no connection can be opened. The restart of a service takes less time.
const UNREACHABLE_DEADLINE: Duration = Duration::from_secs(2);
/// If an instance refuses a request within this time, the request is sent to the next instance. The cause of a quick
/// refusal is in one instance, such as an overload. An instance that refuses later has waited for the database. The
/// database is then probably unavailable to all instances.
const QUICK_REFUSAL: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of idle connections to one server.
const IDLE_CONNECTIONS: usize = 64;
/// How long an idle connection is kept. The server must not close it first, because a request that is sent at that moment gets no
/// response. Services close idle connections after 75 s (`server::limits::IDLE_TIMEOUT`).
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The result of a call with retries.
#[derive(Debug)]
pub struct CallOutcome<T = Bytes> {
    pub result: Result<T, CallError>,
    /// Whether an earlier attempt may have been received but got no response. `result` is the result of the last
    /// attempt.
    pub unanswered: bool,
}

impl<T> CallOutcome<T> {
    /// Converts the response. `unanswered` does not change.
    pub fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, CallError>) -> CallOutcome<U> {
        CallOutcome { result: self.result.and_then(convert), unanswered: self.unanswered }
    }

    /// Whether the call failed and some attempt may have taken effect.
    pub fn has_unknown_effect(&self) -> bool {
        self.result.as_ref().is_err_and(|error| self.unanswered || error.may_have_taken_effect())
    }
}

/// Whether a request may be sent again after an attempt got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The request may be sent again. For example, it only reads, or it has an idempotency key.
    Safe,
    /// The request may be sent again only if it was certainly not received.
    OnlyIfNotSent,
}

/// Decides whether a failed attempt is repeated.
fn may_retry(error: &CallError, retry: Retry) -> bool {
    match error {
        CallError::Unreachable(..) => true,
        CallError::NoResponse(..) => retry == Retry::Safe,
        // The service has responded. A problem states when the client may retry.
        CallError::TokenRefused(..) | CallError::Problem(..) | CallError::InvalidResponse(..) => false,
    }
}

/// Decides whether a failed attempt is repeated at an instance that was not tried yet. `elapsed` is the duration of the attempt.
fn may_try_next_instance(error: &CallError, retry: Retry, elapsed: Duration) -> bool {
    may_retry(error, retry) || (error.is_refusal_of_instance() && elapsed < QUICK_REFUSAL)
}

/// How long a call is retried after this error.
fn retry_deadline(error: &CallError, unanswered: bool, deadline: Duration) -> Duration {
    match error {
        CallError::Unreachable(..) if !unanswered => deadline.min(UNREACHABLE_DEADLINE),
        // After an attempt without a response, the effect of the request is unknown. Only a later response can show it, so the
        // whole deadline is used.
        _ => deadline,
    }
}

/// Makes attempts for at most `deadline`, until an attempt succeeds, or until the error of an attempt permits no further
/// attempt. The first attempts, at most one per instance, follow each other without a pause. `instances` is the number
/// of instances. The argument of `attempt` is the remaining time.
pub(super) async fn call_with_retries<T, F: Future<Output = Result<T, CallError>>>(
    instances: usize,
    retry: Retry,
    deadline: Duration,
    attempt: impl Fn(Duration) -> F,
) -> CallOutcome<T> {
    let mut unanswered = false;
    let start = Instant::now();
    let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
    let mut untried = instances;
    loop {
        let attempt_start = start.elapsed();
        let error = match attempt(deadline.saturating_sub(attempt_start)).await {
            Ok(response) => return CallOutcome { result: Ok(response), unanswered },
            Err(error) => error,
        };
        untried = untried.saturating_sub(1);
        let elapsed = start.elapsed();
        let next_instance = untried > 0 && may_try_next_instance(&error, retry, elapsed.saturating_sub(attempt_start));
        let delay = if next_instance { Duration::ZERO } else { backoff.next_delay() };
        let end = if next_instance { deadline } else { retry_deadline(&error, unanswered, deadline) };
        if !(next_instance || may_retry(&error, retry)) || elapsed + delay >= end {
            return CallOutcome { result: Err(error), unanswered };
        }
        unanswered |= matches!(error, CallError::NoResponse(..));
        tokio::time::sleep(delay).await;
    }
}

/// Creates an HTTP client with a connection pool. All service clients of a process should share it.
pub fn http_client() -> reqwest::Client {
    http_client_with_proxy(None)
}

/// Like [`http_client`], but for servers outside the platform: HTTPS requests go through `proxy`, if there is one.
pub fn http_client_with_proxy(proxy: Option<reqwest::Proxy>) -> reqwest::Client {
    let builder = http_client_builder(IDLE_CONNECTIONS);
    build_client(match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    })
}

/// Like [`http_client`], but keeps up to `connections` idle connections to each server, if this is more than the
/// default.
pub fn http_client_with_connections(connections: usize) -> reqwest::Client {
    build_client(http_client_builder(connections.max(IDLE_CONNECTIONS)))
}

/// Like [`http_client`], but with a time limit for each request.
pub fn http_client_with_timeout(timeout: Duration) -> reqwest::Client {
    build_client(http_client_builder(IDLE_CONNECTIONS).timeout(timeout))
}

fn http_client_builder(idle_connections: usize) -> reqwest::ClientBuilder {
    // Fails if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(idle_connections)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

fn build_client(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("a client with these settings can be built")
}

/// Calls one service, authenticated by the token of the calling service. Clones share the connections and the current instance.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    http: reqwest::Client,
    pub(super) service: &'static str,
    pub(super) instances: Instances,
    pub(super) token: CallerToken,
}

impl ServiceClient {
    pub fn new(
        http: reqwest::Client,
        service: &'static str,
        urls: impl Into<ServiceUrls>,
        token: impl Into<CallerToken>,
    ) -> Self {
        Self { http, service, instances: Instances::new(urls), token: token.into() }
    }

    /// Sends `body` as JSON to `path`, which may contain a query, and parses the JSON of the response. Retries for at most
    /// `deadline`, if `retry` permits it.
    pub async fn call_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        retry: Retry,
        deadline: Duration,
    ) -> Result<T, CallError> {
        self.parse_response(&self.call_bytes(method, path, body, retry, deadline).await?)
    }

    /// Like [`ServiceClient::call_json`], but returns the bytes of the response. They are empty for a 204.
    pub async fn call_bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        retry: Retry,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        self.call(method, path, body, retry, deadline).await.result
    }

    pub fn parse_response<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, CallError> {
        serde_json::from_slice(bytes).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()))
    }

    /// Serializes a request to the service, or a value derived from its response.
    pub fn to_json(&self, value: &impl Serialize) -> Result<Bytes, CallError> {
        let json = serde_json::to_vec(value);
        json.map(Bytes::from).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()))
    }

    /// Like [`ServiceClient::call_bytes`], but also returns whether an earlier attempt got no response.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        retry: Retry,
        deadline: Duration,
    ) -> CallOutcome {
        let body = match body.map(|body| self.to_json(body)).transpose() {
            Ok(body) => body,
            Err(error) => return CallOutcome { result: Err(error), unanswered: false },
        };
        let attempt = |remaining| self.send_once(method.clone(), path, body.clone(), remaining);
        call_with_retries(self.instances.count(), retry, deadline, attempt).await
    }

    /// Opens an endless response and returns its bytes as they arrive. Not retried.
    ///
    /// `open_timeout` applies only until the response begins. The reader has to detect a stream that becomes silent.
    pub async fn open_stream(
        &self,
        path: &str,
        open_timeout: Duration,
    ) -> Result<impl Stream<Item = reqwest::Result<Bytes>> + Send + use<>, CallError> {
        let instance = self.instances.current();
        // The timeout also covers the body of a problem.
        let opening = async {
            let response = self.send(instance, Method::GET, path, None, None).await?;
            if response.status().is_success() {
                return Ok(response.bytes_stream());
            }
            let not_a_problem = || {
                let reason = "a status that is neither a success nor a problem".to_owned();
                CallError::InvalidResponse(self.service, reason)
            };
            Err(self.read_response(response).await.err().unwrap_or_else(not_a_problem))
        };
        let timed_out =
            || CallError::InvalidResponse(self.service, format!("the stream did not begin within {open_timeout:?}"));
        let opened = tokio::time::timeout(open_timeout, opening).await.unwrap_or_else(|_| Err(timed_out()));
        opened.inspect_err(|_| self.instances.switch_from(instance))
    }

    pub(super) fn request(
        &self,
        instance: Instance<'_>,
        token: &Secret,
        method: Method,
        path: &str,
    ) -> Result<(reqwest::RequestBuilder, CallSpan), CallError> {
        let url =
            instance.url.join(path).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()))?;
        let context = RequestContext::current();
        let span = CallSpan::begin(context.as_ref(), self.service, &method, &url);
        let request = span.add_headers(self.http.request(method, url).bearer_auth(token.expose()));
        let request = match context {
            Some(context) => request.header(RequestId::HEADER, context.id.as_str()),
            None => request,
        };
        Ok((request, span))
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let instance = self.instances.current();
        let result = match self.send(instance, method, path, body, Some(timeout)).await {
            Ok(response) => self.read_response(response).await,
            Err(error) => Err(error),
        };
        result.inspect_err(|error| {
            if error.concerns_instance() {
                self.instances.switch_from(instance);
            }
        })
    }

    /// Sends a request to an instance. If the server rejects the token and there is a fallback token, sends the request again with the
    /// fallback token. A rejected request has no effect.
    pub(super) async fn send(
        &self,
        instance: Instance<'_>,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<reqwest::Response, CallError> {
        let send_with = async |token: &Secret| {
            let (mut request, span) = self.request(instance, token, method.clone(), path)?;
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            if let Some(body) = body.clone() {
                request = request.header("content-type", "application/json").body(body);
            }
            self.execute(request, span).await
        };
        let response = send_with(self.token.token()).await?;
        match self.token.fallback() {
            Some(fallback) if response.status() == StatusCode::UNAUTHORIZED => send_with(fallback).await,
            _ => Ok(response),
        }
    }

    /// Sends a request that [`Self::request`] has built. The span ends when the response begins.
    pub(super) async fn execute(
        &self,
        request: reqwest::RequestBuilder,
        span: CallSpan,
    ) -> Result<reqwest::Response, CallError> {
        let result = request.send().await.map_err(|error| CallError::of_transport(self.service, error));
        span.end(result.as_ref().map(reqwest::Response::status));
        result
    }

    fn token_refused(&self, refusal: TokenRefusal) -> CallError {
        let caller = Caller::named_by(self.token.token().expose());
        CallError::TokenRefused(self.service, caller.map_or("this service", Caller::as_str), refusal)
    }

    async fn read_response(&self, response: reqwest::Response) -> Result<Bytes, CallError> {
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.map_err(|error| CallError::of_transport(self.service, error))?;
        if status.is_success() {
            return Ok(bytes);
        }
        match Problem::from_json(&bytes, retry_after.map(Duration::from_secs)) {
            // A server that refuses the token of a request has not processed the request.
            _ if status == StatusCode::UNAUTHORIZED => Err(self.token_refused(TokenRefusal::Unknown)),
            Some(Problem { code: Code::Forbidden, .. }) => Err(self.token_refused(TokenRefusal::NotPermitted)),
            Some(problem) => Err(CallError::Problem(self.service, Box::new(problem))),
            None => Err(CallError::InvalidResponse(self.service, format!("status {status} without a problem"))),
        }
    }
}

#[cfg(test)]
mod tests;
