//! The entry points of the fuzz targets. Not part of the service.

mod http;
#[cfg(test)]
mod tests;
mod websocket;

use crate::sources::{BidAsk, SourceError, Ticker};
pub use http::http;
pub use websocket::websocket;

/// The time at which every input starts. It is at most two weeks after the dates in the corpus, because official rates
/// expire after two weeks.
const NOW_MICROS: i64 = 1_767_441_600_000_000;
/// Maximum length of an error message, in characters. A message can quote a response.
const MAX_ERROR: usize = 300;

fn check_ticker(ticker: &Ticker) {
    let course = ticker.course();
    let BidAsk { bid, ask } = ticker.bid_ask.unwrap_or(BidAsk { bid: course, ask: course });
    assert!(bid <= ask && bid <= ticker.vote() && ticker.vote() <= ask, "{ticker:?}");
    for rate in [bid, ask, ticker.course(), ticker.vote()] {
        assert!(rate.hundred_millionths() > 0, "{ticker:?}");
    }
}

fn check_error(error: &SourceError) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.chars().count() <= MAX_ERROR, "{message}");
    assert!(!error.kind().is_empty());
}
