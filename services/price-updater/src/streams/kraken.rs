//! Kraken's second websocket form: channel `ticker`, told with every change of the best bid or ask.
//!
//! Format: <https://docs.kraken.com/api/docs/websocket-v2/ticker>. Numbers are JSON numbers here, while they are strings
//! over HTTP: they are read from their text. Pairs are `BTC/USD` and not `XBT/USD`. First comes a message of the channel
//! `status`, then for each pair an answer to the subscription of its own, a `snapshot` and `update`s of the same form; a
//! heartbeat comes about once a second while nothing else does. There is no sequence; rows carry a time.

use std::time::Duration;

use common::{
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    event::{Event, Order, Told},
    protocol::{Protocol, StreamTimeouts},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "kraken",
    url_variable: "KRAKEN_WS_URL",
    default_url: "wss://ws.kraken.com",
    path: "/v2",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}/{quote}"),
    subscribe: |symbols| {
        let params = serde_json::json!(
            { "channel": "ticker", "symbol": symbols, "event_trigger": "bbo", "snapshot": true }
        );
        vec![serde_json::json!({ "method": "subscribe", "params": params, "req_id": 1 }).to_string()]
    },
    read,
    limits: StreamTimeouts { silence: Duration::from_secs(5), probe: None, max_life: None, book_keeps: None },
};

#[derive(Deserialize)]
struct Frame<'a> {
    channel: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    method: Option<String>,
    success: Option<bool>,
    error: Option<String>,
    symbol: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    system: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    symbol: String,
    bid: Option<DecimalText>,
    ask: Option<DecimalText>,
    last: Option<DecimalText>,
    timestamp: Option<Timestamp>,
}

/// What a text means.
pub(super) fn read(text: &str) -> Result<Vec<Event>, SourceError> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    match (frame.channel.as_deref(), frame.data) {
        (Some("ticker"), Some(data)) => {
            let rows: Vec<Row> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
            rows.into_iter().map(told).collect()
        }
        (Some("ticker"), None) => Err(SourceError::invalid_response("a ticker has no data")),
        (Some("heartbeat"), _) => Ok(vec![Event::Beat(None)]),
        (Some("status"), Some(data)) => {
            let all: Vec<Status> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
            let closed = all.into_iter().filter_map(|status| status.system).find(|system| system != "online");
            Ok(vec![closed.map_or(Event::Nothing, Event::Closed)])
        }
        (Some(_), _) => Ok(vec![Event::Nothing]),
        (None, _) if frame.success == Some(false) => {
            let parts = [frame.error, frame.symbol].into_iter().flatten();
            Ok(vec![Event::Refused(parts.collect::<Vec<_>>().join(": "))])
        }
        (None, _) if frame.method.is_some() => Ok(vec![Event::Nothing]),
        (None, _) => Err(SourceError::invalid_response("it has neither a channel nor a method")),
    }
}

fn told(row: Row) -> Result<Event, SourceError> {
    if row.last.is_none() && (row.bid.is_none() || row.ask.is_none()) {
        return Err(SourceError::invalid_response("a ticker has neither a last trade nor a book"));
    }
    let order = row.timestamp.and_then(|time| u64::try_from(time.micros()).ok()).map(Order::Time);
    Ok(Event::Told(Told { symbol: row.symbol, last: row.last, book: row.bid.zip(row.ask), order, trade: None }))
}

#[cfg(test)]
mod tests;
