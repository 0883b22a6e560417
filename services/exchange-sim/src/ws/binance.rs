//! Binance's combined stream, as documented at
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>: `bookTicker` when the best bid or ask
//! changes, `ticker` once a second, and pings. A connection lasts one day at most.

use std::{collections::BTreeSet, time::Duration};

use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::dialect::{ConnectionRules, LastSent, PingRule, UpdateTrigger, WsDialect, WsEndpoint, to_json};
use crate::{
    exchange_view::{ExchangeView, Ticker},
    exchanges::binance,
    faults::FaultKind,
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::ListedPair,
};

pub(super) const ENDPOINT: WsEndpoint = WsEndpoint {
    exchange: binance::NAME,
    path: "/binance/ws/stream",
    ban_status: 418,
    new_dialect: |query| {
        let streams = query.into_iter().flat_map(|query| query.split('&'));
        let streams = streams.filter_map(|part| part.strip_prefix("streams="));
        let streams = streams.flat_map(|streams| streams.split('/')).map(|stream| stream.replace("%40", "@"));
        Box::new(Binance { streams: streams.collect(), ..Binance::default() })
    },
};

const TICKER_INTERVAL: Duration = Duration::from_secs(1);
/// Binance writes every price with eight decimals, regardless of the smallest price step of the pair.
const DECIMALS: u32 = 8;
const BOOK_STREAM: &str = "bookTicker";
const TICKER_STREAM: &str = "ticker";

#[derive(Default)]
struct Binance {
    streams: BTreeSet<String>,
    last_sent: LastSent,
    last_ticker_at: Option<Timestamp>,
    /// The number of the last `bookTicker`.
    update_id: u64,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Vec<String>,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Confirmation {
    result: Option<Vec<String>>,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct ErrorMessage {
    code: i32,
    msg: String,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct StreamMessage<'a, T> {
    stream: &'a str,
    data: T,
}

#[derive(Serialize)]
struct BookTickerMessage {
    u: u64,
    s: &'static str,
    b: JsonValue,
    #[serde(rename = "B")]
    bid_quantity: &'static str,
    a: JsonValue,
    #[serde(rename = "A")]
    ask_quantity: &'static str,
}

#[derive(Serialize)]
struct TickerMessage {
    e: &'static str,
    #[serde(rename = "E", skip_serializing_if = "Option::is_none")]
    event_time: Option<JsonValue>,
    s: &'static str,
    c: JsonValue,
    #[serde(rename = "Q")]
    last_quantity: &'static str,
    b: JsonValue,
    #[serde(rename = "B")]
    bid_quantity: &'static str,
    a: JsonValue,
    #[serde(rename = "A")]
    ask_quantity: &'static str,
    o: JsonValue,
    h: JsonValue,
    l: JsonValue,
    v: &'static str,
    #[serde(rename = "C", skip_serializing_if = "Option::is_none")]
    close_time: Option<JsonValue>,
    n: u32,
}

#[derive(Serialize)]
struct ShutdownMessage {
    e: &'static str,
    #[serde(rename = "E")]
    time: i64,
}

impl WsDialect for Binance {
    fn rules(&self) -> ConnectionRules {
        ConnectionRules {
            pings: Some(PingRule { interval: Duration::from_secs(20), pong_timeout: Duration::from_mins(1) }),
            max_age: Some(Duration::from_hours(24)),
            max_messages_per_sec: Some(5),
            ..ConnectionRules::default()
        }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let error = |code, msg: String, id| vec![to_json(&ErrorMessage { code, msg, id })];
        let Ok(Request { method, params, id }) = serde_json::from_str(text) else {
            return error(3, "Invalid JSON: expected value at line 1 column 1".to_owned(), None);
        };
        if view.has_fault(FaultKind::ErrorIn200) {
            return error(1, "Value error: the service is not available".to_owned(), id);
        }
        let result = match method.as_str() {
            "SUBSCRIBE" => {
                self.streams.extend(params);
                None
            }
            "UNSUBSCRIBE" => {
                self.streams.retain(|stream| !params.contains(stream));
                None
            }
            "LIST_SUBSCRIPTIONS" => Some(self.streams.iter().cloned().collect()),
            other => return error(2, format!("Invalid request: unknown variant `{other}`"), id),
        };
        vec![to_json(&Confirmation { result, id })]
    }

    fn is_subscribed(&self) -> bool {
        !self.streams.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let ticker_due = self.last_ticker_at.is_none_or(|time| view.now.since(time) >= TICKER_INTERVAL);
        if ticker_due && self.is_subscribed() {
            self.last_ticker_at = Some(view.now);
        }
        let mut texts = Vec::new();
        for stream in &self.streams {
            // Binance accepts a subscription to a stream that does not exist and sends nothing for it.
            let Some((symbol, kind)) = stream.split_once('@') else { continue };
            let found = view.find_ticker(binance::PAIRS, &symbol.to_ascii_uppercase());
            let Some((listed, ticker)) = found else { continue };
            match kind {
                BOOK_STREAM if self.last_sent.should_send(listed.pair, ticker, view.now, UpdateTrigger::Book) => {
                    let millis = u64::try_from(view.now.micros() / 1_000).unwrap_or(0);
                    self.update_id = millis.max(self.update_id + 1);
                    let data = book_ticker_message(listed, self.update_id, ticker);
                    texts.push(to_json(&StreamMessage { stream, data }));
                }
                TICKER_STREAM if ticker_due => {
                    let data = ticker_message(listed, ticker, view);
                    texts.push(to_json(&StreamMessage { stream, data }));
                }
                _ => {}
            }
        }
        texts
    }

    fn restart_notice(&self, view: &ExchangeView<'_>) -> Option<String> {
        let data = ShutdownMessage { e: "serverShutdown", time: view.now.micros() / 1_000 };
        Some(to_json(&StreamMessage { stream: "!serverShutdown", data }))
    }
}

fn book_ticker_message(listed: &ListedPair, u: u64, ticker: Ticker) -> BookTickerMessage {
    let (b, a) = (ticker.bid.text(DECIMALS), ticker.ask.text(DECIMALS));
    BookTickerMessage { u, s: listed.symbol, b, bid_quantity: "1.20000000", a, ask_quantity: "0.80000000" }
}

fn ticker_message(listed: &ListedPair, ticker: Ticker, view: &ExchangeView<'_>) -> TickerMessage {
    let text = |price: Price| price.text(DECIMALS);
    let time = view.format_time(ticker.time, TimeFormat::Millis, JsonType::Number);
    TickerMessage {
        e: "24hrTicker",
        event_time: time.clone(),
        s: listed.symbol,
        c: text(ticker.last),
        last_quantity: "0.01000000",
        b: text(ticker.bid),
        bid_quantity: "1.20000000",
        a: text(ticker.ask),
        ask_quantity: "0.80000000",
        o: text(ticker.last),
        h: text(ticker.last.percent(102)),
        l: text(ticker.last.percent(98)),
        v: "4321.00000000",
        close_time: time,
        n: 36_000,
    }
}
