//! Coinbase Exchange: channels `ticker` and `heartbeat`. The client must subscribe within 5 s of connecting.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/websocket-feed/channels>. A ticker is sent for each trade, with the
//! best bid and the best ask at that time. For a pair that trades rarely, they can be outdated. A heartbeat is sent once
//! a second for each pair, with the id of the pair's last trade. A heartbeat with a later trade id than the last ticker
//! shows that a ticker was lost or is late.
//!
//! `sequence` counts all messages of a pair on all channels. On these two channels the number grows, and a gap does not
//! mean that a message was lost.
//!
//! A subscription fails as a whole if one of its pairs is unknown, so each pair has its own subscription.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;

use super::{
    protocol::{Protocol, StreamTimeouts},
    stream_event::{BidAskText, PairHeartbeat, Sequence, StreamEvent, TickerUpdate},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "coinbase",
    url_variable: "COINBASE_WS_URL",
    default_url: "wss://ws-feed.exchange.coinbase.com",
    path: "",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}-{quote}"),
    subscribe_messages: |symbols| {
        let subscription = |symbol: &String| {
            let channels = ["ticker", "heartbeat"];
            serde_json::json!({ "type": "subscribe", "product_ids": [symbol], "channels": channels }).to_string()
        };
        symbols.iter().map(subscription).collect()
    },
    parse,
    timeouts: StreamTimeouts {
        message_timeout: Duration::from_secs(5),
        probe: None,
        max_connection_age: None,
        book_validity: Some(Duration::from_secs(30)),
    },
};

#[derive(Deserialize)]
struct MessageType {
    r#type: String,
}

#[derive(Deserialize)]
struct TickerJson {
    product_id: String,
    sequence: u64,
    price: DecimalText,
    best_bid: Option<DecimalText>,
    best_ask: Option<DecimalText>,
    trade_id: Option<u64>,
}

#[derive(Deserialize)]
struct HeartbeatJson {
    product_id: String,
    sequence: u64,
    last_trade_id: u64,
}

#[derive(Deserialize)]
struct ErrorJson {
    message: Option<String>,
    reason: Option<String>,
}

pub(super) fn parse(text: &str) -> Result<Vec<StreamEvent>, SourceError> {
    let MessageType { r#type } = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    let event = match r#type.as_str() {
        "ticker" => {
            let ticker: TickerJson = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            StreamEvent::TickerUpdate(TickerUpdate {
                symbol: ticker.product_id,
                last: Some(ticker.price),
                bid_ask: ticker.best_bid.zip(ticker.best_ask).map(|(bid, ask)| BidAskText { bid, ask }),
                sequence: Some(Sequence::Number(ticker.sequence)),
                trade_id: ticker.trade_id,
            })
        }
        "heartbeat" => {
            let HeartbeatJson { product_id: symbol, sequence, last_trade_id } =
                serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            let sequence = Sequence::Number(sequence);
            StreamEvent::PairHeartbeat(PairHeartbeat { symbol, sequence, last_trade_id })
        }
        "error" => {
            let ErrorJson { message, reason } = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            let parts = [message, reason].into_iter().flatten();
            StreamEvent::RequestRefused(parts.collect::<Vec<_>>().join(": "))
        }
        _ => StreamEvent::Ignored,
    };
    Ok(vec![event])
}

#[cfg(test)]
mod tests;
