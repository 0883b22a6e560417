//! Price streams and streamed sources, with a fake exchange and a paused clock. A *course* is the last price of one
//! pair at one exchange.

mod fake_exchange;
mod polling_fallback;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use self::fake_exchange::RunningStream;
use super::{
    ConnectionError, OutgoingMessage, price_stream::IDLE_TIMEOUT, protocol::TICKER_TIMEOUT, reconnect_limiter,
};
use crate::sources::{RateLimiter, RateLimits};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn text(text: &str) -> OutgoingMessage {
    OutgoingMessage::Text(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn stream_subscribes_and_sends_a_probe_if_no_message_arrives() {
    let mut running = RunningStream::start("okx");
    let mut okx = running.connection().await;
    let subscribed = okx.from_client.recv().await.unwrap();
    assert!(matches!(&subscribed, OutgoingMessage::Text(text) if text.contains("BTC-USDT")), "{subscribed:?}");
    okx.send_ticker("84000.5", 1);
    assert_eq!(running.course().await, Some(("84000.50".to_owned(), Duration::ZERO)));

    let last_message_at = Instant::now();
    assert_eq!(okx.from_client.recv().await, Some(text("ping")));
    assert_eq!(last_message_at.elapsed(), seconds(3));
    okx.send("pong");
    assert_eq!(running.course().await, Some(("84000.50".to_owned(), Duration::ZERO)));
    assert_eq!(running.stream.state().messages, 2);
}

#[tokio::test(start_paused = true)]
async fn time_without_messages_ends_the_connection_and_tickers_expire() {
    let mut running = RunningStream::start("okx");
    let okx = running.connection().await;
    okx.send_ticker("84000", 1);
    sleep(seconds(5)).await;
    assert_eq!(running.course().await, Some(("84000.00".to_owned(), seconds(5))));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(running.course().await, None);
    let next = running.connection().await;
    let waited = next.connected_at - okx.connected_at;
    assert!(seconds(8) < waited && waited <= seconds(9), "{waited:?}");
    // A new connection does not confirm the tickers of the previous connection.
    assert_eq!(running.course().await, None);
    next.send_ticker("84001", 0);
    assert_eq!(running.course().await.unwrap().0, "84001.00");
    assert_eq!(running.stream.state().connects, 2);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_without_tickers_end_the_connection() {
    let mut running = RunningStream::start("okx");
    let mut okx = running.connection().await;
    okx.send_ticker("84000", 1);
    okx.from_client.recv().await;
    for _ in 0..6 {
        assert_eq!(okx.from_client.recv().await, Some(text("ping")));
        okx.send("pong");
        assert_eq!(running.course().await.unwrap().1, Duration::ZERO);
    }
    assert_eq!(okx.from_client.recv().await, None);
    assert_eq!(okx.connected_at.elapsed(), TICKER_TIMEOUT);
    assert!(running.stream.state().last_disconnect_reason.unwrap().contains("no price for 20 s"));
}

#[tokio::test(start_paused = true)]
async fn first_announced_shutdown_reconnects_immediately_and_the_next_after_a_wait() {
    const NOTICE: &str = r#"{"event":"notice","code":"64008","msg":"soon"}"#;
    let mut running = RunningStream::start("okx");
    let okx = running.connection().await;
    okx.send_ticker("84000", 1);
    okx.send(NOTICE);
    let next = running.connection().await;
    assert_eq!(next.connected_at, okx.connected_at);
    // The ticker of the first connection is still valid.
    assert_eq!(running.course().await.unwrap().0, "84000.00");
    next.send(NOTICE);
    let third = running.connection().await;
    assert!(third.connected_at - next.connected_at >= Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn invalid_message_connection_error_and_close_end_the_connection() {
    let mut running = RunningStream::start("okx");
    let okx = running.connection().await;
    okx.send(r#"{"arg":{"channel":"tick"#);
    let next = running.connection().await;
    let last_disconnect_reason = running.stream.state().last_disconnect_reason.unwrap();
    assert!(
        next.connected_at > okx.connected_at && last_disconnect_reason.contains("cannot be parsed"),
        "{last_disconnect_reason}"
    );
    let _ = next.to_client.send(Err(ConnectionError::TooLarge));
    let third = running.connection().await;
    assert!(running.stream.state().last_disconnect_reason.unwrap().contains("bytes"));
    drop(third);
    running.connection().await;
    assert!(running.stream.state().last_disconnect_reason.unwrap().contains("closed"));
}

#[tokio::test(start_paused = true)]
async fn connection_is_replaced_before_the_exchange_closes_it() {
    let mut running = RunningStream::start("binance");
    let mut binance = running.connection().await;
    let mut update = 0;
    let started_at = Instant::now();
    let next = loop {
        update += 1;
        let data = format!(r#"{{"u":{update},"s":"BTCUSDT","b":"84000","B":"1","a":"84001","A":"1"}}"#);
        binance.send(&format!(r#"{{"stream":"btcusdt@bookTicker","data":{data}}}"#));
        assert_eq!(running.course().await.unwrap().1, Duration::ZERO);
        if let Ok(next) = timeout(seconds(7), running.connections.recv()).await {
            break next.unwrap();
        }
    };
    assert_eq!(next.connected_at - started_at, Duration::from_hours(23));
    assert_eq!(binance.from_client.recv().await, Some(OutgoingMessage::Ping));
}

#[tokio::test(start_paused = true)]
async fn idle_stream_disconnects_until_its_next_use() {
    let mut running = RunningStream::start("okx");
    sleep(seconds(60)).await;
    assert!(running.connections.try_recv().is_err());
    let mut okx = running.connection().await;
    while let Some(OutgoingMessage::Text(text)) = okx.from_client.recv().await {
        okx.send_ticker("84000", 1);
        okx.send(if text == "ping" { "pong" } else { "{\"event\":\"subscribe\"}" });
    }
    assert_eq!(okx.connected_at.elapsed(), IDLE_TIMEOUT);
    sleep(seconds(3600)).await;
    assert!(running.connections.try_recv().is_err());
    running.connection().await;
    assert_eq!(running.stream.state().connects, 2);
}

#[tokio::test(start_paused = true)]
async fn failed_connection_attempts_are_limited() {
    let unreachable = ConnectionError::Unreachable("connection refused".to_owned());
    let running = RunningStream::start_with("okx", Some(unreachable), None);
    for _ in 0..3600 {
        running.stream.courses();
        sleep(seconds(1)).await;
    }
    let attempts = running.connector.rejections.lock().unwrap().clone();
    assert!(attempts.len() > 60, "only {} attempts in an hour", attempts.len());
    for (index, first) in attempts.iter().enumerate() {
        let later = attempts[index..].iter();
        let within = later.take_while(|attempt| **attempt - *first < reconnect_limiter::WINDOW).count();
        assert!(within <= reconnect_limiter::MAX_CONNECTS, "{within} attempts in one window");
    }
}

/// The seconds from the start to each connection attempt, within ten minutes, if every attempt is rejected.
async fn attempts(rejection: ConnectionError, request_limiter: Option<RateLimiter>) -> Vec<u64> {
    let start = Instant::now();
    let running = RunningStream::start_with("okx", Some(rejection), request_limiter);
    for _ in 0..600 {
        running.stream.courses();
        sleep(seconds(1)).await;
    }
    let attempts = running.connector.rejections.lock().unwrap().clone();
    attempts.into_iter().map(|attempt| (attempt - start).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn rejected_connections_back_off_as_the_exchange_asks() {
    const LIMITS: RateLimits =
        RateLimits { max_requests: 9, window: Duration::from_secs(1), default_backoff: Duration::from_secs(30) };
    let rejected =
        |status, retry_after: Option<u64>| ConnectionError::Status { status, retry_after: retry_after.map(seconds) };
    for status in [418, 429, 503] {
        assert_eq!(attempts(rejected(status, Some(250)), None).await, [0, 250, 500], "{status}");
    }
    assert!(attempts(rejected(503, None), None).await.len() > 10);
    // The default backoff grows, and does not apply to HTTP requests.
    let request_limiter = RateLimiter::new(LIMITS);
    assert_eq!(attempts(rejected(403, None), Some(request_limiter.clone())).await, [0, 30, 90, 210, 450]);
    assert_eq!(request_limiter.backoff_until(), None);
    // A wait that the exchange specifies applies to HTTP requests too, and to later connections.
    let start = Instant::now();
    assert_eq!(attempts(rejected(429, Some(400)), Some(request_limiter.clone())).await, [0, 400]);
    assert_eq!(request_limiter.backoff_until(), Some(start + seconds(800)));
    assert_eq!(attempts(rejected(503, None), Some(request_limiter)).await[0], 200);
}
