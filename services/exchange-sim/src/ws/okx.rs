//! OKX's public WebSocket, as documented at <https://www.okx.com/docs-v5/en/#overview-websocket>. Every value is text,
//! and `ping` is a text message. OKX closes a connection after 30 s without a message. The notice 64008 announces a
//! restart.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::dialect::{ConnectionRules, LastSent, UpdateTrigger, WsDialect, WsEndpoint, to_json};
use crate::{
    exchange_view::{ExchangeView, Ticker},
    exchanges::okx::{self, TickerBody},
    faults::FaultKind,
    formats::{JsonType, Price, TimeFormat},
    market::listed_pair::ListedPair,
};

pub(super) const ENDPOINT: WsEndpoint = WsEndpoint {
    exchange: okx::NAME,
    path: "/okx/ws/ws/v5/public",
    ban_status: 429,
    new_dialect: |_| Box::new(Okx::default()),
};

const TICKERS: &str = "tickers";
const CONNECTION_ID: &str = "a4d3ae55";

#[derive(Default)]
struct Okx {
    pairs: BTreeSet<&'static str>,
    last_sent: LastSent,
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
struct EventMessage<'a> {
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
struct TickerMessage {
    arg: Argument,
    data: [TickerBody; 1],
}

impl WsDialect for Okx {
    fn rules(&self) -> ConnectionRules {
        ConnectionRules { max_idle: Some(Duration::from_secs(30)), ..ConnectionRules::default() }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        if text == "ping" {
            return vec!["pong".to_owned()];
        }
        let Ok(Request { op, args }) = serde_json::from_str(text) else {
            return vec![error_message("60012", format!("Illegal request: {text}"))];
        };
        if view.has_fault(FaultKind::ErrorIn200) {
            return vec![error_message("50001", "Service temporarily unavailable. Please try again later.".to_owned())];
        }
        if !["subscribe", "unsubscribe"].contains(&op.as_str()) {
            return vec![error_message("60012", format!("Illegal request: {text}"))];
        }
        args.iter().map(|argument| self.change_subscription(&op, argument, view)).collect()
    }

    fn is_subscribed(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for symbol in &self.pairs {
            let Some((listed, ticker)) = view.find_ticker(okx::PAIRS, symbol) else { continue };
            if self.last_sent.should_send(listed.pair, ticker, view.now, UpdateTrigger::LastTradeOrBook) {
                let arg = Argument { channel: TICKERS.to_owned(), inst_id: listed.symbol.to_owned() };
                texts.push(to_json(&TickerMessage { arg, data: [ticker_body(listed, ticker, view)] }));
            }
        }
        texts
    }

    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        let msg = "The connection will soon be closed for a service upgrade. Please reconnect.".to_owned();
        let (event, code) = ("notice", Some("64008"));
        Some(to_json(&EventMessage { event, arg: None, code, msg: Some(msg), conn_id: CONNECTION_ID }))
    }
}

impl Okx {
    /// Changes the subscription to one pair and returns the answer.
    fn change_subscription(&mut self, op: &str, argument: &Argument, view: &ExchangeView<'_>) -> String {
        let Argument { channel, inst_id } = argument;
        let Some((listed, _)) = view.find_ticker(okx::PAIRS, inst_id).filter(|_| channel == TICKERS) else {
            return error_message("60018", format!("Wrong URL or channel:{channel},instId:{inst_id} doesn't exist."));
        };
        if op == "subscribe" {
            self.pairs.insert(listed.symbol);
            self.last_sent.remove(listed.pair);
        } else {
            self.pairs.remove(listed.symbol);
        }
        to_json(&EventMessage { event: op, arg: Some(argument), code: None, msg: None, conn_id: CONNECTION_ID })
    }
}

fn error_message(code: &'static str, msg: String) -> String {
    to_json(&EventMessage { event: "error", arg: None, code: Some(code), msg: Some(msg), conn_id: CONNECTION_ID })
}

/// The fields of OKX's HTTP ticker, with two differences: the price of an empty side of the order book is zero, and the
/// opening price is the last price.
fn ticker_body(listed: &'static ListedPair, ticker: Ticker, view: &ExchangeView<'_>) -> TickerBody {
    let text = |price: Price| price.text(listed.decimals);
    TickerBody {
        inst_type: "SPOT",
        inst_id: listed.symbol,
        last: text(ticker.last),
        last_sz: "0.1",
        ask_px: text(ticker.ask),
        ask_sz: "11",
        bid_px: text(ticker.bid),
        bid_sz: "5",
        open24h: text(ticker.last),
        high24h: text(ticker.last.percent(102)),
        low24h: text(ticker.last.percent(98)),
        vol_ccy24h: "8000000",
        vol24h: "130.5",
        ts: view.format_time(ticker.time, TimeFormat::Millis, JsonType::Text),
        sod_utc0: text(ticker.last),
        sod_utc8: text(ticker.last),
    }
}
