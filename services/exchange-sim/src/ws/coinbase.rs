//! Coinbase's WebSocket, as documented at <https://docs.cdp.coinbase.com/exchange/websocket-feed/overview>: a ticker at
//! each trade, and one heartbeat a second for each pair. A client must subscribe within 5 s.

use std::{collections::BTreeMap, time::Duration};

use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::dialect::{ConnectionRules, WsDialect, WsEndpoint, to_json};
use crate::{
    exchange_view::{ExchangeView, Ticker},
    exchanges::coinbase,
    faults::FaultKind,
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::ListedPair,
};

pub(super) const ENDPOINT: WsEndpoint = WsEndpoint {
    exchange: coinbase::NAME,
    path: "/coinbase/ws",
    ban_status: 429,
    new_dialect: |_| Box::new(Coinbase::default()),
};

const TICKER: &str = "ticker";
const HEARTBEAT: &str = "heartbeat";
/// The time between two trades of a pair.
const TRADE_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Coinbase {
    pairs: BTreeMap<&'static str, Subscription>,
}

/// A client's subscription to one pair.
#[derive(Default)]
struct Subscription {
    ticker: bool,
    heartbeat: bool,
    sequence: i64,
    /// The id of the trade in the last ticker.
    last_trade_id: Option<i64>,
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
struct SubscriptionsMessage {
    r#type: &'static str,
    channels: Vec<Channel>,
}

#[derive(Serialize)]
struct Channel {
    name: &'static str,
    product_ids: Vec<&'static str>,
}

#[derive(Serialize)]
struct ErrorMessage {
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
    price: JsonValue,
    open_24h: JsonValue,
    volume_24h: &'static str,
    low_24h: JsonValue,
    high_24h: JsonValue,
    volume_30d: &'static str,
    best_bid: JsonValue,
    best_bid_size: &'static str,
    best_ask: JsonValue,
    best_ask_size: &'static str,
    side: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<JsonValue>,
    trade_id: i64,
    last_size: &'static str,
}

#[derive(Serialize)]
struct HeartbeatMessage {
    r#type: &'static str,
    sequence: i64,
    last_trade_id: i64,
    product_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<JsonValue>,
}

impl WsDialect for Coinbase {
    fn rules(&self) -> ConnectionRules {
        ConnectionRules {
            subscribe_within: Some(Duration::from_secs(5)),
            max_messages_per_sec: Some(100),
            ..ConnectionRules::default()
        }
    }

    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String> {
        let Ok(Request { r#type, product_ids, channels }) = serde_json::from_str(text) else {
            return vec![error_message("Malformed JSON", None)];
        };
        if view.has_fault(FaultKind::ErrorIn200) {
            return vec![error_message("Failed to subscribe", Some("service unavailable".to_owned()))];
        }
        let subscribe = match r#type.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            _ => return vec![error_message("Type has to be either subscribe or unsubscribe", None)],
        };
        let mut found = Vec::new();
        for name in product_ids {
            // If one pair is unknown, the whole request fails.
            let Some((listed, _)) = view.find_ticker(coinbase::PAIRS, &name) else {
                return vec![error_message("Failed to subscribe", Some(format!("{name} is not a valid product")))];
            };
            found.push(listed.symbol);
        }
        if let Some(channel) = channels.iter().find(|channel| ![TICKER, HEARTBEAT].contains(&channel.as_str())) {
            return vec![error_message("Failed to subscribe", Some(format!("{channel} is not a valid channel")))];
        }
        for name in found {
            let subscription = self.pairs.entry(name).or_default();
            for channel in &channels {
                *(if channel == TICKER { &mut subscription.ticker } else { &mut subscription.heartbeat }) = subscribe;
            }
        }
        self.pairs.retain(|_, subscription| subscription.ticker || subscription.heartbeat);
        vec![self.subscriptions()]
    }

    fn is_subscribed(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String> {
        let update = |(symbol, subscription): (&&'static str, &mut Subscription)| {
            let (listed, ticker) = view.find_ticker(coinbase::PAIRS, symbol).filter(|_| subscription.ticker)?;
            let trade_id = trade_id(ticker.time);
            if subscription.last_trade_id == Some(trade_id) {
                return None;
            }
            subscription.last_trade_id = Some(trade_id);
            Some(to_json(&ticker_message(listed, ticker, subscription.next_sequence(view), view)))
        };
        self.pairs.iter_mut().filter_map(update).collect()
    }

    fn heartbeats(&mut self, view: &ExchangeView<'_>, _idle: bool) -> Vec<String> {
        let heartbeat = |(symbol, subscription): (&&'static str, &mut Subscription)| {
            let (listed, ticker) = view.find_ticker(coinbase::PAIRS, symbol).filter(|_| subscription.heartbeat)?;
            Some(to_json(&HeartbeatMessage {
                r#type: HEARTBEAT,
                sequence: subscription.next_sequence(view),
                last_trade_id: trade_id(ticker.time),
                product_id: listed.symbol,
                time: view.format_time(view.now, TimeFormat::Iso, JsonType::Text),
            }))
        };
        self.pairs.iter_mut().filter_map(heartbeat).collect()
    }
}

impl Coinbase {
    /// The confirmation of a request. It lists all subscriptions of the client.
    fn subscriptions(&self) -> String {
        let channel = |name, includes: fn(&Subscription) -> bool| {
            let pairs = self.pairs.iter().filter(|(_, subscription)| includes(subscription));
            Channel { name, product_ids: pairs.map(|(symbol, _)| *symbol).collect() }
        };
        let channels = vec![
            channel(TICKER, |subscription| subscription.ticker),
            channel(HEARTBEAT, |subscription| subscription.heartbeat),
        ];
        to_json(&SubscriptionsMessage { r#type: "subscriptions", channels })
    }
}

impl Subscription {
    /// The next sequence number. Numbers are skipped, as if messages of other channels used them.
    fn next_sequence(&mut self, view: &ExchangeView<'_>) -> i64 {
        self.sequence = (view.now.micros() / 100).max(self.sequence + 1);
        self.sequence
    }
}

/// Trade ids are derived from the time.
fn trade_id(time: Timestamp) -> i64 {
    time.micros().div_euclid(i64::try_from(TRADE_INTERVAL.as_micros()).unwrap_or(i64::MAX))
}

fn error_message(message: &'static str, reason: Option<String>) -> String {
    to_json(&ErrorMessage { r#type: "error", message, reason })
}

fn ticker_message(listed: &ListedPair, ticker: Ticker, sequence: i64, view: &ExchangeView<'_>) -> TickerMessage {
    let Ticker { last, bid, ask, time } = ticker;
    let text = |price: Price| price.text(listed.decimals);
    TickerMessage {
        r#type: TICKER,
        sequence,
        product_id: listed.symbol,
        price: text(last),
        open_24h: text(last),
        volume_24h: "4321.00000000",
        low_24h: text(last.percent(98)),
        high_24h: text(last.percent(102)),
        volume_30d: "129630.00000000",
        best_bid: text(bid),
        best_bid_size: "0.40000000",
        best_ask: text(ask),
        best_ask_size: "1.50000000",
        side: "buy",
        time: view.format_time(time, TimeFormat::Iso, JsonType::Text),
        trade_id: trade_id(time),
        last_size: "0.01000000",
    }
}
