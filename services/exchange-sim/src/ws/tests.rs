//! Sessions with no socket, in a time that goes as it is told.

use std::time::Duration;

use common::{config::Secret, time::Clock};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{Config, NewFault, endpoint};

const BINANCE: &str = "/binance/ws/stream";
const COINBASE: &str = "/coinbase/ws";
const KRAKEN: &str = "/kraken/ws/v2";
const OKX: &str = "/okx/ws/ws/v5/public";

const COINBASE_BTC: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}"#;
const KRAKEN_BTC: &str = r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo"},
    "req_id":7}"#;
const OKX_BTC: &str = r#"{"op":"subscribe","args":[{"channel":"tickers","instId":"BTC-USDT"}]}"#;

fn world() -> Simulation {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    endpoint(&Config { internal_token: Secret::random(), seed: 1, timeline: Vec::new(), limits: false, clock }).1
}

fn fail(world: &Simulation, exchange: &str, kind: FaultKind) {
    world.set_fault(exchange, &NewFault { seconds: Some(600), ..NewFault::of(kind) }).unwrap();
}

impl ClientEnd {
    async fn send_text(&self, text: &str) {
        self.sender.send(FromClient::Text(text.to_owned())).await.unwrap();
    }

    /// What comes within a virtual minute; nothing where the exchange hangs up.
    async fn next(&mut self) -> Option<FromExchange> {
        timeout(Duration::from_mins(1), self.receiver.recv()).await.expect("nothing came for a minute")
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

    /// What comes within `duration`.
    async fn within(&mut self, duration: Duration) -> Vec<FromExchange> {
        let (end, mut all) = (Instant::now() + duration, Vec::new());
        while let Ok(Some(message)) = tokio::time::timeout_at(end, self.receiver.recv()).await {
            all.push(message);
        }
        all
    }

    /// The texts that come within `duration`.
    async fn texts(&mut self, duration: Duration) -> Vec<Value> {
        let texts = self.within(duration).await.into_iter().filter_map(|message| match message {
            FromExchange::Text(text) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        });
        texts.collect()
    }
}

/// A client that has what it asked for: everything before the first price is passed over.
async fn subscribed(world: &Simulation, path: &str) -> ClientEnd {
    let query = (path == BINANCE).then_some("streams=btcusdt@bookTicker/btcusdt@ticker");
    let mut client = world.websocket(path, query).await.unwrap();
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
async fn binance_streams_what_the_address_names_and_pings() {
    let world = world();
    let mut client =
        world.websocket(BINANCE, Some("streams=btcusdt@bookTicker/btcusdt@ticker/xyz@ticker")).await.unwrap();
    let first = [client.json().await, client.json().await];
    let [book, ticker] = &first;
    assert_eq!(book["stream"], "btcusdt@bookTicker", "{book}");
    assert!(book["data"]["u"].is_u64() && book["data"]["e"].is_null() && book["data"]["b"].is_string(), "{book}");
    assert_eq!((&ticker["data"]["e"], &ticker["data"]["s"]), (&"24hrTicker".into(), &"BTCUSDT".into()));
    assert!(ticker["data"]["E"].is_i64() && ticker["data"]["c"].as_str().unwrap().ends_with("000000"), "{ticker}");

    let messages = client.within(Duration::from_secs(21)).await;
    assert_eq!(messages.iter().filter(|message| **message == FromExchange::Ping).count(), 1);
    client.sender.send(FromClient::Pong).await.unwrap();
    client.send_text(r#"{"method":"SUBSCRIBE","params":["ethusdt@bookTicker"],"id":1}"#).await;
    let answers = client.texts(Duration::from_millis(10)).await;
    assert_eq!(answers[0].to_string(), r#"{"id":1,"result":null}"#);
    assert!(answers.iter().any(|answer| answer["stream"] == "ethusdt@bookTicker"));
    client.send_text("{").await;
    assert_eq!(client.texts(Duration::from_millis(1)).await[0]["code"], 3);
}

#[tokio::test(start_paused = true)]
async fn binance_sends_away_who_talks_too_much_or_answers_no_ping() {
    let world = world();
    let mut client = subscribed(&world, BINANCE).await;
    for _ in 0..6 {
        client.send_text(r#"{"method":"LIST_SUBSCRIPTIONS","id":2}"#).await;
    }
    assert_eq!(client.within(Duration::from_secs(1)).await.last(), Some(&FromExchange::Close(1008)));

    let (mut client, begun) = (subscribed(&world, BINANCE).await, Instant::now());
    while client.next().await != Some(FromExchange::Close(1008)) {}
    assert!(begun.elapsed() >= Duration::from_secs(80) && begun.elapsed() < Duration::from_secs(82));
}

#[tokio::test(start_paused = true)]
async fn coinbase_waits_five_seconds_for_a_subscription() {
    let (world, begun) = (world(), Instant::now());
    let mut client = world.websocket(COINBASE, None).await.unwrap();
    assert_eq!(client.next().await, Some(FromExchange::Close(1008)));
    assert_eq!((client.next().await, begun.elapsed()), (None, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn coinbase_tells_trades_and_a_heartbeat_that_names_the_last_of_them() {
    let world = world();
    let mut client = world.websocket(COINBASE, None).await.unwrap();
    client.send_text(COINBASE_BTC).await;
    let ack = client.json().await;
    assert_eq!((&ack["type"], &ack["channels"][1]["name"]), (&"subscriptions".into(), &"heartbeat".into()), "{ack}");
    let (mut sequence, mut trade, mut beats) = (0, 0, 0);
    for message in client.texts(Duration::from_secs(10)).await {
        let number = message["sequence"].as_i64().unwrap();
        assert!(number > sequence, "{message}");
        sequence = number;
        if message["type"] == "ticker" {
            assert!(message["best_bid"].is_string() && message["price"].is_string(), "{message}");
            assert!(message["trade_id"].as_i64().unwrap() > trade);
            trade = message["trade_id"].as_i64().unwrap();
        } else {
            assert_eq!(message["last_trade_id"], trade, "{message}");
            beats += 1;
        }
    }
    assert!((9..=10).contains(&beats), "{beats}");
    let unknown = COINBASE_BTC.replace("BTC-USD", "BTC-XYZ");
    client.send_text(&unknown).await;
    assert_eq!(client.texts(Duration::from_millis(1)).await[0]["reason"], "BTC-XYZ is not a valid product");
}

#[tokio::test(start_paused = true)]
async fn kraken_tells_its_status_first_and_prices_as_numbers() {
    let world = world();
    let mut client = world.websocket(KRAKEN, None).await.unwrap();
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
    assert_eq!(client.texts(Duration::from_millis(1)).await[0]["method"], "pong");
}

#[tokio::test(start_paused = true)]
async fn okx_closes_where_nothing_is_said_for_half_a_minute() {
    let (world, begun) = (world(), Instant::now());
    let mut client = world.websocket(OKX, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.send_text("ping").await;
    assert_eq!(client.text().await, "pong");
    assert_eq!(client.next().await, Some(FromExchange::Close(1001)));
    assert_eq!(begun.elapsed(), Duration::from_secs(50));

    let mut client = world.websocket(OKX, None).await.unwrap();
    client.send_text(OKX_BTC).await;
    assert_eq!(client.json().await["event"], "subscribe");
    let push = client.json().await;
    assert!(push["data"][0]["bidPx"].is_string() && push["data"][0]["ts"].is_string(), "{push}");
    client.send_text(&OKX_BTC.replace("BTC", "XYZ")).await;
    assert_eq!(client.texts(Duration::from_millis(1)).await[0]["code"], "60018");
    client.send_text("{}").await;
    assert_eq!(client.texts(Duration::from_millis(1)).await[0]["code"], "60012");
}

#[tokio::test(start_paused = true)]
async fn a_silent_exchange_says_nothing_and_hangs_on() {
    for path in [BINANCE, COINBASE, KRAKEN, OKX] {
        let world = world();
        let mut client = subscribed(&world, path).await;
        let exchange = path[1..].split('/').next().unwrap();
        fail(&world, exchange, FaultKind::Silent);
        client.within(Duration::from_millis(1)).await;
        let said = client.within(Duration::from_secs(25)).await;
        assert!(said.is_empty() && !client.sender.is_closed(), "{path}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_without_prices() {
    for (path, exchange, beats) in [(COINBASE, "coinbase", 9), (KRAKEN, "kraken", 9), (OKX, "okx", 0)] {
        let world = world();
        let mut client = subscribed(&world, path).await;
        fail(&world, exchange, FaultKind::HeartbeatOnly);
        client.within(Duration::from_millis(1)).await;
        let said = client.texts(Duration::from_secs(10)).await;
        assert!(said.len() >= beats && said.len() <= beats + 1, "{path}: {said:?}");
        assert!(said.iter().all(|text| text.to_string().contains("heartbeat")), "{path}: {said:?}");
    }
    let world = world();
    let mut client = subscribed(&world, OKX).await;
    fail(&world, "okx", FaultKind::HeartbeatOnly);
    client.within(Duration::from_millis(1)).await;
    client.send_text("ping").await;
    assert_eq!(client.text().await, "pong");
}

#[tokio::test(start_paused = true)]
async fn messages_come_twice_and_in_the_wrong_order() {
    let world = world();
    let mut client = subscribed(&world, BINANCE).await;
    fail(&world, "binance", FaultKind::OutOfOrder);
    let books = client.texts(Duration::from_secs(5)).await.into_iter().filter_map(|text| text["data"]["u"].as_u64());
    let numbers: Vec<u64> = books.collect();
    assert!(numbers.windows(2).any(|pair| pair[0] > pair[1]), "{numbers:?}");
    assert!(numbers.windows(3).any(|three| three[0] == three[2]), "{numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_are_cut_and_refused() {
    for kind in [FaultKind::Cut, FaultKind::Down] {
        let world = world();
        let mut client = subscribed(&world, KRAKEN).await;
        fail(&world, "kraken", kind);
        let rest = client.within(Duration::from_secs(1)).await;
        assert!(client.next().await.is_none() && !rest.contains(&FromExchange::Close(1001)));
    }
    let world = world();
    for (kind, refusal) in [
        (FaultKind::Down, WebSocketError::Refused),
        (FaultKind::Error500, WebSocketError::Status(500)),
        (FaultKind::Html520, WebSocketError::Status(520)),
        (FaultKind::RateLimited, WebSocketError::Status(429)),
    ] {
        fail(&world, "kraken", kind);
        assert_eq!(world.websocket(KRAKEN, None).await.unwrap_err(), refusal);
    }
    assert_eq!(world.websocket("/kraken/ws/v1", None).await.unwrap_err(), WebSocketError::NoSuchPath);
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_announced_once_and_then_the_connection_ends() {
    for (path, exchange, notice) in
        [(BINANCE, "binance", "serverShutdown"), (OKX, "okx", "64008"), (KRAKEN, "kraken", "maintenance")]
    {
        let world = world();
        let (mut client, begun) = (subscribed(&world, path).await, Instant::now());
        fail(&world, exchange, FaultKind::RestartNotice);
        let said = client.within(Duration::from_secs(60)).await;
        let notices = said.iter().filter(|said| matches!(said, FromExchange::Text(text) if text.contains(notice)));
        assert_eq!((notices.count(), said.last()), (1, Some(&FromExchange::Close(1001))), "{path}");
        assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(12));
    }
}

#[tokio::test(start_paused = true)]
async fn prices_are_as_wrong_as_over_http() {
    let world = world();
    let mut client = subscribed(&world, OKX).await;
    fail(&world, "okx", FaultKind::Frozen);
    client.within(Duration::from_millis(300)).await;
    let frozen = client.texts(Duration::from_secs(5)).await;
    assert!(frozen.len() >= 4 && frozen.iter().all(|text| text["data"] == frozen[0]["data"]), "{frozen:?}");

    fail(&world, "okx", FaultKind::CrossedBook);
    let crossed = &client.texts(Duration::from_secs(1)).await[0]["data"][0];
    let side = |name: &str| crossed[name].as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap();
    assert!(side("bidPx") > side("askPx"), "{crossed}");

    fail(&world, "okx", FaultKind::Truncated);
    let said = client.within(Duration::from_secs(1)).await;
    let FromExchange::Text(half) = &said[0] else { panic!("{said:?}") };
    assert!(half.starts_with('{') && serde_json::from_str::<Value>(half).is_err());

    fail(&world, "okx", FaultKind::Unlisted);
    let mut client = world.websocket(OKX, None).await.unwrap();
    client.send_text(OKX_BTC).await;
    assert_eq!(client.json().await["code"], "60018");
}
