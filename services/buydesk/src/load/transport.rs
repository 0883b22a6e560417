//! Sends prepared requests with little overhead per request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{api::Problem, clients::http_client_with_connections, config::Secret, ids::IdempotencyKey};
use reqwest::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;

use super::workload::Failure;
use crate::client::Endpoint;

/// A client for many requests to one service, all with the same credential.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    /// The detail of the first problem document with each code. Clones share it.
    details: Arc<Mutex<BTreeMap<String, String>>>,
}

/// A successful response.
#[derive(Debug)]
pub struct Reply {
    pub body: Vec<u8>,
    /// Whether an earlier request with the same key made the change.
    pub replayed: bool,
}

/// A request to which [`Transport::send`] can add an idempotency key.
#[derive(Debug)]
pub struct PreparedRequest(Request);

impl Transport {
    /// A client that keeps up to `connections` idle connections open, or the default number if that is higher.
    pub fn new(connections: usize, timeout: Duration, credential: Option<&Secret>) -> anyhow::Result<Self> {
        let bearer = |secret: &Secret| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose()))?;
            value.set_sensitive(true);
            Ok::<_, reqwest::header::InvalidHeaderValue>(value)
        };
        let authorization = credential.map(bearer).transpose()?;
        let http = http_client_with_connections(connections);
        Ok(Self { http, authorization, timeout, details: Arc::default() })
    }

    /// The detail of the first problem document with this code.
    pub fn first_detail(&self, code: &str) -> Option<String> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).get(code).cloned()
    }

    pub fn get(&self, endpoint: &Endpoint, path: &str) -> anyhow::Result<PreparedRequest> {
        self.prepare(Method::GET, endpoint, path)
    }

    pub fn post(&self, endpoint: &Endpoint, path: &str, body: &impl Serialize) -> anyhow::Result<PreparedRequest> {
        let PreparedRequest(mut request) = self.prepare(Method::POST, endpoint, path)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(serde_json::to_vec(body)?.into());
        Ok(PreparedRequest(request))
    }

    fn prepare(&self, method: Method, endpoint: &Endpoint, path: &str) -> anyhow::Result<PreparedRequest> {
        let mut request = Request::new(method, endpoint.url(path)?);
        *request.timeout_mut() = Some(self.timeout);
        request.headers_mut().extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        Ok(PreparedRequest(request))
    }

    /// Sends the request, with this key if there is one. Fails if the status is not a success.
    pub async fn send(&self, request: &PreparedRequest, key: Option<&str>) -> Result<Reply, Failure> {
        let no_response = |error: reqwest::Error| Failure { code: describe(&error).to_owned(), status: None };
        // The body is not a stream, so the request can be cloned.
        let mut request = request.0.try_clone().unwrap_or_else(|| unreachable!("the body is in memory"));
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
            request.headers_mut().insert(IdempotencyKey::HEADER, key);
        }
        let response = self.http.execute(request).await.map_err(no_response)?;
        let status = response.status();
        let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
        let body = response.bytes().await.map_err(no_response)?;
        if status.is_success() {
            return Ok(Reply { body: body.to_vec(), replayed });
        }
        let code = match Problem::from_json(&body, None) {
            Some(problem) => {
                let code = problem.code.as_str().to_owned();
                let mut details = self.details.lock().unwrap_or_else(PoisonError::into_inner);
                details.entry(code.clone()).or_insert_with(|| problem.detail.into_owned());
                code
            }
            None => "no_problem_document".to_owned(),
        };
        Err(Failure { code, status: Some(status.as_u16()) })
    }
}

/// The reason why there is no response, as a code.
fn describe(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "not_connected"
    } else {
        "connection_lost"
    }
}
