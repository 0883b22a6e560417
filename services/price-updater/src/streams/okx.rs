//! OKX: channel `tickers`, with a message for each change, at most every 100 ms.
//!
//! Format: <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-tickers-channel>. All values are strings,
//! including `ts`, a time in milliseconds. `ping` and `pong` are text messages and not frames. OKX closes a connection
//! after 30 s without a message, so the client sends `ping` earlier. The notice 64008 announces that OKX will close the
//! connection for a service upgrade.
//!
//! 480 subscriptions an hour are permitted on a connection. Each pair has its own subscription, so that an unknown pair
//! does not affect the other pairs.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;

use super::{
    protocol::{Probe, ProbeMessage, Protocol, StreamTimeouts},
    stream_event::{BidAskText, Sequence, StreamEvent, TickerUpdate},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "okx",
    url_variable: "OKX_WS_URL",
    default_url: "wss://ws.okx.com:8443",
    path: "/ws/v5/public",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}-{quote}"),
    subscribe_messages: |symbols| {
        let subscription = |symbol: &String| {
            serde_json::json!({ "op": "subscribe", "args": [{ "channel": "tickers", "instId": symbol }] }).to_string()
        };
        symbols.iter().map(subscription).collect()
    },
    parse,
    timeouts: StreamTimeouts {
        message_timeout: Duration::from_secs(8),
        probe: Some(Probe { after: Duration::from_secs(3), message: ProbeMessage::Text("ping") }),
        max_connection_age: None,
        book_validity: None,
    },
};

/// The code of the notice that OKX will close the connection for a service upgrade.
const UPGRADE: &str = "64008";
const TICKERS: &str = "tickers";

#[derive(Deserialize)]
struct Message {
    event: Option<String>,
    /// A string, or in some messages a number.
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

pub(super) fn parse(text: &str) -> Result<Vec<StreamEvent>, SourceError> {
    if text == "pong" {
        return Ok(vec![StreamEvent::ConnectionHeartbeat]);
    }
    let message: Message = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    match (message.event.as_deref(), message.data) {
        (Some("error"), _) => {
            let reason = message.msg.unwrap_or_else(|| "without a reason".to_owned());
            Ok(vec![StreamEvent::RequestRefused(reason)])
        }
        (Some("notice"), _) if message.code.as_ref().is_some_and(|code| code.as_str() == UPGRADE) => {
            Ok(vec![StreamEvent::ShutdownAnnounced])
        }
        (None, Some(rows)) if message.arg.is_some_and(|arg| arg.channel == TICKERS) => {
            rows.into_iter().map(ticker_update).collect()
        }
        (Some(_), _) | (None, Some(_)) => Ok(vec![StreamEvent::Ignored]),
        (None, None) => Err(SourceError::invalid_response("it has neither an event nor data")),
    }
}

fn ticker_update(row: Row) -> Result<StreamEvent, SourceError> {
    let time = row.ts.as_str().parse().map_err(|_| SourceError::invalid_response("ts is not a whole number"))?;
    Ok(StreamEvent::TickerUpdate(TickerUpdate {
        symbol: row.inst_id,
        last: Some(row.last),
        bid_ask: Some(BidAskText { bid: row.bid_px, ask: row.ask_px }),
        sequence: Some(Sequence::Time(time)),
        trade_id: None,
    }))
}

#[cfg(test)]
mod tests;
