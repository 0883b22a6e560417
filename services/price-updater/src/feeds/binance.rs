//! Binance's combined stream: `/stream?streams=btcusdt@bookTicker/btcusdt@ticker`, 1024 streams a connection.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>. `bookTicker` has neither a type
//! nor a time and is put in order by `u`; `ticker` comes once a second with the last trade in `c`. Keys differ by case
//! alone (`c` is a price, `C` a time). A stream that does not exist is silent and nobody says so. A connection lives a day
//! at most; before a restart `serverShutdown` is sent. The server pings every 20 s, and 5 messages a second may be sent to
//! it, pings included.

use std::time::Duration;

use common::money::{DecimalText, Direction};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    event::{Event, Order, Told},
    protocol::{Limits, Probe, Protocol},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "binance",
    url_variable: "BINANCE_WS_URL",
    default_url: "wss://data-stream.binance.vision",
    path: "/stream",
    query: |symbols| {
        let streams = symbols.iter().map(|symbol| {
            let symbol = symbol.to_ascii_lowercase();
            format!("{symbol}@bookTicker/{symbol}@ticker")
        });
        Some(format!("streams={}", streams.collect::<Vec<_>>().join("/")))
    },
    symbol: |Direction { base, quote }| format!("{base}{quote}"),
    subscribe: |_| Vec::new(),
    read,
    limits: Limits {
        silence: Duration::from_secs(8),
        probe: Some((Duration::from_secs(3), Probe::Ping)),
        max_life: Some(Duration::from_hours(23)),
        book_keeps: None,
    },
};

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// The type of an event that has no wrapper.
    e: Option<String>,
    code: Option<i64>,
    msg: Option<String>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    msg: Option<String>,
}

#[derive(Deserialize)]
struct Kind {
    e: Option<String>,
}

#[derive(Deserialize)]
struct BookTicker {
    u: u64,
    s: String,
    b: DecimalText,
    a: DecimalText,
}

#[derive(Deserialize)]
struct Ticker {
    #[serde(rename = "E")]
    time: u64,
    s: String,
    c: DecimalText,
}

/// What a text means.
pub(super) fn read(text: &str) -> Result<Vec<Event>, SourceError> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(SourceError::garbled)?;
    let event = match frame {
        Frame { stream: Some(_), data: Some(data), .. } => told(data.get())?,
        Frame { error: Some(Refusal { msg }), .. } | Frame { code: Some(_), msg, .. } => refused(msg),
        Frame { e: Some(_), .. } => told(text)?,
        _ => Event::Nothing,
    };
    Ok(vec![event])
}

fn refused(msg: Option<String>) -> Event {
    Event::Refused(msg.unwrap_or_else(|| "without a reason".to_owned()))
}

fn told(data: &str) -> Result<Event, SourceError> {
    let kind: Kind = serde_json::from_str(data).map_err(SourceError::garbled)?;
    match kind.e.as_deref() {
        Some("serverShutdown") => Ok(Event::GoingAway),
        Some("24hrTicker") => {
            let Ticker { time, s, c } = serde_json::from_str(data).map_err(SourceError::garbled)?;
            let order = Some(Order::Time(time));
            Ok(Event::Told(Told { symbol: s, last: Some(c), book: None, order, trade: None }))
        }
        Some(_) => Ok(Event::Nothing),
        None => {
            let BookTicker { u, s, b, a } = serde_json::from_str(data).map_err(SourceError::garbled)?;
            let order = Some(Order::Number(u));
            Ok(Event::Told(Told { symbol: s, last: None, book: Some((b, a)), order, trade: None }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":700100200,"s":"BTCUSDT","b":"61234.55000000",
        "B":"1.2","a":"61234.56000000","A":"0.8"}}"#;
    const TICKER: &str = r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1700000000123,"s":"BTCUSDT",
        "p":"-94.99","w":"61200.1","x":"61230.00","c":"61234.56","Q":"0.1","b":"61234.55","B":"1","a":"61234.57","A":"2",
        "C":1700000000120,"F":1,"L":2,"n":3}}"#;

    fn one(text: &str) -> Event {
        let mut events = read(text).unwrap();
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    #[test]
    fn keys_that_differ_by_case_alone_are_told_apart() {
        let Event::Told(book) = one(BOOK) else { panic!() };
        assert_eq!((book.symbol.as_str(), book.last, book.order), ("BTCUSDT", None, Some(Order::Number(700_100_200))));
        assert_eq!(book.book, Some(("61234.55000000".into(), "61234.56000000".into())));
        let Event::Told(ticker) = one(TICKER) else { panic!() };
        assert_eq!((ticker.last, ticker.book), (Some("61234.56".into()), None));
        assert_eq!(ticker.order, Some(Order::Time(1_700_000_000_123)));
    }

    #[test]
    fn a_shutdown_is_told_with_and_without_a_wrapper() {
        for text in [
            r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1700000000123}}"#,
            r#"{"e":"serverShutdown","E":1700000000123}"#,
        ] {
            assert_eq!(one(text), Event::GoingAway);
        }
    }

    #[test]
    fn answers_to_requests_are_told_apart() {
        assert_eq!(one(r#"{"result":null,"id":1}"#), Event::Nothing);
        let refused = Event::Refused("Invalid request: unknown".to_owned());
        assert_eq!(one(r#"{"code":2,"msg":"Invalid request: unknown","id":1}"#), refused);
        assert_eq!(one(r#"{"error":{"code":2,"msg":"Invalid request: unknown"},"id":1}"#), refused);
        let other = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1"}}"#;
        assert_eq!(one(other), Event::Nothing);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in ["", "pong", "[]", "null", &BOOK[..90], r#"{"stream":"x","data":{"u":1,"s":"BTCUSDT","b":null}}"#] {
            assert!(matches!(read(text), Err(SourceError::Garbled(_))), "{text}");
        }
    }

    #[test]
    fn streams_are_named_in_lower_case_and_symbols_in_upper() {
        let symbol = (PROTOCOL.symbol)("BTC-USDT".parse().unwrap());
        assert_eq!(symbol, "BTCUSDT");
        assert_eq!((PROTOCOL.query)(&[symbol]).unwrap(), "streams=btcusdt@bookTicker/btcusdt@ticker");
    }
}
