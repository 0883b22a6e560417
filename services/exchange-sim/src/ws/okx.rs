//! OKX's public websocket, as <https://www.okx.com/docs-v5/en/#overview-websocket> has it: everything is text, `ping` is a
//! text too, 30 s of silence end the connection, and the notice 64008 announces a restart.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    WsEndpoint,
    dialect::{ConnectionRules, LastSent, WsDialect, all, json},
};
use crate::{
    exchanges::{ListedPair, find, okx},
    faults::{FaultKind, TimeForm},
    formats::WireValue,
    market::exchange_view::{ExchangeView, Ticker},
};

pub(super) const ENDPOINT: WsEndpoint =
    WsEndpoint { exchange: okx::NAME, path: "/okx/ws/ws/v5/public", open: |_| Box::new(Okx::default()) };

const TICKERS: &str = "tickers";
const CONNECTION: &str = "a4d3ae55";

#[derive(Default)]
struct Okx {
    pairs: BTreeSet<&'static str>,
    told: LastSent,
}

#[derive(Deserialize)]
struct Request {
    op: String,
    #[serde(default)]
    args: Vec<Argument>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    channel: String,
    inst_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arg: Option<&'a Argument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<String>,
    conn_id: &'static str,
}

#[derive(Serialize)]
struct Push {
    arg: Argument,
    data: [TickerMessage; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TickerMessage {
    inst_type: &'static str,
    inst_id: &'static str,
    last: WireValue,
    last_sz: &'static str,
    ask_px: WireValue,
    ask_sz: &'static str,
    bid_px: WireValue,
    bid_sz: &'static str,
    open24h: WireValue,
    high24h: WireValue,
    low24h: WireValue,
    vol_ccy24h: &'static str,
    vol24h: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<WireValue>,
    sod_utc0: WireValue,
    sod_utc8: WireValue,
}

impl WsDialect for Okx {
    fn connection_rules(&self) -> ConnectionRules {
        ConnectionRules { idle: Some(Duration::from_secs(30)), ..ConnectionRules::default() }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        if text == "ping" {
            return vec!["pong".to_owned()];
        }
        let Ok(Request { op, args }) = serde_json::from_str(text) else {
            return vec![error("60012", format!("Illegal request: {text}"))];
        };
        if view.is(FaultKind::ErrorIn200) {
            return vec![error("50001", "Service temporarily unavailable. Please try again later.".to_owned())];
        }
        if !["subscribe", "unsubscribe"].contains(&op.as_str()) {
            return vec![error("60012", format!("Illegal request: {text}"))];
        }
        args.iter().map(|argument| self.change_subscription(&op, argument, view)).collect()
    }

    fn is_subscribed(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for name in &self.pairs {
            let Some(pair) = find(okx::PAIRS, name) else { continue };
            let Some(told) = view.ticker(pair.direction, pair.tick) else { continue };
            if self.told.should_send(pair.direction, told, view.now, all) {
                let arg = Argument { channel: TICKERS.to_owned(), inst_id: pair.name.to_owned() };
                texts.push(json(&Push { arg, data: [ticker(pair, told, view)] }));
            }
        }
        texts
    }

    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        let msg = "The connection will soon be closed for a service upgrade. Please reconnect.".to_owned();
        let (event, code) = ("notice", Some("64008"));
        Some(json(&Said { event, arg: None, code, msg: Some(msg), conn_id: CONNECTION }))
    }
}

impl Okx {
    /// What is answered to a wish for one pair.
    fn change_subscription(&mut self, op: &str, argument: &Argument, view: &ExchangeView<'_>) -> String {
        let pair = find(okx::PAIRS, &argument.inst_id).filter(|_| argument.channel == TICKERS);
        let pair = pair.filter(|pair| view.ticker(pair.direction, pair.tick).is_some());
        let Some(pair) = pair else {
            let Argument { channel, inst_id } = argument;
            return error("60018", format!("Wrong URL or channel:{channel},instId:{inst_id} doesn't exist."));
        };
        if op == "subscribe" {
            self.pairs.insert(pair.name);
            self.told.forget(pair.direction);
        } else {
            self.pairs.remove(pair.name);
        }
        json(&Said { event: op, arg: Some(argument), code: None, msg: None, conn_id: CONNECTION })
    }
}

fn error(code: &'static str, msg: String) -> String {
    json(&Said { event: "error", arg: None, code: Some(code), msg: Some(msg), conn_id: CONNECTION })
}

fn ticker(pair: &ListedPair, told: Ticker, view: &ExchangeView<'_>) -> TickerMessage {
    let price = |price: crate::formats::Price| price.text(pair.decimals);
    TickerMessage {
        inst_type: "SPOT",
        inst_id: pair.name,
        last: price(told.last),
        last_sz: "0.1",
        ask_px: price(told.ask),
        ask_sz: "11",
        bid_px: price(told.bid),
        bid_sz: "5",
        open24h: price(told.last),
        high24h: price(told.last.percent(102)),
        low24h: price(told.last.percent(98)),
        vol_ccy24h: "8000000",
        vol24h: "130.5",
        ts: view.time(told.time, TimeForm::Millis, true),
        sod_utc0: price(told.last),
        sod_utc8: price(told.last),
    }
}
