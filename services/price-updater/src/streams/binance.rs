//! Binance's combined stream: `/stream?streams=btcusdt@bookTicker/btcusdt@ticker`, 1024 streams a connection.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>. `bookTicker` has neither a type
//! nor a time and is put in order by `u`; `ticker` comes once a second with the last trade in `c`. Keys differ by case
//! alone (`c` is a price, `C` a time). A stream that does not exist is silent and nobody says so. A connection lives a day
//! at most; before a restart `serverShutdown` is sent. The server pings every 20 s, and 5 messages a second may be sent to
//! it, pings included.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    event::{Event, Order, Told},
    protocol::{Probe, Protocol, StreamTimeouts},
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
    symbol: |CurrencyPair { base, quote }| format!("{base}{quote}"),
    subscribe: |_| Vec::new(),
    read,
    limits: StreamTimeouts {
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
struct TickerJson {
    #[serde(rename = "E")]
    time: u64,
    s: String,
    c: DecimalText,
}

/// What a text means.
pub(super) fn read(text: &str) -> Result<Vec<Event>, SourceError> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
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
    let kind: Kind = serde_json::from_str(data).map_err(SourceError::invalid_response)?;
    match kind.e.as_deref() {
        Some("serverShutdown") => Ok(Event::GoingAway),
        Some("24hrTicker") => {
            let TickerJson { time, s, c } = serde_json::from_str(data).map_err(SourceError::invalid_response)?;
            let order = Some(Order::Time(time));
            Ok(Event::Told(Told { symbol: s, last: Some(c), book: None, order, trade: None }))
        }
        Some(_) => Ok(Event::Nothing),
        None => {
            let BookTicker { u, s, b, a } = serde_json::from_str(data).map_err(SourceError::invalid_response)?;
            let order = Some(Order::Number(u));
            Ok(Event::Told(Told { symbol: s, last: None, book: Some((b, a)), order, trade: None }))
        }
    }
}

#[cfg(test)]
mod tests;
