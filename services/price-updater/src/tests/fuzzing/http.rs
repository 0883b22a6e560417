//! A source that reads an answer of the fuzzer's making.
//!
//! An input is text, so that seeds can be read and written by people: a letter for the source, in the order of the built-in
//! ones, a digit for the status, the value of `Retry-After` if any up to the end of the line, and then the body.
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

/// What the digits stand for.
const STATUSES: [u16; 10] = [200, 400, 403, 404, 418, 422, 429, 500, 503, 520];

/// Always answers the same.
struct Same(RawResponse);

#[async_trait]
impl Transport for Same {
    async fn get(&self, _: &Url, _: &HeaderMap) -> Result<RawResponse, TransportError> {
        Ok(self.0.clone())
    }
}

/// Lets one source read one answer.
///
/// # Panics
/// Where the source does, or where it accepts what it must not.
pub fn http(input: &[u8]) {
    let [source, status, rest @ ..] = input else { return };
    let [source, status] = [source.wrapping_sub(b'a'), status.wrapping_sub(b'0')].map(usize::from);
    let built_in = &SOURCES[source % SOURCES.len()];
    let line = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (retry_after, body) = rest.split_at(line);
    let mut page = RawResponse { status: STATUSES[status % STATUSES.len()], ..RawResponse::default() };
    page.body = body.get(1..).unwrap_or_default().to_vec().into();
    if !retry_after.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(retry_after)
    {
        page.headers.insert(HeaderName::from_static("retry-after"), value);
    }

    let base = Url::parse(built_in.default_url).expect("a default address is right");
    let source = built_in.build(Arc::new(Same(page)), base);
    let now = Timestamp::from_micros(NOW_MICROS).expect("it is inside the calendar");
    let request = PollRequest { pairs: source.pairs(), now, deadline: Instant::now() + Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
    match runtime.block_on(source.poll(request)) {
        Ok(PollReply { tickers, errors, .. }) => {
            for (direction, ticker) in &tickers {
                assert!(source.pairs().contains(direction) && !errors.contains_key(direction), "{direction}");
                // An index says how old it is.
                let told_age = built_in.kind == CourseKind::Index && ticker.observed_at <= now;
                assert!(ticker.kind == built_in.kind && (told_age || ticker.observed_at == now), "{ticker:?}");
                check_ticker(ticker);
            }
            errors.values().for_each(check_error);
        }
        Err(error) => check_error(&error),
    }
}
