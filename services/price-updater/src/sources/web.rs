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
    budget::Limits,
    gate::Gate,
    transport::{RawPage, Transport, TransportError},
};

/// Exchanges want to know who asks; some refuse clients that do not say.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");

/// The way to one source.
pub(crate) struct Web {
    transport: Arc<dyn Transport>,
    base: String,
    headers: HeaderMap,
    gate: Gate,
}

/// What came back, whatever the status.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Whether exchange-sim gave the answer.
    pub(crate) simulated: bool,
    /// How long it wants to be left alone, where it says so.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Web {
    /// A path in `base` stays in front of every path that is asked for.
    pub(crate) fn new(transport: Arc<dyn Transport>, base: Url, limits: Limits) -> Self {
        let base = String::from(base).trim_end_matches('/').to_owned();
        let headers = [(header::USER_AGENT, USER_AGENT), (header::ACCEPT, "application/json, application/xml;q=0.9")];
        let headers = headers.map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value)));
        Self { transport, base, headers: headers.into_iter().collect(), gate: Gate::new(limits) }
    }

    /// Gets `path`, which starts with a slash and may have a query, and reads what came back.
    ///
    /// Sends nothing where the source permits no request now: [`SourceError::Paused`]. Where the answer says that fewer are
    /// wanted (by its status, or by what `read` makes of it), none is sent for as long as it says.
    pub(crate) async fn get<T>(
        &self,
        path: &str,
        deadline: Instant,
        read: impl FnOnce(&Page) -> Result<T, SourceError>,
    ) -> Result<Told<T>, SourceError> {
        let url = format!("{}{path}", self.base).parse::<Url>().map_err(SourceError::garbled)?;
        self.gate.take().map_err(SourceError::Paused)?;
        let answer = timeout_at(deadline, self.transport.get(&url, &self.headers)).await;
        let page: Page = answer.map_err(|_| SourceError::Timeout)??.into();
        let result = read(&page);
        self.heed(&page, result.as_ref().err());
        Ok(Told { told: result?, simulated: page.simulated })
    }

    /// How many requests may be sent now.
    pub(crate) fn budget_left(&self) -> u32 {
        self.gate.left()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Leaves the source alone if that is what the answer asks for.
    fn heed(&self, page: &Page, error: Option<&SourceError>) {
        let wanted = match error {
            Some(SourceError::RateLimited { retry_after }) => Some(retry_after.or(page.retry_after)),
            // Some say 503, or 403 from the guard in front of them, when they mean the same.
            _ if !page.is_success() && page.retry_after.is_some() => Some(page.retry_after),
            _ => matches!(page.status, 403 | 418 | 429).then_some(None),
        };
        match wanted {
            Some(wait) => {
                let pause = self.gate.pause(wait);
                tracing::debug!(base = self.base, status = page.status, ?pause, "a source is left alone");
            }
            None if error.is_none() => self.gate.answered(),
            None => {}
        }
    }
}

/// What was read from an answer.
#[derive(Debug)]
pub(crate) struct Told<T> {
    pub(crate) told: T,
    pub(crate) simulated: bool,
}

impl From<RawPage> for Page {
    fn from(RawPage { status, headers, body }: RawPage) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let simulated = text("x-simulated").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self { status, simulated, retry_after: retry_after(&headers), body }
    }
}

/// How long an answer with these headers wants its sender to be left alone, where it says so.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    read_wait(text("retry-after")?, text("date"))
}

/// Seconds, or a date of HTTP (RFC 9110, section 10.2.3). A date is compared with the answer's own where it has one, for
/// the clocks of two machines differ.
fn read_wait(wait: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = wait.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let read = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|date| Timestamp::from(date.to_utc()));
    let now = date.and_then(read).unwrap_or_else(Timestamp::now);
    Some(read(wait)?.since(now))
}

impl From<TransportError> for SourceError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Unreachable(why) => Self::Unreachable(why),
            TransportError::TooLarge => Self::garbled(error),
        }
    }
}

impl Page {
    /// A page with no headers, for tests and fuzzing of what a source reads.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        RawPage { status, body: body.to_owned().into(), ..RawPage::default() }.into()
    }

    fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The page, where the status is a success.
    pub(crate) fn success(&self) -> Result<&Self, SourceError> {
        match self.status {
            _ if self.is_success() => Ok(self),
            status => self.not_limited().and(Err(SourceError::Status(status))),
        }
    }

    /// The error where the status says that fewer requests are wanted.
    pub(crate) fn not_limited(&self) -> Result<&Self, SourceError> {
        match self.status {
            418 | 429 => Err(SourceError::RateLimited { retry_after: self.retry_after }),
            _ => Ok(self),
        }
    }

    pub(crate) fn text(&self) -> Result<&str, SourceError> {
        std::str::from_utf8(&self.body).map_err(SourceError::garbled)
    }

    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body).map_err(SourceError::garbled)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::{Response, endpoint::make_sync};

    use super::*;
    use crate::sources::transport::{InProcess, Network};

    const LIMITS: Limits = Limits { calls: 5, window: Duration::from_secs(5), pause: Duration::from_secs(60) };

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    /// A source that always answers so, and how often it was asked.
    fn source(status: u16, headers: &'static [(&'static str, &'static str)]) -> (Web, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let endpoint = make_sync(move |request| {
            assert_eq!(request.uri().path(), "/kraken/x");
            assert!(request.header("user-agent").unwrap().starts_with("buydesk/"));
            count.fetch_add(1, Ordering::SeqCst);
            let response = Response::builder().status(status.try_into().unwrap());
            headers.iter().fold(response, |response, &(name, value)| response.header(name, value)).body("told")
        });
        let base = "http://exchange/kraken/".parse().unwrap();
        (Web::new(Arc::new(InProcess::new(endpoint)), base, LIMITS), asked)
    }

    async fn get(web: &Web) -> Result<Bytes, SourceError> {
        web.get("/x", soon(), |page| page.success().map(|page| page.body.clone())).await.map(|told| told.told)
    }

    #[test]
    fn statuses_are_told_apart() {
        assert!(Page::of(200, "").success().is_ok());
        for status in [418, 429] {
            assert_eq!(Page::of(status, "").success().unwrap_err(), SourceError::RateLimited { retry_after: None });
        }
        for status in [301, 403, 500, 520] {
            assert_eq!(Page::of(status, "").success().unwrap_err(), SourceError::Status(status));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let network = Network(common::clients::http_client());
        let web = Web::new(Arc::new(network), "http://127.0.0.1:1".parse().unwrap(), LIMITS);
        let result = get(&web).await;
        assert!(matches!(result, Err(SourceError::Unreachable(_))), "{result:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_asked_than_is_permitted() {
        let (web, asked) = source(200, &[("x-simulated", "true")]);
        assert!(web.get("/x", soon(), |_| Ok(())).await.unwrap().simulated);
        for _ in 0..10 {
            let _ = get(&web).await;
        }
        assert_eq!((asked.load(Ordering::SeqCst), web.budget_left()), (5, 0));
        assert_eq!(get(&web).await, Err(SourceError::Paused(Duration::from_secs(5))));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(web.budget_left(), 5);
        assert!(get(&web).await.is_ok());
    }

    /// For so long nothing is asked after this answer, and then it is.
    async fn left_alone(status: u16, headers: &'static [(&'static str, &'static str)], seconds: u64) {
        let (web, asked) = source(status, headers);
        get(&web).await.unwrap_err();
        tokio::time::advance(Duration::from_millis(seconds * 1000 - 1)).await;
        assert!(matches!(get(&web).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
        assert_eq!((asked.load(Ordering::SeqCst), web.budget_left()), (1, 0));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!matches!(get(&web).await, Err(SourceError::Paused(_))), "{status} {headers:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_wants_fewer_requests_is_left_alone() {
        const DATED: &[(&str, &str)] =
            &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT"), ("date", "Fri, 02 Jan 2026 03:04:05 GMT")];
        left_alone(429, &[("retry-after", "90")], 90).await;
        left_alone(418, &[("retry-after", "259200")], 259_200).await;
        left_alone(503, &[("retry-after", "7")], 7).await;
        left_alone(429, &[("retry-after", "0")], 1).await;
        // It does not say for how long.
        left_alone(429, &[], 60).await;
        left_alone(418, &[("retry-after", "soon")], 60).await;
        left_alone(403, &[], 60).await;
        // Whatever clock this machine has.
        left_alone(429, DATED, 120).await;
        left_alone(429, &[("retry-after", "Fri, 02 Jan 2026 03:06:05 GMT")], 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_adapter_reads_as_too_many_requests_counts_too() {
        let (web, asked) = source(200, &[]);
        let limited = |_: &Page| Err::<(), _>(SourceError::RateLimited { retry_after: Some(Duration::from_secs(9)) });
        web.get("/x", soon(), limited).await.unwrap_err();
        assert_eq!(get(&web).await, Err(SourceError::Paused(Duration::from_secs(9))));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
