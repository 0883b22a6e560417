//! Kraken's second websocket form, as <https://docs.kraken.com/api/docs/websocket-v2/ticker> has it: the status first,
//! an answer for each pair, a snapshot and updates with JSON numbers, and a heartbeat where nothing else is said.

use std::collections::{BTreeMap, BTreeSet};

use common::money::CurrencyPair;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    WsEndpoint,
    dialect::{ConnectionRules, LastSent, WsDialect, all, json, last},
};
use crate::{
    exchanges::{ListedPair, kraken},
    faults::{FaultKind, TimeForm},
    formats::WireValue,
    market::exchange_view::{ExchangeView, Ticker},
};

pub(super) const ENDPOINT: WsEndpoint =
    WsEndpoint { exchange: kraken::NAME, path: "/kraken/ws/v2", open: |_| Box::new(Kraken::default()) };

const TICKER: &str = "ticker";
/// Updates with trades alone, which is what the real one does where nothing is said.
const TRADES: &str = "trades";

#[derive(Default)]
struct Kraken {
    /// By direction: whether every change of the book is told, and not trades alone.
    pairs: BTreeMap<CurrencyPair, bool>,
    /// Those that no prices were told of yet.
    fresh: BTreeSet<CurrencyPair>,
    told: LastSent,
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
    result: Option<Granted>,
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
struct Granted {
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
struct Status {
    version: &'static str,
    system: &'static str,
    api_version: &'static str,
    connection_id: u64,
}

#[derive(Serialize)]
struct Row {
    symbol: String,
    bid: WireValue,
    bid_qty: WireValue,
    ask: WireValue,
    ask_qty: WireValue,
    last: WireValue,
    volume: WireValue,
    vwap: WireValue,
    low: WireValue,
    high: WireValue,
    change: WireValue,
    change_pct: WireValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<WireValue>,
}

impl WsDialect for Kraken {
    fn connection_rules(&self) -> ConnectionRules {
        ConnectionRules::default()
    }

    fn greeting(&mut self, _view: &ExchangeView<'_>) -> Vec<String> {
        vec![status("online")]
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let time = view.now.to_string();
        let Ok(Request { method, params, req_id }) = serde_json::from_str(text) else {
            return vec![answer("", Err("Malformed request"), None, view, None)];
        };
        match method.as_str() {
            "ping" => vec![json(&Pong { method: "pong", time_in: time.clone(), time_out: time, req_id })],
            "subscribe" | "unsubscribe" if params.channel != TICKER => {
                vec![answer(&method, Err("Invalid channel"), None, view, req_id)]
            }
            "subscribe" | "unsubscribe" => {
                let one = |symbol: &String| self.change_subscription(&method, symbol, &params, view, req_id.clone());
                params.symbol.iter().map(one).collect()
            }
            _ => vec![answer(&method, Err("Unknown method"), None, view, req_id)],
        }
    }

    fn is_subscribed(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (&direction, every_change) in &self.pairs {
            let Some(pair) = kraken::listed(direction) else { continue };
            let Some(told) = view.ticker(direction, pair.tick) else { continue };
            let parts = if *every_change { all } else { last };
            if self.told.should_send(direction, told, view.now, parts) {
                let r#type = if self.fresh.remove(&direction) { "snapshot" } else { "update" };
                texts.push(json(&Message { channel: TICKER, r#type, data: [row(pair, told, view)] }));
            }
        }
        texts
    }

    fn heartbeats(&mut self, _view: &ExchangeView<'_>, quiet: bool) -> Vec<String> {
        let idle = quiet && self.is_subscribed();
        if idle { vec![r#"{"channel":"heartbeat"}"#.to_owned()] } else { Vec::new() }
    }

    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        Some(status("maintenance"))
    }
}

impl Kraken {
    /// What is answered to a wish for one pair.
    fn change_subscription(
        &mut self,
        method: &str,
        symbol: &str,
        params: &Params,
        view: &ExchangeView<'_>,
        id: Option<Value>,
    ) -> String {
        let pair = symbol.replace('/', "-").parse().ok().and_then(kraken::listed);
        let pair = pair.filter(|pair| view.ticker(pair.direction, pair.tick).is_some());
        let Some(&ListedPair { direction, .. }) = pair.filter(|_| symbol.contains('/')) else {
            return answer(method, Err("Currency pair not supported"), Some(symbol), view, id);
        };
        if view.is(FaultKind::ErrorIn200) {
            return answer(method, Err("EService:Unavailable"), Some(symbol), view, id);
        }
        let snapshot = params.snapshot.unwrap_or(true);
        if method == "unsubscribe" {
            self.pairs.remove(&direction);
        } else {
            let trades = params.event_trigger.as_deref().unwrap_or(TRADES) == TRADES;
            self.pairs.insert(direction, !trades);
            self.told.forget(direction);
            if snapshot {
                self.fresh.insert(direction);
            }
        }
        let granted = Granted { channel: TICKER, symbol: symbol.to_owned(), snapshot };
        answer(method, Ok(granted), None, view, id)
    }
}

fn answer(
    method: &str,
    result: Result<Granted, &'static str>,
    symbol: Option<&str>,
    view: &ExchangeView<'_>,
    req_id: Option<Value>,
) -> String {
    let (success, time) = (result.is_ok(), view.now.to_string());
    let (result, error) = match result {
        Ok(granted) => (Some(granted), None),
        Err(error) => (None, Some(error)),
    };
    json(&Answer { method, result, success, error, symbol, time_in: time.clone(), time_out: time, req_id })
}

fn status(system: &'static str) -> String {
    let data = Status { version: "2.0.9", system, api_version: "v2", connection_id: 12_345_678_901_234_567_890 };
    json(&Message { channel: "status", r#type: "update", data: [data] })
}

fn row(pair: &ListedPair, told: Ticker, view: &ExchangeView<'_>) -> Row {
    let number = |text: &str| WireValue::Number(text.to_owned());
    let price = |price: crate::formats::Price| price.number(pair.decimals);
    Row {
        symbol: format!("{}/{}", pair.direction.base, pair.direction.quote),
        bid: price(told.bid),
        bid_qty: number("2.50000000"),
        ask: price(told.ask),
        ask_qty: number("3.20000000"),
        last: price(told.last),
        volume: number("150.25000000"),
        vwap: price(told.last),
        low: price(told.last.percent(98)),
        high: price(told.last.percent(102)),
        change: number("250.0"),
        change_pct: number("0.24"),
        timestamp: view.time(told.time, TimeForm::Iso, true),
    }
}
