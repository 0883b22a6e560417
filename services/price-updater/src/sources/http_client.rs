//! The HTTP client of one source. It enforces the rate limits of the source, and backs off if the source reports a rate
//! limit or sends an error with `Retry-After`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use common::time::Timestamp;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    SourceError,
    rate_limiter::{RateLimiter, RateLimits},
    transport::{RawResponse, Transport, TransportError},
};

/// Identifies the service: some exchanges refuse requests without a user agent.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");

pub(crate) struct SourceHttpClient {
    transport: Arc<dyn Transport>,
    /// The base URL, without a slash at its end.
    base_url: String,
    headers: HeaderMap,
    rate_limiter: RateLimiter,
}

/// An HTTP response with any status.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    /// Whether exchange-sim sent the response.
    pub(crate) simulated: bool,
    /// The waiting time in the `Retry-After` header.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// A value that was parsed from a response.
#[derive(Debug)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// Whether exchange-sim sent the response.
    pub(crate) simulated: bool,
}

impl SourceHttpClient {
    /// A path in `base_url` is kept as a prefix of every request path.
    pub(crate) fn new(transport: Arc<dyn Transport>, base_url: Url, rate_limits: RateLimits) -> Self {
        let base_url = String::from(base_url).trim_end_matches('/').to_owned();
        let headers = [(header::USER_AGENT, USER_AGENT), (header::ACCEPT, "application/json, application/xml;q=0.9")];
        let headers = headers.map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value)));
        let rate_limiter = RateLimiter::new(rate_limits);
        Self { transport, base_url, headers: headers.into_iter().collect(), rate_limiter }
    }

    /// Sends a GET request for `path` and parses the response. `path` starts with a slash and can have a query.
    ///
    /// # Errors
    /// [`SourceError::Paused`] if the rate limiter permits no request now; nothing is sent. [`SourceError::Timeout`] if the
    /// response is not complete at `deadline`. Also returns the errors of the transport and of `parse`.
    pub(crate) async fn get<T>(
        &self,
        path: &str,
        deadline: Instant,
        parse: impl FnOnce(&HttpResponse) -> Result<T, SourceError>,
    ) -> Result<Fetched<T>, SourceError> {
        let url = format!("{}{path}", self.base_url).parse::<Url>().map_err(SourceError::invalid_response)?;
        self.rate_limiter.try_acquire().map_err(SourceError::Paused)?;
        let response = timeout_at(deadline, self.transport.get(&url, &self.headers)).await;
        let response: HttpResponse = response.map_err(|_| SourceError::Timeout)??.into();
        let result = parse(&response);
        self.apply_backoff(&response, result.as_ref().err());
        Ok(Fetched { value: result?, simulated: response.simulated })
    }

    pub(crate) fn rate_limiter(&self) -> &RateLimiter {
        &self.rate_limiter
    }

    /// Backs off if the response reports a rate limit, or is an error with `Retry-After`. Resets the default backoff
    /// after a valid response.
    fn apply_backoff(&self, response: &HttpResponse, error: Option<&SourceError>) {
        let backoff = match error {
            Some(SourceError::RateLimited { retry_after }) => Some(retry_after.or(response.retry_after)),
            // Some exchanges report a rate limit as 503, or as 403 from their firewall.
            _ if !response.is_success() && response.retry_after.is_some() => Some(response.retry_after),
            _ => matches!(response.status, 403 | 418 | 429).then_some(None),
        };
        match backoff {
            Some(retry_after) => {
                let wait = self.rate_limiter.back_off(retry_after);
                tracing::debug!(base_url = self.base_url, status = response.status, ?wait, "backing off from a source");
            }
            None if error.is_none() => self.rate_limiter.record_success(),
            None => {}
        }
    }
}

impl From<RawResponse> for HttpResponse {
    fn from(RawResponse { status, headers, body }: RawResponse) -> Self {
        let simulated = header_text(&headers, "x-simulated").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self { status, simulated, retry_after: retry_after(&headers), body }
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The waiting time in the `Retry-After` header.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    parse_retry_after(header_text(headers, "retry-after")?, header_text(headers, "date"))
}

/// Parses seconds or an HTTP date (RFC 9110, section 10.2.3). A date is compared with the `Date` header of the
/// response, if present, because the clocks of two machines differ.
fn parse_retry_after(retry_after: &str, response_date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = retry_after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parse = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| Timestamp::from(date.to_utc()));
    let now = response_date.and_then(parse).unwrap_or_else(Timestamp::now);
    Some(parse(retry_after)?.since(now))
}

impl From<TransportError> for SourceError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Unreachable(cause) => Self::unreachable(&cause),
            TransportError::TooLarge => Self::invalid_response(error),
        }
    }
}

impl HttpResponse {
    fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Returns an error unless the status is 2xx.
    pub(crate) fn require_success(&self) -> Result<&Self, SourceError> {
        if self.is_success() {
            return Ok(self);
        }
        self.reject_rate_limited().and(Err(SourceError::Status(self.status)))
    }

    /// Returns an error if the status reports a rate limit. Binance uses 418 for a banned IP address.
    pub(crate) fn reject_rate_limited(&self) -> Result<&Self, SourceError> {
        match self.status {
            418 | 429 => Err(SourceError::RateLimited { retry_after: self.retry_after }),
            _ => Ok(self),
        }
    }

    pub(crate) fn text(&self) -> Result<&str, SourceError> {
        std::str::from_utf8(&self.body).map_err(SourceError::invalid_response)
    }

    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body).map_err(SourceError::invalid_response)
    }
}

#[cfg(test)]
mod tests;
