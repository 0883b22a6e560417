//! Coinbase Exchange: channels `ticker` and `heartbeat`; a subscription has to come within 5 s of connecting.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/websocket-feed/channels>. A ticker comes with each match and carries the
//! book as it was then, so that on a thin pair it grows old; the heartbeat, once a second for each pair, names the pair's
//! last trade. `sequence` counts every message of a pair on every channel: on these two it only grows, and a gap in it
//! loses nothing. What was lost shows by a heartbeat that names a later trade than the one that was told.
//!
//! One pair that is not known fails the whole subscription, so each pair is subscribed to by itself.

use std::time::Duration;

use common::money::{DecimalText, Direction};
use serde::Deserialize;

use super::{
    event::{Beat, Event, Order, Told},
    protocol::{Limits, Protocol},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "coinbase",
    url_variable: "COINBASE_WS_URL",
    default_url: "wss://ws-feed.exchange.coinbase.com",
    path: "",
    query: |_| None,
    symbol: |Direction { base, quote }| format!("{base}-{quote}"),
    subscribe: |symbols| {
        let one = |symbol: &String| {
            let channels = ["ticker", "heartbeat"];
            serde_json::json!({ "type": "subscribe", "product_ids": [symbol], "channels": channels }).to_string()
        };
        symbols.iter().map(one).collect()
    },
    read,
    limits: Limits {
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
struct Ticker {
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
    let Kind { r#type } = serde_json::from_str(text).map_err(SourceError::garbled)?;
    let event = match r#type.as_str() {
        "ticker" => {
            let ticker: Ticker = serde_json::from_str(text).map_err(SourceError::garbled)?;
            Event::Told(Told {
                symbol: ticker.product_id,
                last: Some(ticker.price),
                book: ticker.best_bid.zip(ticker.best_ask),
                order: Some(Order::Number(ticker.sequence)),
                trade: ticker.trade_id,
            })
        }
        "heartbeat" => {
            let beat: Heartbeat = serde_json::from_str(text).map_err(SourceError::garbled)?;
            let order = Order::Number(beat.sequence);
            Event::Beat(Some(Beat { symbol: beat.product_id, order, last_trade: beat.last_trade_id }))
        }
        "error" => {
            let Refusal { message, reason } = serde_json::from_str(text).map_err(SourceError::garbled)?;
            let parts = [message, reason].into_iter().flatten();
            Event::Refused(parts.collect::<Vec<_>>().join(": "))
        }
        _ => Event::Nothing,
    };
    Ok(vec![event])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKER: &str = r#"{"type":"ticker","sequence":51000000123,"product_id":"BTC-USD","price":"61234.56",
        "best_bid":"61234.55","best_bid_size":"0.4","best_ask":"61234.57","best_ask_size":"1.5","open_24h":"60000",
        "volume_24h":"1","low_24h":"1","high_24h":"2","volume_30d":"3","side":"buy","time":"2026-01-02T03:04:05.678901Z",
        "trade_id":901234567,"last_size":"0.01"}"#;

    #[test]
    fn a_ticker_has_the_last_trade_and_the_book_around_it() {
        let expected = Told {
            symbol: "BTC-USD".to_owned(),
            last: Some("61234.56".into()),
            book: Some(("61234.55".into(), "61234.57".into())),
            order: Some(Order::Number(51_000_000_123)),
            trade: Some(901_234_567),
        };
        assert_eq!(read(TICKER).unwrap(), [Event::Told(expected)]);
        let Event::Told(bare) =
            &read(r#"{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1"}"#).unwrap()[0]
        else {
            panic!()
        };
        assert_eq!(bare.book, None);
    }

    #[test]
    fn a_heartbeat_names_the_last_trade() {
        let text = r#"{"type":"heartbeat","sequence":51000000124,"last_trade_id":901234567,"product_id":"BTC-USD",
            "time":"2026-01-02T03:04:06.000000Z"}"#;
        let order = Order::Number(51_000_000_124);
        let beat = Beat { symbol: "BTC-USD".to_owned(), order, last_trade: 901_234_567 };
        assert_eq!(read(text).unwrap(), [Event::Beat(Some(beat))]);
    }

    #[test]
    fn other_texts_are_told_apart() {
        let ack = r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#;
        assert_eq!(read(ack).unwrap(), [Event::Nothing]);
        let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-XYZ is not a valid product"}"#;
        let why = "Failed to subscribe: BTC-XYZ is not a valid product";
        assert_eq!(read(refused).unwrap(), [Event::Refused(why.to_owned())]);
        for text in ["", "{}", "[]", "<html>", &TICKER[..100], r#"{"type":"heartbeat","product_id":"BTC-USD"}"#] {
            assert!(matches!(read(text), Err(SourceError::Garbled(_))), "{text}");
        }
    }

    #[test]
    fn each_pair_is_subscribed_to_by_itself() {
        let texts = (PROTOCOL.subscribe)(&["BTC-USD".to_owned(), "ETH-USD".to_owned()]);
        assert_eq!(texts.len(), 2);
        let asked: serde_json::Value = serde_json::from_str(&texts[1]).unwrap();
        assert_eq!(asked["product_ids"][0], "ETH-USD");
        assert_eq!(asked["channels"][1], "heartbeat");
    }
}
