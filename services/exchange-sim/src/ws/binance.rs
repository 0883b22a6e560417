//! Binance's combined stream, as <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams> has it:
//! `bookTicker` with every change of the book, `ticker` once a second, pings, and a day at most.

use std::{collections::BTreeSet, time::Duration};

use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    WsEndpoint,
    dialect::{ConnectionRules, LastSent, WsDialect, book, json},
};
use crate::{
    exchanges::{ListedPair, binance, find},
    faults::{FaultKind, TimeForm},
    formats::{Price, WireValue},
    market::exchange_view::{ExchangeView, Ticker},
};

pub(super) const ENDPOINT: WsEndpoint = WsEndpoint {
    exchange: binance::NAME,
    path: "/binance/ws/stream",
    open: |query| {
        let streams = query.into_iter().flat_map(|query| query.split('&'));
        let streams = streams.filter_map(|part| part.strip_prefix("streams="));
        let streams = streams.flat_map(|streams| streams.split('/')).map(|stream| stream.replace("%40", "@"));
        Box::new(Binance { streams: streams.collect(), ..Binance::default() })
    },
};

/// From one `ticker` to the next.
const TICKER: Duration = Duration::from_secs(1);
/// Every price has as many, whatever its tick.
const DECIMALS: u32 = 8;
const BOOK_STREAM: &str = "bookTicker";
const TICKER_STREAM: &str = "ticker";

#[derive(Default)]
struct Binance {
    streams: BTreeSet<String>,
    told: LastSent,
    ticked_at: Option<Timestamp>,
    /// The number of the last change of a book.
    update: u64,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Vec<String>,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Done {
    result: Option<Vec<String>>,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Refused {
    code: i32,
    msg: String,
    id: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Wrapped<'a, T> {
    stream: &'a str,
    data: T,
}

#[derive(Serialize)]
struct BookTicker {
    u: u64,
    s: &'static str,
    b: WireValue,
    #[serde(rename = "B")]
    bid_quantity: &'static str,
    a: WireValue,
    #[serde(rename = "A")]
    ask_quantity: &'static str,
}

#[derive(Serialize)]
struct TickerMessage {
    e: &'static str,
    #[serde(rename = "E", skip_serializing_if = "Option::is_none")]
    event_time: Option<WireValue>,
    s: &'static str,
    c: WireValue,
    #[serde(rename = "Q")]
    last_quantity: &'static str,
    b: WireValue,
    #[serde(rename = "B")]
    bid_quantity: &'static str,
    a: WireValue,
    #[serde(rename = "A")]
    ask_quantity: &'static str,
    o: WireValue,
    h: WireValue,
    l: WireValue,
    v: &'static str,
    #[serde(rename = "C", skip_serializing_if = "Option::is_none")]
    close_time: Option<WireValue>,
    n: u32,
}

#[derive(Serialize)]
struct Shutdown {
    e: &'static str,
    #[serde(rename = "E")]
    time: i64,
}

impl WsDialect for Binance {
    fn connection_rules(&self) -> ConnectionRules {
        ConnectionRules {
            pings: Some((Duration::from_secs(20), Duration::from_mins(1))),
            max_life: Some(Duration::from_hours(24)),
            max_messages: Some(5),
            ..ConnectionRules::default()
        }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let refused = |code, msg: String, id| vec![json(&Refused { code, msg, id })];
        let Ok(Request { method, params, id }) = serde_json::from_str(text) else {
            return refused(3, "Invalid JSON: expected value at line 1 column 1".to_owned(), None);
        };
        if view.is(FaultKind::ErrorIn200) {
            return refused(1, "Value error: the service is not available".to_owned(), id);
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
            other => return refused(2, format!("Invalid request: unknown variant `{other}`"), id),
        };
        vec![json(&Done { result, id })]
    }

    fn is_subscribed(&self) -> bool {
        !self.streams.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let ticks = self.ticked_at.is_none_or(|at| view.now.since(at) >= TICKER);
        if ticks && self.is_subscribed() {
            self.ticked_at = Some(view.now);
        }
        let mut texts = Vec::new();
        for stream in &self.streams {
            // A stream that does not exist is silent.
            let Some((symbol, kind)) = stream.split_once('@') else { continue };
            let symbol = symbol.to_ascii_uppercase();
            let Some(pair) = find(binance::PAIRS, &symbol) else { continue };
            let Some(told) = view.ticker(pair.direction, pair.tick) else { continue };
            match kind {
                BOOK_STREAM if self.told.should_send(pair.direction, told, view.now, book) => {
                    let time = u64::try_from(view.now.micros() / 1_000).unwrap_or(0);
                    self.update = time.max(self.update + 1);
                    let data = book_ticker(pair, self.update, told);
                    texts.push(json(&Wrapped { stream, data }));
                }
                TICKER_STREAM if ticks => texts.push(json(&Wrapped { stream, data: ticker(pair, told, view) })),
                _ => {}
            }
        }
        texts
    }

    fn restart_notice(&self, view: &ExchangeView<'_>) -> Option<String> {
        let data = Shutdown { e: "serverShutdown", time: view.now.micros() / 1_000 };
        Some(json(&Wrapped { stream: "!serverShutdown", data }))
    }
}

fn book_ticker(pair: &ListedPair, u: u64, told: Ticker) -> BookTicker {
    let (b, a) = (told.bid.text(DECIMALS), told.ask.text(DECIMALS));
    BookTicker { u, s: pair.name, b, bid_quantity: "1.20000000", a, ask_quantity: "0.80000000" }
}

fn ticker(pair: &ListedPair, told: Ticker, view: &ExchangeView<'_>) -> TickerMessage {
    let price = |price: Price| price.text(DECIMALS);
    TickerMessage {
        e: "24hrTicker",
        event_time: view.time(told.time, TimeForm::Millis, false),
        s: pair.name,
        c: price(told.last),
        last_quantity: "0.01000000",
        b: price(told.bid),
        bid_quantity: "1.20000000",
        a: price(told.ask),
        ask_quantity: "0.80000000",
        o: price(told.last),
        h: price(told.last.percent(102)),
        l: price(told.last.percent(98)),
        v: "4321.00000000",
        close_time: view.time(told.time, TimeForm::Millis, false),
        n: 36_000,
    }
}
