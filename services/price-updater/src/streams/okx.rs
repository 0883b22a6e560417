//! OKX: channel `tickers`, told at each change, at most every 100 ms.
//!
//! Format: <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-tickers-channel>. Everything is a string, `ts`
//! is milliseconds in one. `ping` and `pong` are plain texts and not frames: a connection on which nothing came for 30 s is
//! closed, so it is asked before. The notice 64008 says that the server is about to be replaced.
//!
//! 480 subscriptions an hour are permitted on a connection; each pair is subscribed to by itself, so that one that is not
//! known fails alone.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;

use super::{
    event::{Event, Order, Told},
    protocol::{Probe, Protocol, StreamTimeouts},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "okx",
    url_variable: "OKX_WS_URL",
    default_url: "wss://ws.okx.com:8443",
    path: "/ws/v5/public",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}-{quote}"),
    subscribe: |symbols| {
        let one = |symbol: &String| {
            serde_json::json!({ "op": "subscribe", "args": [{ "channel": "tickers", "instId": symbol }] }).to_string()
        };
        symbols.iter().map(one).collect()
    },
    read,
    limits: StreamTimeouts {
        silence: Duration::from_secs(8),
        probe: Some((Duration::from_secs(3), Probe::Text("ping"))),
        max_life: None,
        book_keeps: None,
    },
};

/// What the server is about to be replaced is announced by.
const UPGRADE: &str = "64008";
const TICKERS: &str = "tickers";

#[derive(Deserialize)]
struct Frame {
    event: Option<String>,
    /// Text, and in some errors a number.
    code: Option<DecimalText>,
    msg: Option<String>,
    arg: Option<Channel>,
    data: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Channel {
    channel: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    inst_id: String,
    last: DecimalText,
    ask_px: DecimalText,
    bid_px: DecimalText,
    ts: DecimalText,
}

/// What a text means.
pub(super) fn read(text: &str) -> Result<Vec<Event>, SourceError> {
    if text == "pong" {
        return Ok(vec![Event::Beat(None)]);
    }
    let frame: Frame = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    match (frame.event.as_deref(), frame.data) {
        (Some("error"), _) => Ok(vec![Event::Refused(frame.msg.unwrap_or_else(|| "without a reason".to_owned()))]),
        (Some("notice"), _) if frame.code.as_ref().is_some_and(|code| code.as_str() == UPGRADE) => {
            Ok(vec![Event::GoingAway])
        }
        (None, Some(rows)) if frame.arg.is_some_and(|arg| arg.channel == TICKERS) => {
            rows.into_iter().map(told).collect()
        }
        (Some(_), _) | (None, Some(_)) => Ok(vec![Event::Nothing]),
        (None, None) => Err(SourceError::invalid_response("it has neither an event nor data")),
    }
}

fn told(row: Row) -> Result<Event, SourceError> {
    let time = row.ts.as_str().parse().map_err(|_| SourceError::invalid_response("a time is no whole number"))?;
    Ok(Event::Told(Told {
        symbol: row.inst_id,
        last: Some(row.last),
        book: Some((row.bid_px, row.ask_px)),
        order: Some(Order::Time(time)),
        trade: None,
    }))
}

#[cfg(test)]
mod tests;
