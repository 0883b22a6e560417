//! What a fuzzer calls: every adapter with an answer of its making, and every feed with texts of its making. Not part of
//! the service.

mod http;
#[cfg(test)]
mod tests;
mod websocket;

use crate::sources::{SourceError, Ticker};
pub use http::http;
pub use websocket::websocket;

/// Within two weeks of the days in the seeds.
const NOW_MICROS: i64 = 1_767_441_600_000_000;
/// The longest text of an error: what is quoted in it is bounded.
const MAX_ERROR: usize = 300;

fn check_ticker(ticker: &Ticker) {
    let (bid, ask) = ticker.book.unwrap_or((ticker.course(), ticker.course()));
    assert!(bid <= ask && bid <= ticker.vote() && ticker.vote() <= ask, "{ticker:?}");
    for rate in [bid, ask, ticker.course(), ticker.vote()] {
        assert!(rate.hundred_millionths() > 0, "{ticker:?}");
    }
}

fn check_error(error: &SourceError) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.chars().count() <= MAX_ERROR, "{text}");
    assert!(!error.kind().is_empty());
}
