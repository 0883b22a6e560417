//! One GET to an exchange: bounded in time and size, with a name of ours on it.

use std::{error::Error, time::Duration};

use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::SourceError;

/// Exchanges want to know who asks; some refuse clients that do not say.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");
/// Largest answer that is read, in bytes. A ticker of a handful of pairs has less than 4 KiB.
const MAX_ANSWER: usize = 256 * 1024;
/// Longest wait that a source can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The way to one exchange.
pub(crate) struct Web {
    http: reqwest::Client,
    base: String,
}

/// What came back, whatever the status.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Whether exchange-sim gave the answer.
    pub(crate) simulated: bool,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Web {
    /// A path in `base` stays in front of every path that is asked for.
    pub(crate) fn new(http: reqwest::Client, base: Url) -> Self {
        Self { http, base: String::from(base).trim_end_matches('/').to_owned() }
    }

    /// Gets `path`, which starts with a slash and may have a query.
    pub(crate) async fn get(&self, path: &str, deadline: Instant) -> Result<Page, SourceError> {
        timeout_at(deadline, self.fetch(path)).await.unwrap_or(Err(SourceError::Timeout))
    }

    async fn fetch(&self, path: &str) -> Result<Page, SourceError> {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = request.header("user-agent", USER_AGENT).header("accept", "application/json");
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let simulated = header("x-simulated").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(SourceError::garbled(format_args!("it has more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let retry_after = retry_after.map(|wait| wait.min(MAX_RETRY_AFTER));
        Ok(Page { status: response.status().as_u16(), simulated, retry_after, body })
    }
}

impl Page {
    /// A page with status 200, for tests of what a source reads.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self { status, simulated: false, retry_after: None, body: body.as_bytes().to_vec() }
    }

    /// The page, where the status is a success.
    pub(crate) fn success(&self) -> Result<&Self, SourceError> {
        match self.status {
            200..=299 => Ok(self),
            429 => Err(SourceError::RateLimited { retry_after: self.retry_after }),
            status => Err(SourceError::Status(status)),
        }
    }

    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body).map_err(SourceError::garbled)
    }
}

/// The innermost cause says most: refused, reset, no such host.
fn unreachable(error: &reqwest::Error) -> SourceError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    SourceError::Unreachable(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_base_is_kept() {
        for base in ["http://127.0.0.1:8090/kraken", "http://127.0.0.1:8090/kraken/"] {
            let web = Web::new(common::clients::http_client(), base.parse().unwrap());
            assert_eq!(web.base, "http://127.0.0.1:8090/kraken");
        }
    }

    #[test]
    fn statuses_are_told_apart() {
        assert!(Page::of(200, "").success().is_ok());
        assert_eq!(Page::of(429, "").success().unwrap_err(), SourceError::RateLimited { retry_after: None });
        for status in [301, 403, 500, 520] {
            assert_eq!(Page::of(status, "").success().unwrap_err(), SourceError::Status(status));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let web = Web::new(common::clients::http_client(), "http://127.0.0.1:1".parse().unwrap());
        let result = web.get("/x", Instant::now() + Duration::from_secs(5)).await;
        assert!(matches!(result, Err(SourceError::Unreachable(_))), "{result:?}");
    }
}
