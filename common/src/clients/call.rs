//! How a service calls another: one connection pool, one deadline in all, and retries only where they are safe.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use poem::http::{Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    api::{Code, Problem},
    concurrency::backoff::Backoff,
    config::Secret,
    ids::RequestId,
    request_context::RequestContext,
};

/// Before a retry: see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// How long a service is waited for that nothing was sent to yet: a restart takes less.
const UNREACHABLE_PATIENCE: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections kept to one server; a group of orders needs one at a time, reads a few.
const IDLE_CONNECTIONS: usize = 64;

/// Why a call to another service brought no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request never got there: nothing happened.
    #[error("{0} cannot be reached")]
    Unreachable(&'static str, #[source] reqwest::Error),
    /// The request may have arrived, but no answer came back: what happened is not known.
    #[error("{0} did not answer")]
    NoResponse(&'static str, #[source] reqwest::Error),
    /// The service answered with a problem.
    #[error("{0} answered: {1}")]
    Problem(&'static str, Box<Problem>),
    /// The answer is not what the service is known to say.
    #[error("{0} gave an answer that cannot be read: {1}")]
    InvalidResponse(&'static str, String),
}

/// How a call ended.
#[derive(Debug)]
pub struct CallOutcome {
    pub result: Result<Bytes, CallError>,
    /// Whether an earlier try may have arrived and was not answered: what the result says is then true of the last try
    /// alone.
    pub unanswered: bool,
}

/// Whether a request may be sent again after no answer came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Sending it twice is as good as once: a read, or an order with a key.
    Safe,
    /// Only where it is certain that it never arrived.
    OnlyIfNotSent,
}

/// The one place that decides whether a failed call is sent again.
fn may_retry(error: &CallError, retry: Retry) -> bool {
    match error {
        CallError::Unreachable(..) => true,
        CallError::NoResponse(..) => retry == Retry::Safe,
        // Its own answer is its decision; it says itself when to come back.
        CallError::Problem(..) | CallError::InvalidResponse(..) => false,
    }
}

/// A pool of connections to be shared by every client of a process.
pub fn http_client() -> reqwest::Client {
    // Fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client with these settings can be built")
}

/// Calls one service, with the internal token.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    http: reqwest::Client,
    service: &'static str,
    base: Url,
    token: Secret,
}

impl ServiceClient {
    pub fn new(http: reqwest::Client, service: &'static str, base: Url, token: Secret) -> Self {
        Self { http, service, base, token }
    }

    /// Sends `body` as JSON to `path` (which may have a query) and reads the answer as JSON. Tries again while `deadline`
    /// allows and it is safe.
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

    /// As [`ServiceClient::call_json`], with the answer unread: empty for a 204.
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

    /// Reads an answer of the service as JSON.
    pub fn parse_response<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, CallError> {
        serde_json::from_slice(bytes).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()))
    }

    /// Writes what is sent to the service, or made of its answer, as JSON.
    pub fn to_json(&self, value: &impl Serialize) -> Result<Bytes, CallError> {
        let written =
            serde_json::to_vec(value).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()));
        written.map(Bytes::from)
    }

    /// As [`ServiceClient::call_bytes`], with what is known of earlier tries.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        retry: Retry,
        deadline: Duration,
    ) -> CallOutcome {
        let mut unanswered = false;
        let body = match body.map(|body| self.to_json(body)).transpose() {
            Ok(body) => body,
            Err(error) => return CallOutcome { result: Err(error), unanswered },
        };
        let start = Instant::now();
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
        loop {
            let left = deadline.saturating_sub(start.elapsed());
            let error = match self.send_once(method.clone(), path, body.clone(), left).await {
                Ok(bytes) => return CallOutcome { result: Ok(bytes), unanswered },
                Err(error) => error,
            };
            let wait = backoff.next_delay();
            let patience = if unanswered { deadline } else { deadline.min(UNREACHABLE_PATIENCE) };
            let patience = if matches!(error, CallError::Unreachable(..)) { patience } else { deadline };
            if !may_retry(&error, retry) || start.elapsed() + wait >= patience {
                return CallOutcome { result: Err(error), unanswered };
            }
            unanswered |= matches!(error, CallError::NoResponse(..));
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens an answer that does not end: its bytes as they arrive. `limit` is for its beginning alone; whoever reads it has
    /// to notice when nothing comes any more. Not tried again.
    pub async fn open_stream(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<impl Stream<Item = reqwest::Result<Bytes>> + Send + use<>, CallError> {
        // Holds for what is read of an answer that is a problem too; a stream goes on without a limit.
        let opening = async {
            let response =
                self.request(Method::GET, path)?.send().await.map_err(|error| self.transport_error(error))?;
            if response.status().is_success() {
                return Ok(response.bytes_stream());
            }
            let garbled =
                || CallError::InvalidResponse(self.service, "a status that is neither success nor problem".to_owned());
            Err(self.read_response(response).await.err().unwrap_or_else(garbled))
        };
        let late = || CallError::InvalidResponse(self.service, format!("no beginning of a stream within {limit:?}"));
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| Err(late()))
    }

    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, CallError> {
        let url = self.base.join(path).map_err(|error| CallError::InvalidResponse(self.service, error.to_string()))?;
        let request = self.http.request(method, url).bearer_auth(self.token.expose());
        Ok(match RequestContext::current() {
            Some(current) => request.header(RequestId::HEADER, current.id.as_str()),
            None => request,
        })
    }

    fn transport_error(&self, error: reqwest::Error) -> CallError {
        if error.is_connect() || error.is_builder() {
            CallError::Unreachable(self.service, error)
        } else {
            CallError::NoResponse(self.service, error)
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        left: Duration,
    ) -> Result<Bytes, CallError> {
        let mut request = self.request(method, path)?.timeout(left);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| self.transport_error(error))?;
        self.read_response(response).await
    }

    async fn read_response(&self, response: reqwest::Response) -> Result<Bytes, CallError> {
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.map_err(|error| self.transport_error(error))?;
        if status.is_success() {
            return Ok(bytes);
        }
        match Problem::from_json(&bytes, retry_after.map(Duration::from_secs)) {
            Some(problem) => Err(CallError::Problem(self.service, Box::new(problem))),
            None => Err(CallError::InvalidResponse(self.service, format!("status {status} with no problem in it"))),
        }
    }
}

impl CallError {
    /// What the caller's own client is told, and nothing of the cause. `what` is the code where the service is not there.
    pub fn to_problem(&self, what: Code) -> Problem {
        match self {
            // A 503 of a service behind is ours too, with its own word of when to come back.
            Self::Problem(_, problem) if problem.code.status() == StatusCode::SERVICE_UNAVAILABLE => {
                (**problem).clone()
            }
            // What answers in its place (a proxy before it), and a token that is being changed, pass as an absence does.
            Self::Unreachable(service, _) | Self::NoResponse(service, _) | Self::InvalidResponse(service, _) => {
                unavailable(what, service)
            }
            Self::Problem(service, problem) if problem.code == Code::Unauthorized => unavailable(what, service),
            Self::Problem(..) => Problem::internal(),
        }
    }

    /// The error with its causes, for the log.
    pub fn chain(&self) -> String {
        crate::error_chain::format_chain(self)
    }
}

fn unavailable(what: Code, service: &str) -> Problem {
    Problem::new(what, format!("The service {service} does not answer; try again in a moment."))
}

#[cfg(test)]
mod tests;
