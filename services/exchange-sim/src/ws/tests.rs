//! Sessions without a socket, on a paused clock.

use std::time::Duration;

use common::time::Clock;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{Config, NewFault, Simulation, endpoint};

const BINANCE: &str = "/binance/ws/stream";
const COINBASE: &str = "/coinbase/ws";
const KRAKEN: &str = "/kraken/ws/v2";
const OKX: &str = "/okx/ws/ws/v5/public";

const COINBASE_BTC: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}"#;
const KRAKEN_BTC: &str = r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo"},
    "req_id":7}"#;
const OKX_BTC: &str = r#"{"op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]}"#;

/// The duration of the faults that [`start_fault`] starts.
const FAULT_DURATION: Duration = Duration::from_mins(10);

fn new_simulation() -> Simulation {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    endpoint(&Config {
        accepted_callers: None,
        seed: 1,
        timeline: Vec::new(),
        market: Vec::new(),
        enforce_rate_limits: false,
        clock,
    })
    .1
}

fn start_fault(simulation: &Simulation, exchange: &str, kind: FaultKind) {
    let seconds = Some(FAULT_DURATION.as_secs());
    simulation.start_fault(exchange, &NewFault { seconds, ..NewFault::new(kind) }).unwrap();
}

impl ClientEnd {
    async fn send_text(&self, text: &str) {
        self.sender.send(FromClient::Text(text.to_owned())).await.unwrap();
    }

    /// The next message. `None` if the exchange has closed the connection. Panics after a minute without a message.
    async fn next(&mut self) -> Option<FromExchange> {
        timeout(Duration::from_mins(1), self.receiver.recv()).await.expect("no message within a minute")
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Some(FromExchange::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    async fn json(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    }

    /// The messages that arrive within `duration`.
    async fn messages_within(&mut self, duration: Duration) -> Vec<FromExchange> {
        let (deadline, mut all) = (Instant::now() + duration, Vec::new());
        while let Ok(Some(message)) = tokio::time::timeout_at(deadline, self.receiver.recv()).await {
            all.push(message);
        }
        all
    }

    /// The texts that arrive within `duration`, as JSON.
    async fn json_messages(&mut self, duration: Duration) -> Vec<Value> {
        let texts = self.messages_within(duration).await.into_iter().filter_map(|message| match message {
            FromExchange::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        });
        texts.collect()
    }
}

/// Connects and subscribes a client, and reads up to its first price message. A message is a price if it has at least
/// 190 bytes: acknowledgements and status messages are shorter.
async fn subscribed(simulation: &Simulation, path: &str) -> ClientEnd {
    let query = (path == BINANCE).then_some("streams=btcusdt@bookTicker/btcusdt@ticker");
    let mut client = simulation.websocket(path, query).await.unwrap();
    match path {
        COINBASE => client.send_text(COINBASE_BTC).await,
        KRAKEN => client.send_text(KRAKEN_BTC).await,
        OKX => client.send_text(OKX_BTC).await,
        _ => {}
    }
    while client.text().await.len() < 190 {}
    client
}

#[tokio::test(start_paused = true)]
async fn binance_sends_the_streams_that_the_query_names() {
    let simulation = new_simulation();
    let mut client =
        simulation.websocket(BINANCE, Some("streams=btcusdt@bookTicker/btcusdt@ticker/xyz@ticker")).await.unwrap();
    let first = [client.json().await, client.json().await];
    let [book_ticker, ticker] = &first;
    assert_eq!(book_ticker["stream"], "btcusdt@bookTicker", "{book_ticker}");
    let data = &book_ticker["data"];
    assert!(data["u"].is_u64() && data["e"].is_null() && data["b"].is_string(), "{book_ticker}");
    assert_eq!((&ticker["data"]["e"], &ticker["data"]["s"]), (&"24hrTicker".into(), &"BTCUSDT".into()));
    assert!(ticker["data"]["E"].is_i64() && ticker["data"]["c"].as_str().unwrap().ends_with("000000"), "{ticker}");
}

#[tokio::test(start_paused = true)]
async fn binance_sends_pings_and_accepts_further_subscriptions() {
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, BINANCE).await;
    let messages = client.messages_within(Duration::from_secs(21)).await;
    assert_eq!(messages.iter().filter(|message| **message == FromExchange::Ping).count(), 1);
    client.sender.send(FromClient::Pong).await.unwrap();
    client.send_text(r#"{"method":"SUBSCRIBE","params":["ethusdt@bookTicker"],"id":1}"#).await;
    let answers = client.json_messages(Duration::from_millis(10)).await;
    assert_eq!(answers[0].to_string(), r#"{"id":1,"result":null}"#);
    assert!(answers.iter().any(|answer| answer["stream"] == "ethusdt@bookTicker"));
    client.send_text("{").await;
    assert_eq!(client.json_messages(Duration::from_millis(1)).await[0]["code"], 3);
}

#[tokio::test(start_paused = true)]
async fn binance_disconnects_after_too_many_messages() {
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, BINANCE).await;
    for _ in 0..6 {
        client.send_text(r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#).await;
    }
    assert_eq!(client.messages_within(Duration::from_secs(1)).await.last(), Some(&FromExchange::Close(1008)));
}

#[tokio::test(start_paused = true)]
async fn binance_disconnects_after_an_unanswered_ping() {
    let simulation = new_simulation();
    let (mut client, started_at) = (subscribed(&simulation, BINANCE).await, Instant::now());
    while client.next().await != Some(FromExchange::Close(1008)) {}
    assert!(started_at.elapsed() >= Duration::from_secs(80) && started_at.elapsed() < Duration::from_secs(82));
}

#[tokio::test(start_paused = true)]
async fn coinbase_disconnects_after_five_seconds_without_a_subscription() {
    let (simulation, started_at) = (new_simulation(), Instant::now());
    let mut client = simulation.websocket(COINBASE, None).await.unwrap();
    assert_eq!(client.next().await, Some(FromExchange::Close(1008)));
    assert_eq!((client.next().await, started_at.elapsed()), (None, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn coinbase_heartbeats_contain_the_id_of_the_last_trade() {
    let simulation = new_simulation();
    let mut client = simulation.websocket(COINBASE, None).await.unwrap();
    client.send_text(COINBASE_BTC).await;
    let ack = client.json().await;
    assert_eq!((&ack["type"], &ack["channels"][1]["name"]), (&"subscriptions".into(), &"heartbeat".into()), "{ack}");
    let (mut sequence, mut trade, mut heartbeats) = (0, 0, 0);
    for message in client.json_messages(Duration::from_secs(10)).await {
        let number = message["sequence"].as_i64().unwrap();
        assert!(number > sequence, "{message}");
        sequence = number;
        if message["type"] == "ticker" {
            assert!(message["best_bid"].is_string() && message["price"].is_string(), "{message}");
            assert!(message["trade_id"].as_i64().unwrap() > trade);
            trade = message["trade_id"].as_i64().unwrap();
        } else {
            assert_eq!(message["last_trade_id"], trade, "{message}");
            heartbeats += 1;
        }
    }
    assert!((9..=10).contains(&heartbeats), "{heartbeats}");
    let unknown = COINBASE_BTC.replace("BTC-USD", "BTC-XYZ");
    client.send_text(&unknown).await;
    assert_eq!(client.json_messages(Duration::from_millis(1)).await[0]["reason"], "BTC-XYZ is not a valid product");
}

#[tokio::test(start_paused = true)]
async fn kraken_sends_its_status_first_and_prices_as_numbers() {
    let simulation = new_simulation();
    let mut client = simulation.websocket(KRAKEN, None).await.unwrap();
    assert_eq!(client.json().await["data"][0]["system"], "online");
    client.send_text(KRAKEN_BTC).await;
    let ack = client.json().await;
    assert!(ack["success"] == true && ack["req_id"] == 7 && ack["result"]["symbol"] == "BTC/USD", "{ack}");
    let snapshot = client.text().await;
    assert!(
        snapshot.contains(r#""type":"snapshot""#) && snapshot.contains(r#""symbol":"BTC/USD","bid":9"#),
        "{snapshot}"
    );
    assert_eq!(client.json().await["type"], "update");
    client.send_text(&KRAKEN_BTC.replace("BTC/USD", "XBT/USD")).await;
    let refusal = client.json().await;
    assert!(refusal["success"] == false && refusal["symbol"] == "XBT/USD", "{refusal}");
    client.send_text(r#"{"method":"ping","req_id":9}"#).await;
    assert_eq!(client.json_messages(Duration::from_millis(1)).await[0]["method"], "pong");
}

#[tokio::test(start_paused = true)]
async fn okx_disconnects_after_thirty_seconds_without_a_message() {
    let (simulation, started_at) = (new_simulation(), Instant::now());
    let mut client = simulation.websocket(OKX, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.send_text("ping").await;
    assert_eq!(client.text().await, "pong");
    assert_eq!(client.next().await, Some(FromExchange::Close(1001)));
    assert_eq!(started_at.elapsed(), Duration::from_secs(50));
}

#[tokio::test(start_paused = true)]
async fn okx_refuses_unknown_instruments_and_requests() {
    let simulation = new_simulation();
    let mut client = simulation.websocket(OKX, None).await.unwrap();
    client.send_text(OKX_BTC).await;
    assert_eq!(client.json().await["event"], "subscribe");
    let push = client.json().await;
    assert!(push["data"][0]["bidPx"].is_string() && push["data"][0]["ts"].is_string(), "{push}");
    client.send_text(&OKX_BTC.replace("BTC", "XYZ")).await;
    assert_eq!(client.json_messages(Duration::from_millis(1)).await[0]["code"], "60018");
    client.send_text("{}").await;
    assert_eq!(client.json_messages(Duration::from_millis(1)).await[0]["code"], "60012");
}

#[tokio::test(start_paused = true)]
async fn silent_exchange_keeps_the_connection_open() {
    for path in [BINANCE, COINBASE, KRAKEN, OKX] {
        let simulation = new_simulation();
        let mut client = subscribed(&simulation, path).await;
        let exchange = path[1..].split('/').next().unwrap();
        start_fault(&simulation, exchange, FaultKind::Silent);
        client.messages_within(Duration::from_millis(1)).await;
        // Without the fault, Binance disconnects a client that sends more than five messages within one second.
        for _ in 0..6 {
            client.send_text("ping").await;
        }
        let received = client.messages_within(Duration::from_mins(2)).await;
        assert!(received.is_empty() && !client.sender.is_closed(), "{path}: {received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_exchange_keeps_a_connection_without_a_subscription_open() {
    let simulation = new_simulation();
    start_fault(&simulation, "coinbase", FaultKind::Silent);
    let mut client = simulation.websocket(COINBASE, None).await.unwrap();
    let received = client.messages_within(Duration::from_mins(2)).await;
    assert!(received.is_empty() && !client.sender.is_closed(), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn pong_timeout_restarts_after_the_fault_silent() {
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, BINANCE).await;
    assert!(client.messages_within(Duration::from_secs(21)).await.contains(&FromExchange::Ping));
    start_fault(&simulation, "binance", FaultKind::Silent);
    let fault_ends_at = Instant::now() + FAULT_DURATION;
    client.messages_within(Duration::from_millis(1)).await;
    let received = client.messages_within(Duration::from_mins(9)).await;
    assert!(received.is_empty() && !client.sender.is_closed(), "{received:?}");
    while client.next().await != Some(FromExchange::Close(1008)) {}
    let waited = Instant::now() - fault_ends_at;
    assert!(waited >= Duration::from_mins(1) && waited < Duration::from_secs(62), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_time_restarts_after_the_fault_silent() {
    let simulation = new_simulation();
    let mut client = simulation.websocket(OKX, None).await.unwrap();
    start_fault(&simulation, "okx", FaultKind::Silent);
    let fault_ends_at = Instant::now() + FAULT_DURATION;
    let received = client.messages_within(FAULT_DURATION).await;
    assert!(received.is_empty() && !client.sender.is_closed(), "{received:?}");
    assert_eq!(client.next().await, Some(FromExchange::Close(1001)));
    let waited = Instant::now() - fault_ends_at;
    assert!(waited >= Duration::from_secs(29) && waited <= Duration::from_secs(30), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn no_prices_are_sent_during_the_fault_heartbeat_only() {
    for (path, exchange, min_heartbeats) in [(COINBASE, "coinbase", 9), (KRAKEN, "kraken", 9), (OKX, "okx", 0)] {
        let simulation = new_simulation();
        let mut client = subscribed(&simulation, path).await;
        start_fault(&simulation, exchange, FaultKind::HeartbeatOnly);
        client.messages_within(Duration::from_millis(1)).await;
        let received = client.json_messages(Duration::from_secs(10)).await;
        assert!(received.len() >= min_heartbeats && received.len() <= min_heartbeats + 1, "{path}: {received:?}");
        assert!(received.iter().all(|text| text.to_string().contains("heartbeat")), "{path}: {received:?}");
    }
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, OKX).await;
    start_fault(&simulation, "okx", FaultKind::HeartbeatOnly);
    client.messages_within(Duration::from_millis(1)).await;
    client.send_text("ping").await;
    assert_eq!(client.text().await, "pong");
}

#[tokio::test(start_paused = true)]
async fn fault_out_of_order_reorders_and_repeats_messages() {
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, BINANCE).await;
    start_fault(&simulation, "binance", FaultKind::OutOfOrder);
    let messages = client.json_messages(Duration::from_secs(5)).await;
    let update_ids: Vec<u64> = messages.iter().filter_map(|message| message["data"]["u"].as_u64()).collect();
    assert!(update_ids.windows(2).any(|ids| ids[0] > ids[1]), "{update_ids:?}");
    assert!(update_ids.windows(3).any(|ids| ids[0] == ids[2]), "{update_ids:?}");
}

#[tokio::test(start_paused = true)]
async fn fault_cuts_open_connections() {
    for kind in [FaultKind::Cut, FaultKind::Down] {
        let simulation = new_simulation();
        let mut client = subscribed(&simulation, KRAKEN).await;
        start_fault(&simulation, "kraken", kind);
        let rest = client.messages_within(Duration::from_secs(1)).await;
        assert!(client.next().await.is_none() && !rest.contains(&FromExchange::Close(1001)));
    }
}

#[tokio::test(start_paused = true)]
async fn fault_refuses_new_connections() {
    let simulation = new_simulation();
    for (kind, refusal) in [
        (FaultKind::Down, WebSocketError::Refused),
        (FaultKind::Error500, WebSocketError::Status(500)),
        (FaultKind::Html520, WebSocketError::Status(520)),
        (FaultKind::RateLimited, WebSocketError::Status(429)),
    ] {
        start_fault(&simulation, "kraken", kind);
        assert_eq!(simulation.websocket(KRAKEN, None).await.unwrap_err(), refusal);
    }
}

#[tokio::test(start_paused = true)]
async fn each_exchange_refuses_a_banned_client_with_its_own_status() {
    let simulation = new_simulation();
    for (path, exchange, status) in
        [(BINANCE, "binance", 418), (COINBASE, "coinbase", 429), (KRAKEN, "kraken", 429), (OKX, "okx", 429)]
    {
        start_fault(&simulation, exchange, FaultKind::IpBanned);
        assert_eq!(simulation.websocket(path, None).await.unwrap_err(), WebSocketError::Status(status), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_path_is_refused() {
    let simulation = new_simulation();
    assert_eq!(simulation.websocket("/kraken/ws/v1", None).await.unwrap_err(), WebSocketError::NoSuchPath);
}

#[tokio::test(start_paused = true)]
async fn restart_is_announced_once_before_the_connection_closes() {
    for (path, exchange, notice) in
        [(BINANCE, "binance", "serverShutdown"), (OKX, "okx", "64008"), (KRAKEN, "kraken", "maintenance")]
    {
        let simulation = new_simulation();
        let (mut client, started_at) = (subscribed(&simulation, path).await, Instant::now());
        start_fault(&simulation, exchange, FaultKind::RestartNotice);
        let received = client.messages_within(Duration::from_secs(60)).await;
        let notices =
            received.iter().filter(|message| matches!(message, FromExchange::Text(text) if text.contains(notice)));
        assert_eq!((notices.count(), received.last()), (1, Some(&FromExchange::Close(1001))), "{path}");
        assert!(started_at.elapsed() >= Duration::from_secs(10) && started_at.elapsed() < Duration::from_secs(12));
    }
}

#[tokio::test(start_paused = true)]
async fn price_faults_apply_to_websockets() {
    let simulation = new_simulation();
    let mut client = subscribed(&simulation, OKX).await;
    start_fault(&simulation, "okx", FaultKind::Frozen);
    client.messages_within(Duration::from_millis(300)).await;
    let frozen = client.json_messages(Duration::from_secs(5)).await;
    assert!(frozen.len() >= 4 && frozen.iter().all(|text| text["data"] == frozen[0]["data"]), "{frozen:?}");

    start_fault(&simulation, "okx", FaultKind::CrossedBook);
    let crossed = &client.json_messages(Duration::from_secs(1)).await[0]["data"][0];
    let side = |name: &str| crossed[name].as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap();
    assert!(side("bidPx") > side("askPx"), "{crossed}");

    start_fault(&simulation, "okx", FaultKind::Truncated);
    let received = client.messages_within(Duration::from_secs(1)).await;
    let FromExchange::Text(half) = &received[0] else { panic!("{received:?}") };
    assert!(half.starts_with('{') && serde_json::from_str::<Value>(half).is_err());

    start_fault(&simulation, "okx", FaultKind::Unlisted);
    let mut client = simulation.websocket(OKX, None).await.unwrap();
    client.send_text(OKX_BTC).await;
    assert_eq!(client.json().await["code"], "60018");
}
