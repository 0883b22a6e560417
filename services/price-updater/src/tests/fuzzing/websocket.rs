//! An exchange's websocket with texts of the fuzzer's making.
//!
//! An input is text: a line with a letter for the exchange, in the order of the protocols, and then a line for each thing
//! that is heard. Its first character says how many seconds passed before it, `0` to `9`, or with `~` that the connection
//! was made anew; the rest is the text.
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

/// As long as the feed gives a ticker as an answer.
const FRESH: Duration = Duration::from_secs(5);

/// Lets one feed hear what the input says.
///
/// # Panics
/// Where the feed does, or where it accepts what it must not.
pub fn websocket(input: &[u8]) {
    hear(input);
}

/// Whether prices were told and then given.
pub(super) fn hear(input: &[u8]) -> bool {
    let input = String::from_utf8_lossy(input);
    let mut lines = input.lines();
    let Some(exchange) = lines.next().and_then(|line| line.bytes().next()) else { return false };
    let protocol = &PROTOCOLS[usize::from(exchange.wrapping_sub(b'a')) % PROTOCOLS.len()];
    let asked: [CurrencyPair; 3] =
        ["BTC-USD", "BTC-USDT", "ETH-EUR"].map(|name| name.parse().expect("it is a direction"));
    let names = asked.map(|direction| ((protocol.symbol)(direction), direction));
    let mut cache = TickerCache::new(names.into(), protocol.timeouts.book_validity);
    let mut now = Timestamp::from_micros(NOW_MICROS).expect("it is inside the calendar");
    let (mut told, mut given) = (false, false);
    cache.start_connection(true);
    for line in lines {
        let mut text = line.chars();
        match text.next() {
            Some('~') => cache.start_connection(true),
            Some(seconds) => now = now.plus(Duration::from_secs(seconds.to_digit(10).unwrap_or(0).into())),
            None => continue,
        }
        match (protocol.parse)(text.as_str()) {
            Ok(events) => told |= events.iter().any(|event| cache.apply(event, now) == ApplyResult::Updated),
            Err(error) => check_error(&error),
        }
        let tickers = cache.tickers(now, FRESH).tickers;
        for (direction, ticker) in &tickers {
            assert!(asked.contains(direction), "{direction}");
            assert!(ticker.observed_at <= now && now.since(ticker.observed_at) <= FRESH, "{ticker:?}");
            check_ticker(ticker);
        }
        assert!(told || tickers.is_empty(), "a price that nobody told");
        given |= !tickers.is_empty();
    }
    told && given
}
