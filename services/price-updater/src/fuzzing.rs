//! What a fuzzer calls: every adapter with an answer of its making, and every feed with texts of its making. Not part of
//! the service.
//!
//! An input of [`http`] is text, so that seeds can be read and written by people: a letter for the source, in the order of the built-in
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

pub use crate::feeds::websocket;
use crate::{
    quote::Quote,
    sources::{Answer, Ask, BUILT_IN, RawPage, SourceError, Transport, TransportError},
};

/// What the digits stand for.
const STATUSES: [u16; 10] = [200, 400, 403, 404, 418, 422, 429, 500, 503, 520];
/// Within two weeks of the days in the seeds.
pub(crate) const NOW_MICROS: i64 = 1_767_441_600_000_000;
/// The longest text of an error: what is quoted in it is bounded.
const MAX_ERROR: usize = 300;

/// Always answers the same.
struct Same(RawPage);

#[async_trait]
impl Transport for Same {
    async fn get(&self, _: &Url, _: &HeaderMap) -> Result<RawPage, TransportError> {
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
    let built_in = &BUILT_IN[source % BUILT_IN.len()];
    let line = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (retry_after, body) = rest.split_at(line);
    let mut page = RawPage { status: STATUSES[status % STATUSES.len()], ..RawPage::default() };
    page.body = body.get(1..).unwrap_or_default().to_vec().into();
    if !retry_after.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(retry_after)
    {
        page.headers.insert(HeaderName::from_static("retry-after"), value);
    }

    let base = Url::parse(built_in.default_url).expect("a default address is right");
    let source = built_in.build(Arc::new(Same(page)), base);
    let now = Timestamp::from_micros(NOW_MICROS).expect("it is inside the calendar");
    let ask = Ask { wanted: source.directions(), now, deadline: Instant::now() + Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
    match runtime.block_on(source.ask(ask)) {
        Ok(Answer { quotes, faults, .. }) => {
            for (direction, quote) in &quotes {
                assert!(source.directions().contains(direction) && !faults.contains_key(direction), "{direction}");
                // An index says how old it is.
                let told_age = built_in.kind == CourseKind::Index && quote.observed_at <= now;
                assert!(quote.kind == built_in.kind && (told_age || quote.observed_at == now), "{quote:?}");
                check_quote(quote);
            }
            faults.values().for_each(check_error);
        }
        Err(error) => check_error(&error),
    }
}

pub(crate) fn check_quote(quote: &Quote) {
    let (bid, ask) = quote.book.unwrap_or((quote.course(), quote.course()));
    assert!(bid <= ask && bid <= quote.vote() && quote.vote() <= ask, "{quote:?}");
    for rate in [bid, ask, quote.course(), quote.vote()] {
        assert!(rate.hundred_millionths() > 0, "{quote:?}");
    }
}

pub(crate) fn check_error(error: &SourceError) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.chars().count() <= MAX_ERROR, "{text}");
    assert!(!error.kind().is_empty());
}

#[cfg(test)]
mod tests;
