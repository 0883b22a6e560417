//! Polls one source. Every request receives the response in the input.
//!
//! An input is text, so that people can read and write it. It consists of a letter for the source in the order of
//! [`SOURCES`], a digit for the status in the order of [`STATUSES`], the value of `Retry-After` up to the end of the
//! line, and the body.
//!
//! ```text
//! a6120
//! {"code":-1003,"msg":"Too much request weight used"}
//! ```

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{api::courses::CourseKind, time::Timestamp};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::{NOW_MICROS, check_error, check_ticker};
use crate::sources::{PollReply, PollRequest, RawResponse, SOURCES, Transport, TransportError};

const STATUSES: [u16; 10] = [200, 400, 403, 404, 418, 422, 429, 500, 503, 520];

struct FixedResponse(RawResponse);

#[async_trait]
impl Transport for FixedResponse {
    async fn get(&self, _: &Url, _: &HeaderMap) -> Result<RawResponse, TransportError> {
        Ok(self.0.clone())
    }
}

/// Polls one source with one response.
///
/// # Panics
/// If the source panics or accepts an invalid price.
pub fn http(input: &[u8]) {
    let [source, status, rest @ ..] = input else { return };
    let [source, status] = [source.wrapping_sub(b'a'), status.wrapping_sub(b'0')].map(usize::from);
    let definition = &SOURCES[source % SOURCES.len()];
    let line_end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (retry_after, body) = rest.split_at(line_end);
    let mut response = RawResponse { status: STATUSES[status % STATUSES.len()], ..RawResponse::default() };
    response.body = body.get(1..).unwrap_or_default().to_vec().into();
    if !retry_after.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(retry_after)
    {
        response.headers.insert(HeaderName::from_static("retry-after"), value);
    }

    let base_url = Url::parse(definition.default_url).expect("the default URL is valid");
    let source = definition.build(Arc::new(FixedResponse(response)), base_url);
    let now = Timestamp::from_micros(NOW_MICROS).expect("the time is valid");
    let request = PollRequest { pairs: source.pairs(), now, deadline: Instant::now() + Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("the runtime starts");
    match runtime.block_on(source.poll(request)) {
        Ok(PollReply { tickers, errors, .. }) => {
            for (pair, ticker) in &tickers {
                assert!(source.pairs().contains(pair) && !errors.contains_key(pair), "{pair}");
                // Only an index may report an earlier time.
                let is_earlier_index = definition.kind == CourseKind::Index && ticker.observed_at <= now;
                assert!(
                    ticker.kind == definition.kind && (is_earlier_index || ticker.observed_at == now),
                    "{ticker:?}"
                );
                check_ticker(ticker);
            }
            errors.values().for_each(check_error);
        }
        Err(error) => check_error(&error),
    }
}
