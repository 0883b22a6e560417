//! OKX: channel `tickers`, told at each change, at most every 100 ms.
//!
//! Format: <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-tickers-channel>. Everything is a string, `ts`
//! is milliseconds in one. `ping` and `pong` are plain texts and not frames: a connection on which nothing came for 30 s is
//! closed, so it is asked before. The notice 64008 says that the server is about to be replaced.
//!
//! 480 subscriptions an hour are permitted on a connection; each pair is subscribed to by itself, so that one that is not
//! known fails alone.

use std::time::Duration;

use common::money::{DecimalText, Direction};
use serde::Deserialize;

use super::{
    event::{Event, Order, Told},
    protocol::{Limits, Probe, Protocol},
};
use crate::sources::SourceError;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "okx",
    url_variable: "OKX_WS_URL",
    default_url: "wss://ws.okx.com:8443",
    path: "/ws/v5/public",
    query: |_| None,
    symbol: |Direction { base, quote }| format!("{base}-{quote}"),
    subscribe: |symbols| {
        let one = |symbol: &String| {
            serde_json::json!({ "op": "subscribe", "args": [{ "channel": "tickers", "instId": symbol }] }).to_string()
        };
        symbols.iter().map(one).collect()
    },
    read,
    limits: Limits {
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
    let frame: Frame = serde_json::from_str(text).map_err(SourceError::garbled)?;
    match (frame.event.as_deref(), frame.data) {
        (Some("error"), _) => Ok(vec![Event::Refused(frame.msg.unwrap_or_else(|| "without a reason".to_owned()))]),
        (Some("notice"), _) if frame.code.as_ref().is_some_and(|code| code.as_str() == UPGRADE) => {
            Ok(vec![Event::GoingAway])
        }
        (None, Some(rows)) if frame.arg.is_some_and(|arg| arg.channel == TICKERS) => {
            rows.into_iter().map(told).collect()
        }
        (Some(_), _) | (None, Some(_)) => Ok(vec![Event::Nothing]),
        (None, None) => Err(SourceError::garbled("it has neither an event nor data")),
    }
}

fn told(row: Row) -> Result<Event, SourceError> {
    let time = row.ts.as_str().parse().map_err(|_| SourceError::garbled("a time is no whole number"))?;
    Ok(Event::Told(Told {
        symbol: row.inst_id,
        last: Some(row.last),
        book: Some((row.bid_px, row.ask_px)),
        order: Some(Order::Time(time)),
        trade: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKER: &str = r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",
        "instId":"BTC-USDT","last":"61234.5","lastSz":"0.1","askPx":"61234.6","askSz":"11","bidPx":"61234.5","bidSz":"5",
        "open24h":"60400","high24h":"61900","low24h":"60129","volCcy24h":"8000000","vol24h":"130.5",
        "ts":"1767323045085","sodUtc0":"60500","sodUtc8":"60600"}]}"#;

    #[test]
    fn a_ticker_is_read_exactly() {
        let expected = Told {
            symbol: "BTC-USDT".to_owned(),
            last: Some("61234.5".into()),
            book: Some(("61234.5".into(), "61234.6".into())),
            order: Some(Order::Time(1_767_323_045_085)),
            trade: None,
        };
        assert_eq!(read(TICKER).unwrap(), [Event::Told(expected)]);
    }

    #[test]
    fn plain_texts_and_events_are_told_apart() {
        assert_eq!(read("pong").unwrap(), [Event::Beat(None)]);
        let ack = r#"{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"a4d3ae55"}"#;
        assert_eq!(read(ack).unwrap(), [Event::Nothing]);
        for code in [r#""64008""#, "64008"] {
            let notice = format!(r#"{{"event":"notice","code":{code},"msg":"The connection will soon be closed"}}"#);
            assert_eq!(read(&notice).unwrap(), [Event::GoingAway]);
        }
        assert_eq!(read(r#"{"event":"notice","code":"64001","msg":"else"}"#).unwrap(), [Event::Nothing]);
        let error = r#"{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}"#;
        assert_eq!(read(error).unwrap(), [Event::Refused("Invalid request".to_owned())]);
        let other = TICKER.replace(r#""channel":"tickers""#, r#""channel":"trades""#);
        assert_eq!(read(&other).unwrap(), [Event::Nothing]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let no_time = TICKER.replace("1767323045085", "soon");
        for text in ["", "ping", "{}", "[]", &TICKER[..100], &no_time, r#"{"arg":{},"data":[]}"#] {
            assert!(matches!(read(text), Err(SourceError::Garbled(_))), "{text}");
        }
    }
}
