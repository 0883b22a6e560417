//! The way to one source: every request of its adapter goes through here, so that none is sent that it does not permit.

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
    budget::RateLimits,
    rate_limiter::RateLimiter,
    transport::{RawResponse, Transport, TransportError},
};

/// Exchanges want to know who asks; some refuse clients that do not say.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");

/// The way to one source.
pub(crate) struct SourceHttpClient {
    transport: Arc<dyn Transport>,
    base: String,
    headers: HeaderMap,
    gate: RateLimiter,
}

/// What came back, whatever the status.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    /// Whether exchange-sim gave the answer.
    pub(crate) simulated: bool,
    /// How long it wants to be left alone, where it says so.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl SourceHttpClient {
    /// A path in `base` stays in front of every path that is asked for.
    pub(crate) fn new(transport: Arc<dyn Transport>, base: Url, limits: RateLimits) -> Self {
        let base = String::from(base).trim_end_matches('/').to_owned();
        let headers = [(header::USER_AGENT, USER_AGENT), (header::ACCEPT, "application/json, application/xml;q=0.9")];
        let headers = headers.map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value)));
        Self { transport, base, headers: headers.into_iter().collect(), gate: RateLimiter::new(limits) }
    }

    /// Gets `path`, which starts with a slash and may have a query, and reads what came back.
    ///
    /// Sends nothing where the source permits no request now: [`SourceError::Paused`]. Where the answer says that fewer are
    /// wanted (by its status, or by what `parse` makes of it), none is sent for as long as it says.
    pub(crate) async fn get<T>(
        &self,
        path: &str,
        deadline: Instant,
        parse: impl FnOnce(&HttpResponse) -> Result<T, SourceError>,
    ) -> Result<Fetched<T>, SourceError> {
        let url = format!("{}{path}", self.base).parse::<Url>().map_err(SourceError::invalid_response)?;
        self.gate.take().map_err(SourceError::Paused)?;
        let answer = timeout_at(deadline, self.transport.get(&url, &self.headers)).await;
        let response: HttpResponse = answer.map_err(|_| SourceError::Timeout)??.into();
        let result = parse(&response);
        self.apply_backoff(&response, result.as_ref().err());
        Ok(Fetched { value: result?, simulated: response.simulated })
    }

    /// How many requests may be sent now.
    pub(crate) fn budget_left(&self) -> u32 {
        self.gate.left()
    }

    pub(crate) fn rate_limiter(&self) -> &RateLimiter {
        &self.gate
    }

    /// Leaves the source alone if that is what the answer asks for.
    fn apply_backoff(&self, response: &HttpResponse, error: Option<&SourceError>) {
        let wanted = match error {
            Some(SourceError::RateLimited { retry_after }) => Some(retry_after.or(response.retry_after)),
            // Some say 503, or 403 from the guard in front of them, when they mean the same.
            _ if !response.is_success() && response.retry_after.is_some() => Some(response.retry_after),
            _ => matches!(response.status, 403 | 418 | 429).then_some(None),
        };
        match wanted {
            Some(wait) => {
                let pause = self.gate.pause(wait);
                tracing::debug!(base = self.base, status = response.status, ?pause, "a source is left alone");
            }
            None if error.is_none() => self.gate.answered(),
            None => {}
        }
    }
}

/// What was read from an answer.
#[derive(Debug)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    pub(crate) simulated: bool,
}

impl From<RawResponse> for HttpResponse {
    fn from(RawResponse { status, headers, body }: RawResponse) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let simulated = text("x-simulated").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self { status, simulated, retry_after: retry_after(&headers), body }
    }
}

/// How long an answer with these headers wants its sender to be left alone, where it says so.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    parse_retry_after(text("retry-after")?, text("date"))
}

/// Seconds, or a date of HTTP (RFC 9110, section 10.2.3). A date is compared with the answer's own where it has one, for
/// the clocks of two machines differ.
fn parse_retry_after(wait: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = wait.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let parse = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| Timestamp::from(date.to_utc()));
    let now = date.and_then(parse).unwrap_or_else(Timestamp::now);
    Some(parse(wait)?.since(now))
}

impl From<TransportError> for SourceError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Unreachable(why) => Self::Unreachable(why),
            TransportError::TooLarge => Self::invalid_response(error),
        }
    }
}

impl HttpResponse {
    /// A response with no headers, for tests and fuzzing of what a source reads.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        RawResponse { status, body: body.to_owned().into(), ..RawResponse::default() }.into()
    }

    fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The response, where the status is a success.
    pub(crate) fn require_success(&self) -> Result<&Self, SourceError> {
        match self.status {
            _ if self.is_success() => Ok(self),
            status => self.reject_rate_limited().and(Err(SourceError::Status(status))),
        }
    }

    /// The error where the status says that fewer requests are wanted.
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
