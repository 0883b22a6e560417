//! Kraken's WebSocket, version 2, as documented at <https://docs.kraken.com/api/docs/websocket-v2/ticker>. Kraken first
//! sends its status. It answers a subscription with one message for each pair, followed by a snapshot and updates.
//! Prices are JSON numbers. After each second without a message, Kraken sends a heartbeat to a client with a
//! subscription.

use std::collections::{BTreeMap, BTreeSet};

use common::money::CurrencyPair;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dialect::{ConnectionRules, LastSent, UpdateTrigger, WsDialect, WsEndpoint, to_json};
use crate::{
    exchange_view::{ExchangeView, Ticker},
    exchanges::kraken,
    faults::FaultKind,
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::ListedPair,
};

pub(super) const ENDPOINT: WsEndpoint = WsEndpoint {
    exchange: kraken::NAME,
    path: "/kraken/ws/v2",
    ban_status: 429,
    new_dialect: |_| Box::new(Kraken::default()),
};

const TICKER: &str = "ticker";
/// The default of `event_trigger`: updates only at trades.
const TRADES: &str = "trades";

#[derive(Default)]
struct Kraken {
    subscriptions: BTreeMap<CurrencyPair, UpdateTrigger>,
    /// Pairs whose next update is a snapshot.
    awaiting_snapshot: BTreeSet<CurrencyPair>,
    last_sent: LastSent,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Params,
    req_id: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Params {
    channel: String,
    symbol: Vec<String>,
    event_trigger: Option<String>,
    snapshot: Option<bool>,
}

#[derive(Serialize)]
struct Answer<'a> {
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Subscribed>,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    time_in: String,
    time_out: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<Value>,
}

#[derive(Serialize)]
struct Subscribed {
    channel: &'static str,
    symbol: String,
    snapshot: bool,
}

#[derive(Serialize)]
struct Pong {
    method: &'static str,
    time_in: String,
    time_out: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<Value>,
}

#[derive(Serialize)]
struct Message<T> {
    channel: &'static str,
    r#type: &'static str,
    data: [T; 1],
}

#[derive(Serialize)]
struct StatusData {
    version: &'static str,
    system: &'static str,
    api_version: &'static str,
    connection_id: u64,
}

#[derive(Serialize)]
struct TickerData {
    symbol: String,
    bid: JsonValue,
    bid_qty: JsonValue,
    ask: JsonValue,
    ask_qty: JsonValue,
    last: JsonValue,
    volume: JsonValue,
    vwap: JsonValue,
    low: JsonValue,
    high: JsonValue,
    change: JsonValue,
    change_pct: JsonValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<JsonValue>,
}

impl WsDialect for Kraken {
    fn rules(&self) -> ConnectionRules {
        ConnectionRules::default()
    }

    fn greeting(&mut self, _view: &ExchangeView<'_>) -> Vec<String> {
        vec![status_message("online")]
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let time = view.now.to_string();
        let Ok(Request { method, params, req_id }) = serde_json::from_str(text) else {
            return vec![answer("", Err("Malformed request"), None, view, None)];
        };
        match method.as_str() {
            "ping" => vec![to_json(&Pong { method: "pong", time_in: time.clone(), time_out: time, req_id })],
            "subscribe" | "unsubscribe" if params.channel != TICKER => {
                vec![answer(&method, Err("Invalid channel"), None, view, req_id)]
            }
            "subscribe" | "unsubscribe" => {
                let answer = |symbol: &String| self.change_subscription(&method, symbol, &params, view, req_id.clone());
                params.symbol.iter().map(answer).collect()
            }
            _ => vec![answer(&method, Err("Unknown method"), None, view, req_id)],
        }
    }

    fn is_subscribed(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (&pair, &trigger) in &self.subscriptions {
            let Some(listed) = kraken::find_pair(pair) else { continue };
            let Some(ticker) = view.listed_ticker(listed) else { continue };
            if self.last_sent.should_send(pair, ticker, view.now, trigger) {
                let r#type = if self.awaiting_snapshot.remove(&pair) { "snapshot" } else { "update" };
                texts.push(to_json(&Message { channel: TICKER, r#type, data: [ticker_data(listed, ticker, view)] }));
            }
        }
        texts
    }

    fn heartbeats(&mut self, _view: &ExchangeView<'_>, idle: bool) -> Vec<String> {
        let due = idle && self.is_subscribed();
        if due { vec![r#"{"channel":"heartbeat"}"#.to_owned()] } else { Vec::new() }
    }

    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        Some(status_message("maintenance"))
    }
}

impl Kraken {
    /// Changes the subscription to one pair and returns the answer.
    fn change_subscription(
        &mut self,
        method: &str,
        symbol: &str,
        params: &Params,
        view: &ExchangeView<'_>,
        id: Option<Value>,
    ) -> String {
        let pair = symbol.contains('/').then(|| symbol.replace('/', "-")).and_then(|pair| pair.parse().ok());
        let listed = pair.and_then(kraken::find_pair).filter(|listed| view.listed_ticker(listed).is_some());
        let Some(&ListedPair { pair, .. }) = listed else {
            return answer(method, Err("Currency pair not supported"), Some(symbol), view, id);
        };
        if view.has_fault(FaultKind::ErrorIn200) {
            return answer(method, Err("EService:Unavailable"), Some(symbol), view, id);
        }
        let snapshot = params.snapshot.unwrap_or(true);
        if method == "unsubscribe" {
            self.subscriptions.remove(&pair);
        } else {
            let trades_only = params.event_trigger.as_deref().unwrap_or(TRADES) == TRADES;
            let trigger = if trades_only { UpdateTrigger::LastTrade } else { UpdateTrigger::LastTradeOrBook };
            self.subscriptions.insert(pair, trigger);
            self.last_sent.remove(pair);
            if snapshot {
                self.awaiting_snapshot.insert(pair);
            }
        }
        let subscribed = Subscribed { channel: TICKER, symbol: symbol.to_owned(), snapshot };
        answer(method, Ok(subscribed), None, view, id)
    }
}

fn answer(
    method: &str,
    result: Result<Subscribed, &'static str>,
    symbol: Option<&str>,
    view: &ExchangeView<'_>,
    req_id: Option<Value>,
) -> String {
    let (success, time) = (result.is_ok(), view.now.to_string());
    let (result, error) = match result {
        Ok(subscribed) => (Some(subscribed), None),
        Err(error) => (None, Some(error)),
    };
    to_json(&Answer { method, result, success, error, symbol, time_in: time.clone(), time_out: time, req_id })
}

fn status_message(system: &'static str) -> String {
    let data = StatusData { version: "2.0.9", system, api_version: "v2", connection_id: 12_345_678_901_234_567_890 };
    to_json(&Message { channel: "status", r#type: "update", data: [data] })
}

fn ticker_data(listed: &ListedPair, ticker: Ticker, view: &ExchangeView<'_>) -> TickerData {
    let number = |price: Price| price.number(listed.decimals);
    TickerData {
        symbol: format!("{}/{}", listed.pair.base, listed.pair.quote),
        bid: number(ticker.bid),
        bid_qty: JsonValue::number("2.50000000"),
        ask: number(ticker.ask),
        ask_qty: JsonValue::number("3.20000000"),
        last: number(ticker.last),
        volume: JsonValue::number("150.25000000"),
        vwap: number(ticker.last),
        low: number(ticker.last.percent(98)),
        high: number(ticker.last.percent(102)),
        change: JsonValue::number("250.0"),
        change_pct: JsonValue::number("0.24"),
        timestamp: view.format_time(ticker.time, TimeFormat::Iso, JsonType::Text),
    }
}
