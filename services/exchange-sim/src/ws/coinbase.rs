//! Coinbase's websocket, as <https://docs.cdp.coinbase.com/exchange/websocket-feed/overview> has it: a ticker with each
//! match, a heartbeat a second for each pair, and nobody stays who has not subscribed within 5 s.

use std::{collections::BTreeMap, time::Duration};

use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    WsEndpoint,
    dialect::{ConnectionRules, WsDialect, json},
};
use crate::{
    exchanges::{ListedPair, coinbase, find},
    faults::{FaultKind, TimeForm},
    formats::WireValue,
    market::exchange_view::{ExchangeView, Ticker},
};

pub(super) const ENDPOINT: WsEndpoint =
    WsEndpoint { exchange: coinbase::NAME, path: "/coinbase/ws", open: |_| Box::new(Coinbase::default()) };

const TICKER: &str = "ticker";
const HEARTBEAT: &str = "heartbeat";
/// A pair is traded so often.
const TRADE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Coinbase {
    pairs: BTreeMap<&'static str, Subscribed>,
}

/// What a client has of one pair.
#[derive(Default)]
struct Subscribed {
    ticker: bool,
    heartbeat: bool,
    sequence: i64,
    /// The trade that was told last.
    trade: Option<i64>,
}

#[derive(Deserialize)]
struct Request {
    r#type: String,
    #[serde(default)]
    product_ids: Vec<String>,
    #[serde(default)]
    channels: Vec<String>,
}

#[derive(Serialize)]
struct Subscriptions {
    r#type: &'static str,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Channel {
    name: &'static str,
    product_ids: Vec<&'static str>,
}

#[derive(Serialize)]
struct Refused {
    r#type: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct TickerMessage {
    r#type: &'static str,
    sequence: i64,
    product_id: &'static str,
    price: WireValue,
    open_24h: WireValue,
    volume_24h: &'static str,
    low_24h: WireValue,
    high_24h: WireValue,
    volume_30d: &'static str,
    best_bid: WireValue,
    best_bid_size: &'static str,
    best_ask: WireValue,
    best_ask_size: &'static str,
    side: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<WireValue>,
    trade_id: i64,
    last_size: &'static str,
}

#[derive(Serialize)]
struct Heartbeat {
    r#type: &'static str,
    sequence: i64,
    last_trade_id: i64,
    product_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<WireValue>,
}

impl WsDialect for Coinbase {
    fn connection_rules(&self) -> ConnectionRules {
        ConnectionRules {
            subscribe_within: Some(Duration::from_secs(5)),
            max_messages: Some(100),
            ..ConnectionRules::default()
        }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let Ok(Request { r#type, product_ids, channels }) = serde_json::from_str(text) else {
            return vec![refused("Malformed JSON", None)];
        };
        if view.is(FaultKind::ErrorIn200) {
            return vec![refused("Failed to subscribe", Some("service unavailable".to_owned()))];
        }
        let wanted = match r#type.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            _ => return vec![refused("Type has to be either subscribe or unsubscribe", None)],
        };
        let mut found = Vec::new();
        for name in product_ids {
            let pair = find(coinbase::PAIRS, &name).filter(|pair| view.ticker(pair.direction, pair.tick).is_some());
            // One pair that is not known fails the whole request.
            let Some(pair) = pair else {
                return vec![refused("Failed to subscribe", Some(format!("{name} is not a valid product")))];
            };
            found.push(pair.name);
        }
        if let Some(channel) = channels.iter().find(|channel| ![TICKER, HEARTBEAT].contains(&channel.as_str())) {
            return vec![refused("Failed to subscribe", Some(format!("{channel} is not a valid channel")))];
        }
        for name in found {
            let subscribed = self.pairs.entry(name).or_default();
            for channel in &channels {
                *(if channel == TICKER { &mut subscribed.ticker } else { &mut subscribed.heartbeat }) = wanted;
            }
        }
        self.pairs.retain(|_, subscribed| subscribed.ticker || subscribed.heartbeat);
        vec![self.subscriptions()]
    }

    fn is_subscribed(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let one = |(name, subscribed): (&&'static str, &mut Subscribed)| {
            let pair = find(coinbase::PAIRS, name).filter(|_| subscribed.ticker)?;
            let told = view.ticker(pair.direction, pair.tick)?;
            let trade = trade_id(told.time);
            (subscribed.trade != Some(trade)).then(|| {
                subscribed.trade = Some(trade);
                json(&ticker(pair, told, subscribed.next(view), view))
            })
        };
        self.pairs.iter_mut().filter_map(one).collect()
    }

    fn heartbeats(&mut self, view: &ExchangeView<'_>, _quiet: bool) -> Vec<String> {
        let one = |(name, subscribed): (&&'static str, &mut Subscribed)| {
            let pair = find(coinbase::PAIRS, name).filter(|_| subscribed.heartbeat)?;
            let told = view.ticker(pair.direction, pair.tick)?;
            Some(json(&Heartbeat {
                r#type: HEARTBEAT,
                sequence: subscribed.next(view),
                last_trade_id: trade_id(told.time),
                product_id: pair.name,
                time: view.time(view.now, TimeForm::Iso, true),
            }))
        };
        self.pairs.iter_mut().filter_map(one).collect()
    }
}

impl Coinbase {
    /// All that the client has: every answer names it.
    fn subscriptions(&self) -> String {
        let channel = |name, has: fn(&Subscribed) -> bool| {
            let pairs = self.pairs.iter().filter(|(_, subscribed)| has(subscribed));
            Channel { name, product_ids: pairs.map(|(name, _)| *name).collect() }
        };
        let channels = vec![channel(TICKER, |has| has.ticker), channel(HEARTBEAT, |has| has.heartbeat)];
        json(&Subscriptions { r#type: "subscriptions", channels })
    }
}

impl Subscribed {
    /// The next number: other channels have those between.
    fn next(&mut self, view: &ExchangeView<'_>) -> i64 {
        self.sequence = (view.now.micros() / 100).max(self.sequence + 1);
        self.sequence
    }
}

/// Trades are counted by the time.
fn trade_id(time: Timestamp) -> i64 {
    time.micros().div_euclid(i64::try_from(TRADE.as_micros()).unwrap_or(i64::MAX))
}

fn refused(message: &'static str, reason: Option<String>) -> String {
    json(&Refused { r#type: "error", message, reason })
}

fn ticker(pair: &ListedPair, told: Ticker, sequence: i64, view: &ExchangeView<'_>) -> TickerMessage {
    let Ticker { last, bid, ask, time } = told;
    TickerMessage {
        r#type: TICKER,
        sequence,
        product_id: pair.name,
        price: last.text(pair.decimals),
        open_24h: last.text(pair.decimals),
        volume_24h: "4321.00000000",
        low_24h: last.percent(98).text(pair.decimals),
        high_24h: last.percent(102).text(pair.decimals),
        volume_30d: "129630.00000000",
        best_bid: bid.text(pair.decimals),
        best_bid_size: "0.40000000",
        best_ask: ask.text(pair.decimals),
        best_ask_size: "1.50000000",
        side: "buy",
        time: view.time(time, TimeForm::Iso, true),
        trade_id: trade_id(time),
        last_size: "0.01000000",
    }
}
