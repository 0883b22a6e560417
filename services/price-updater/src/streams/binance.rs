//! Binance's combined streams: `/stream?streams=btcusdt@bookTicker/btcusdt@ticker`, up to 1024 streams for each
//! connection.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>. A `bookTicker` has no type
//! and no time; `u` is its sequence number. A `ticker` is sent once a second, with the last trade in `c`. Some JSON
//! keys differ only in case: `c` is a price, `C` is a time. A stream that does not exist sends nothing, not even an
//! error.
//!
//! A connection is closed after a day. Before a restart the server sends `serverShutdown`. The server sends a ping
//! frame every 20 s. 5 messages a second from the client are permitted, ping frames included.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    protocol::{Probe, ProbeMessage, Protocol, StreamTimeouts},
    stream_event::{BidAskText, Sequence, StreamEvent, TickerUpdate},
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
    subscribe_messages: |_| Vec::new(),
    parse,
    timeouts: StreamTimeouts {
        message_timeout: Duration::from_secs(8),
        probe: Some(Probe { after: Duration::from_secs(3), message: ProbeMessage::PingFrame }),
        max_connection_age: Some(Duration::from_hours(23)),
        book_validity: None,
    },
};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// The type of an event that is not wrapped in `stream` and `data`.
    e: Option<String>,
    code: Option<i64>,
    msg: Option<String>,
    error: Option<ErrorJson>,
}

#[derive(Deserialize)]
struct ErrorJson {
    msg: Option<String>,
}

#[derive(Deserialize)]
struct EventType {
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

pub(super) fn parse(text: &str) -> Result<Vec<StreamEvent>, SourceError> {
    let message: Message<'_> = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    let event = match message {
        Message { stream: Some(_), data: Some(data), .. } => parse_event(data.get())?,
        Message { error: Some(ErrorJson { msg }), .. } | Message { code: Some(_), msg, .. } => {
            StreamEvent::RequestRefused(msg.unwrap_or_else(|| "without a reason".to_owned()))
        }
        Message { e: Some(_), .. } => parse_event(text)?,
        _ => StreamEvent::Ignored,
    };
    Ok(vec![event])
}

fn parse_event(json: &str) -> Result<StreamEvent, SourceError> {
    let EventType { e } = serde_json::from_str(json).map_err(SourceError::invalid_response)?;
    match e.as_deref() {
        Some("serverShutdown") => Ok(StreamEvent::ShutdownAnnounced),
        Some("24hrTicker") => {
            let TickerJson { time, s, c } = serde_json::from_str(json).map_err(SourceError::invalid_response)?;
            let sequence = Some(Sequence::Time(time));
            Ok(StreamEvent::TickerUpdate(TickerUpdate {
                symbol: s,
                last: Some(c),
                bid_ask: None,
                sequence,
                trade_id: None,
            }))
        }
        Some(_) => Ok(StreamEvent::Ignored),
        None => {
            let BookTicker { u, s, b, a } = serde_json::from_str(json).map_err(SourceError::invalid_response)?;
            let (bid_ask, sequence) = (Some(BidAskText { bid: b, ask: a }), Some(Sequence::Number(u)));
            Ok(StreamEvent::TickerUpdate(TickerUpdate { symbol: s, last: None, bid_ask, sequence, trade_id: None }))
        }
    }
}

#[cfg(test)]
mod tests;
