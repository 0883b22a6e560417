//! Coinbase Exchange: channels `ticker` and `heartbeat`; a subscription has to come within 5 s of connecting.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/websocket-feed/channels>. A ticker comes with each match and carries the
//! book as it was then, so that on a thin pair it grows old; the heartbeat, once a second for each pair, names the pair's
//! last trade. `sequence` counts every message of a pair on every channel: on these two it only grows, and a gap in it
//! loses nothing. What was lost shows by a heartbeat that names a later trade than the one that was told.
//!
//! One pair that is not known fails the whole subscription, so each pair is subscribed to by itself.

use std::time::Duration;

use common::money::{CurrencyPair, DecimalText};
use serde::Deserialize;

use super::{
    event::{Beat, Event, Order, Told},
    protocol::{Protocol, StreamTimeouts},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "coinbase",
    url_variable: "COINBASE_WS_URL",
    default_url: "wss://ws-feed.exchange.coinbase.com",
    path: "",
    query: |_| None,
    symbol: |CurrencyPair { base, quote }| format!("{base}-{quote}"),
    subscribe: |symbols| {
        let one = |symbol: &String| {
            let channels = ["ticker", "heartbeat"];
            serde_json::json!({ "type": "subscribe", "product_ids": [symbol], "channels": channels }).to_string()
        };
        symbols.iter().map(one).collect()
    },
    read,
    limits: StreamTimeouts {
        silence: Duration::from_secs(5),
        probe: None,
        max_life: None,
        book_keeps: Some(Duration::from_secs(30)),
    },
};

#[derive(Deserialize)]
struct Kind {
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
struct Heartbeat {
    product_id: String,
    sequence: u64,
    last_trade_id: u64,
}

#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
    reason: Option<String>,
}

/// What a text means.
pub(super) fn read(text: &str) -> Result<Vec<Event>, SourceError> {
    let Kind { r#type } = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
    let event = match r#type.as_str() {
        "ticker" => {
            let ticker: TickerJson = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            Event::Told(Told {
                symbol: ticker.product_id,
                last: Some(ticker.price),
                book: ticker.best_bid.zip(ticker.best_ask),
                order: Some(Order::Number(ticker.sequence)),
                trade: ticker.trade_id,
            })
        }
        "heartbeat" => {
            let beat: Heartbeat = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            let order = Order::Number(beat.sequence);
            Event::Beat(Some(Beat { symbol: beat.product_id, order, last_trade: beat.last_trade_id }))
        }
        "error" => {
            let Refusal { message, reason } = serde_json::from_str(text).map_err(SourceError::invalid_response)?;
            let parts = [message, reason].into_iter().flatten();
            Event::Refused(parts.collect::<Vec<_>>().join(": "))
        }
        _ => Event::Nothing,
    };
    Ok(vec![event])
}

#[cfg(test)]
mod tests;
