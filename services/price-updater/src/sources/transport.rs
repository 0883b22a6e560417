//! Sends HTTP requests to sources: over the network, or in tests to an endpoint in the same process.

use std::{error::Error, fmt};

use async_trait::async_trait;
use bytes::Bytes;
use common::{error_chain::plain_text, io_errors::UNKNOWN_HOST};
use poem::{
    Endpoint, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Uri},
};
use url::Url;

/// Maximum size of a response body, in bytes. The largest known body is Bitstamp's list of all pairs, about 100 KiB.
const MAX_BODY: usize = 1024 * 1024;

/// An HTTP response with any status.
#[derive(Debug, Clone, Default)]
pub struct RawResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error("{0}")]
    Unreachable(String),
    #[error("it has more than {MAX_BODY} bytes")]
    TooLarge,
}

#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one GET request and does not follow redirects. The caller cancels the request at its deadline.
    async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<RawResponse, TransportError>;
}

impl fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// Sends requests over the network.
pub(crate) struct Network(pub(crate) reqwest::Client);

#[async_trait]
impl Transport for Network {
    async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<RawResponse, TransportError> {
        let request = self.0.get(url.clone()).headers(headers.clone());
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawResponse { status: response.status().as_u16(), headers: response.headers().clone(), body: body.into() })
    }
}

/// Reports the innermost cause, such as a refused connection or an unknown host. The outer causes add no information.
fn unreachable(error: &reqwest::Error) -> TransportError {
    TransportError::Unreachable(innermost_cause(error))
}

/// The innermost cause of a failed connection, as text.
pub(crate) fn innermost_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // The standard library has no `ErrorKind` for a failed name lookup.
    if cause.to_string().starts_with("failed to lookup address information") {
        return UNKNOWN_HOST.to_owned();
    }
    plain_text(cause)
}

/// Calls an endpoint in this process, without a network and without real time. Used in tests.
pub struct InProcess(BoxEndpoint<'static, Response>);

impl InProcess {
    pub fn new(endpoint: impl Endpoint<Output: IntoResponse> + 'static) -> Self {
        Self(poem::EndpointExt::boxed(poem::EndpointExt::map_to_response(endpoint)))
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<RawResponse, TransportError> {
        let failed = |error: &dyn Error| TransportError::Unreachable(error.to_string());
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::builder().uri(target.parse::<Uri>().map_err(|error| failed(&error))?).finish();
        *request.headers_mut() = headers.clone();
        let mut response = self.0.get_response(request).await;
        let body = response.take_body().into_bytes_limit(MAX_BODY).await.map_err(|_| TransportError::TooLarge)?;
        Ok(RawResponse { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}
