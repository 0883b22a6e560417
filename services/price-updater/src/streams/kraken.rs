//! Kraken's WebSocket API v2: channel `ticker`, with a message for each change of the best bid or the best ask.
//!
//! Format: <https://docs.kraken.com/api/docs/websocket-v2/ticker>. Prices are JSON numbers, unlike in the HTTP API;
//! they are parsed from their text. Pairs are `BTC/USD`, not `XBT/USD`. The first message is on the channel `status`.
//! Next, Kraken sends an answer to the subscription and a `snapshot` for each pair. Each change is an `update` of the
//! same form. Without other messages, Kraken sends a heartbeat about once a second. Rows have a time and no sequence
//! number.

use std::time::Duration;

use common::{
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    protocol::{Protocol, StreamTimeouts},
    stream_event::{BidAskText, Sequence, StreamEvent, TickerUpdate},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "kraken",
    url_variable: "KRAKEN_WS_URL",
    default_url: "wss://ws.kraken.com",
    path: "/v2",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}/{quote}"),
    subscribe_messages: |symbols| {
        let params = serde_json::json!(
            { "channel": "ticker", "symbol": symbols, "event_trigger": "bbo", "snapshot": true }
        );
        vec![serde_json::json!({ "method": "subscribe", "params": params, "req_id": 1 }).to_string()]
    },
    parse,
    timeouts: StreamTimeouts {
        message_timeout: Duration::from_secs(5),
        probe: None,
        max_connection_age: None,
        book_validity: None,
    },
};

#[derive(Deserialize)]
struct Message<'a> {
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

pub(super) fn parse(text: &str) -> Result<Vec<StreamEvent>, SourceError> {
    let message: Message<'_> = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    match (message.channel.as_deref(), message.data) {
        (Some("ticker"), Some(data)) => {
            let rows: Vec<Row> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
            rows.into_iter().map(ticker_update).collect()
        }
        (Some("ticker"), None) => Err(SourceError::invalid_response("a ticker has no data")),
        (Some("heartbeat"), _) => Ok(vec![StreamEvent::ConnectionHeartbeat]),
        (Some("status"), Some(data)) => {
            let statuses: Vec<Status> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
            let offline = statuses.into_iter().filter_map(|status| status.system).find(|system| system != "online");
            Ok(vec![offline.map_or(StreamEvent::Ignored, StreamEvent::TradingHalted)])
        }
        (Some(_), _) => Ok(vec![StreamEvent::Ignored]),
        (None, _) if message.success == Some(false) => {
            let parts = [message.error, message.symbol].into_iter().flatten();
            Ok(vec![StreamEvent::RequestRefused(parts.collect::<Vec<_>>().join(": "))])
        }
        (None, _) if message.method.is_some() => Ok(vec![StreamEvent::Ignored]),
        (None, _) => Err(SourceError::invalid_response("it has neither a channel nor a method")),
    }
}

fn ticker_update(row: Row) -> Result<StreamEvent, SourceError> {
    let bid_ask = row.bid.zip(row.ask).map(|(bid, ask)| BidAskText { bid, ask });
    if row.last.is_none() && bid_ask.is_none() {
        return Err(SourceError::invalid_response("a ticker has neither a last trade nor a book"));
    }
    let sequence = row.timestamp.and_then(|time| u64::try_from(time.micros()).ok()).map(Sequence::Time);
    Ok(StreamEvent::TickerUpdate(TickerUpdate {
        symbol: row.symbol,
        last: row.last,
        bid_ask,
        sequence,
        trade_id: None,
    }))
}

#[cfg(test)]
mod tests;
