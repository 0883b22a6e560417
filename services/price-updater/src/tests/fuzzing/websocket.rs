//! Applies the messages in the input to the ticker cache of one exchange's stream.
//!
//! An input is text. The first line is a letter for the exchange in the order of [`PROTOCOLS`]. Each further line is a
//! message. The line begins with a digit, the seconds that pass before the message, or with `~` if a new connection
//! begins before the message.
//!
//! ```text
//! b
//! 0{"type":"ticker","sequence":7,"product_id":"BTC-USD","price":"61234.56","trade_id":5}
//! 4{"type":"heartbeat","sequence":8,"last_trade_id":5,"product_id":"BTC-USD"}
//! ```

use std::time::Duration;

use common::{money::CurrencyPair, time::Timestamp};

use super::{NOW_MICROS, check_error, check_ticker};
use crate::streams::{
    PROTOCOLS,
    ticker_cache::{ApplyResult, TickerCache},
};

/// How long a ticker is reported after its last confirmation, as in the service.
const MAX_TICKER_AGE: Duration = Duration::from_secs(5);

/// Applies the messages of one input.
///
/// # Panics
/// If the parser panics, or if the cache reports an invalid price.
pub fn websocket(input: &[u8]) {
    apply_messages(input);
}

/// Returns whether the cache accepted and reported a ticker.
pub(super) fn apply_messages(input: &[u8]) -> bool {
    let input = String::from_utf8_lossy(input);
    let mut lines = input.lines();
    let Some(exchange) = lines.next().and_then(|line| line.bytes().next()) else { return false };
    let protocol = &PROTOCOLS[usize::from(exchange.wrapping_sub(b'a')) % PROTOCOLS.len()];
    let pairs: [CurrencyPair; 3] = ["BTC-USD", "BTC-USDT", "ETH-EUR"].map(|name| name.parse().expect("a valid pair"));
    let pairs_by_symbol = pairs.map(|pair| ((protocol.symbol)(pair), pair));
    let mut cache = TickerCache::new(pairs_by_symbol.into(), protocol.timeouts.book_validity);
    let mut now = Timestamp::from_micros(NOW_MICROS).expect("the time is valid");
    let (mut accepted, mut reported) = (false, false);
    cache.start_connection(true);
    for line in lines {
        let mut message = line.chars();
        match message.next() {
            Some('~') => cache.start_connection(true),
            Some(seconds) => now = now.plus(Duration::from_secs(seconds.to_digit(10).unwrap_or(0).into())),
            None => continue,
        }
        match (protocol.parse)(message.as_str()) {
            Ok(events) => accepted |= events.iter().any(|event| cache.apply_event(event, now) == ApplyResult::Updated),
            Err(error) => check_error(&error),
        }
        let tickers = cache.tickers(now, MAX_TICKER_AGE).tickers;
        for (pair, ticker) in &tickers {
            assert!(pairs.contains(pair), "{pair}");
            assert!(ticker.observed_at <= now && now.since(ticker.observed_at) <= MAX_TICKER_AGE, "{ticker:?}");
            check_ticker(ticker);
        }
        assert!(accepted || tickers.is_empty(), "the cache reports a price that was not sent");
        reported |= !tickers.is_empty();
    }
    accepted && reported
}
