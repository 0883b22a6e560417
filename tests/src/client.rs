//! An HTTP client for tests, and responses with assertions.

use std::time::Duration;

use bytes::Bytes;
use common::clients::http_client;
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;

/// The timeout of a request. Services respond within this time even while a dependency is unavailable.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum number of bytes of a request body that a failed assertion shows.
const SHOWN_BODY_BYTES: usize = 200;

/// Sends requests to any service.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    token: String,
}

impl Client {
    /// A client whose internal requests carry this token.
    pub fn new(token: impl Into<String>) -> Self {
        Self { http: http_client(), token: token.into() }
    }

    /// Builds a request for [`send`] or [`try_send`].
    pub fn request(&self, method: &str, url: impl AsRef<str>) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, url.as_ref()).timeout(RESPONSE_TIMEOUT)
    }

    pub async fn get(&self, url: impl AsRef<str>) -> Response {
        send(self.request("GET", url)).await
    }

    /// A GET with the internal token.
    pub async fn get_internal(&self, url: impl AsRef<str>) -> Response {
        send(self.request("GET", url).bearer_auth(&self.token)).await
    }

    pub async fn post(&self, url: impl AsRef<str>, json: impl Into<String>) -> Response {
        send(self.json(url, json)).await
    }

    /// A POST with the internal token.
    pub async fn post_internal(&self, url: impl AsRef<str>, json: impl Into<String>) -> Response {
        send(self.json(url, json).bearer_auth(&self.token)).await
    }

    /// Builds a POST of JSON for [`send`] or [`try_send`].
    pub fn json(&self, url: impl AsRef<str>, json: impl Into<String>) -> RequestBuilder {
        self.request("POST", url).header("content-type", "application/json").body(json.into())
    }
}

/// Follows `_links.next` from `path` to the last page. Returns the elements of `data` of all pages, in order. `get`
/// returns the page of a path.
pub async fn all_pages(path: &str, mut get: impl AsyncFnMut(String) -> Value) -> Vec<Value> {
    let (mut elements, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(path).await;
        elements.extend(page["data"].as_array().unwrap().iter().cloned());
        next = page["_links"]["next"].as_str().map(str::to_owned);
    }
    elements
}

/// Sends a request. Panics when no response arrives.
pub async fn send(request: RequestBuilder) -> Response {
    try_send(request).await.unwrap_or_else(|error| panic!("no response: {error:?}"))
}

/// Sends a request to a service that may be unavailable.
pub async fn try_send(request: RequestBuilder) -> reqwest::Result<Response> {
    let (http, request) = request.build_split();
    let request = request?;
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BODY_BYTES)]).into_owned();
    let request_line = format!("{} {} {body}", request.method(), request.url());
    let response = http.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Response { request_line, status, headers, body: response.bytes().await? })
}

#[derive(Debug, Clone)]
pub struct Response {
    /// The request of this response, for messages of failed assertions.
    request_line: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Request and response, for messages of failed assertions.
    pub fn description(&self) -> String {
        format!("{}\n{} {}", self.request_line, self.status, self.text())
    }

    /// The status and the problem, for a comparison with the response for another id: `request_id` and `instance` are
    /// set to null, and `id` is replaced by a placeholder.
    pub fn comparable(&self, id: &str) -> (u16, String) {
        let mut problem: Value = serde_json::from_slice(&self.body).unwrap();
        problem["request_id"] = Value::Null;
        problem["instance"] = Value::Null;
        (self.status, problem.to_string().replace(id, "ID"))
    }

    /// The JSON body. Panics unless the response has this status and a JSON body.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.description());
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.description());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem document. Panics unless the response has this status and code and all required fields. The request
    /// id must equal the id in the header. `Retry-After` must be present with 429 and 503, and absent otherwise.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let text = self.description();
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["code"], code, "{text}");
        assert_eq!(problem["status"], status, "{text}");
        assert_eq!(problem["type"], format!("/errors#{code}"), "{text}");
        for field in ["title", "detail", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing: {text}");
        }
        assert_eq!(self.header("x-request-id"), problem["request_id"].as_str(), "{text}");
        let retry_after = self.header("retry-after").map(|seconds| seconds.parse::<u32>().unwrap());
        assert_eq!(retry_after.is_some(), status == 429 || status == 503, "Retry-After {retry_after:?}: {text}");
        problem
    }

    /// Asserts a 422 that names exactly these fields, in any order.
    #[track_caller]
    pub fn invalid_fields(&self, fields: &[&str]) {
        let problem = self.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let mut actual: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        let mut expected = fields.to_vec();
        actual.sort_unstable();
        expected.sort_unstable();
        assert_eq!(actual, expected, "{}", self.description());
    }
}
