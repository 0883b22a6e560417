//! PriceStreams and what stands behind them, with an exchange that is played here and a time that goes as it is told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    metrics::Metrics,
    money::{CurrencyPair, DecimalText},
    time::{Clock, Timestamp},
};
use futures_util::{SinkExt, sink, stream};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Connection, Connector, Heard, Hybrid, PROTOCOLS, PriceStream, Said, StreamMetrics, WireError, pace};
use crate::sources::{PollReply, PollRequest, RateLimiter, RateLimits, Source, SourceError, Ticker, TradedPrices};

const LIMIT: Duration = Duration::from_secs(600);

/// The exchange's end of a connection.
struct Exchange {
    say: mpsc::UnboundedSender<Result<Heard, WireError>>,
    heard: mpsc::UnboundedReceiver<Said>,
    at: Instant,
}

impl Exchange {
    fn says(&self, text: &str) {
        let _ = self.say.send(Ok(Heard::Text(text.to_owned())));
    }

    fn tells(&self, price: &str, millis: u64) {
        let row =
            format!(r#"{{"instId":"BTC-USDT","last":"{price}","askPx":"{price}","bidPx":"{price}","ts":"{millis}"}}"#);
        self.says(&format!(r#"{{"arg":{{"channel":"tickers","instId":"BTC-USDT"}},"data":[{row}]}}"#));
    }
}

/// Hands each connection to the test, or refuses.
struct Line {
    connected: mpsc::UnboundedSender<Exchange>,
    refused: Mutex<Vec<Instant>>,
    /// How it refuses, where it does.
    refusal: Option<WireError>,
}

#[async_trait]
impl Connector for Line {
    async fn connect(&self, _: &Url) -> Result<Connection, WireError> {
        if let Some(refusal) = self.refusal.clone() {
            self.refused.lock().unwrap().push(Instant::now());
            return Err(refusal);
        }
        let (say, from_exchange) = mpsc::unbounded_channel();
        let (to_exchange, heard) = mpsc::unbounded_channel();
        let _ = self.connected.send(Exchange { say, heard, at: Instant::now() });
        let stream = stream::unfold(from_exchange, async |mut from| Some((from.recv().await?, from)));
        let said = sink::unfold(to_exchange, async |to: mpsc::UnboundedSender<Said>, said| {
            to.send(said).map_err(|_| WireError::Broken("gone".to_owned()))?;
            Ok(to)
        });
        Ok(Connection {
            simulated: true,
            heard: Box::pin(stream),
            said: Box::pin(said.sink_map_err(|error: WireError| error)),
        })
    }
}

struct Running {
    feed: Arc<PriceStream>,
    clock: Clock,
    line: Arc<Line>,
    connected: mpsc::UnboundedReceiver<Exchange>,
    stop: CancellationToken,
}

fn usdt() -> CurrencyPair {
    "BTC-USDT".parse().unwrap()
}

impl Running {
    fn start(exchange: &str, up: bool) -> Self {
        let refusal = (!up).then(|| WireError::Unreachable("nobody is there".to_owned()));
        Self::with(exchange, refusal, None)
    }

    /// With what holds back the requests of the same exchange.
    fn with(exchange: &str, refusal: Option<WireError>, polled: Option<RateLimiter>) -> Self {
        let (sender, connected) = mpsc::unbounded_channel();
        let line = Arc::new(Line { connected: sender, refused: Mutex::default(), refusal });
        let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
        let base = "ws://exchange".parse().unwrap();
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == exchange).unwrap();
        let metrics = StreamMetrics::register(&Metrics::new("feed"));
        let feed = Arc::new(PriceStream::new(protocol, &base, &[usdt()], line.clone(), clock, metrics, polled));
        let stop = CancellationToken::new();
        let (run, stopped) = (feed.clone(), stop.clone());
        tokio::spawn(async move { run.run(&stopped).await });
        Self { feed, clock, line, connected, stop }
    }

    async fn connection(&mut self) -> Exchange {
        self.feed.courses();
        timeout(LIMIT, self.connected.recv()).await.unwrap().unwrap()
    }

    /// What the feed knows and how old that is, after everything that was said is heard.
    async fn seen(&self) -> Option<(String, Duration)> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let (price, at) = *self.feed.courses().get(&usdt())?;
        Some((price.to_string(), self.clock.now().since(at)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn age(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_feed_subscribes_and_asks_a_silent_exchange_whether_it_is_there() {
    let mut running = Running::start("okx", true);
    let mut okx = running.connection().await;
    let subscribed = okx.heard.recv().await.unwrap();
    assert!(matches!(&subscribed, Said::Text(text) if text.contains("BTC-USDT")), "{subscribed:?}");
    okx.tells("84000.5", 1);
    assert_eq!(running.seen().await, Some(("84000.50".to_owned(), Duration::ZERO)));

    let silent_at = Instant::now();
    assert_eq!(okx.heard.recv().await, Some(Said::Text("ping".to_owned())));
    assert_eq!(silent_at.elapsed(), Duration::from_secs(3));
    okx.says("pong");
    assert_eq!(running.seen().await, Some(("84000.50".to_owned(), Duration::ZERO)));
    assert_eq!(running.feed.state().messages, 2);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_and_what_was_proved_grows_old() {
    let mut running = Running::start("okx", true);
    let okx = running.connection().await;
    okx.tells("84000", 1);
    sleep(age(5)).await;
    assert_eq!(running.seen().await, Some(("84000.00".to_owned(), age(5))));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(running.seen().await, None);
    let next = running.connection().await;
    let waited = next.at - okx.at;
    assert!(age(8) < waited && waited <= age(9), "{waited:?}");
    // Told by the new connection, or not at all.
    assert_eq!(running.seen().await, None);
    next.tells("84001", 0);
    assert_eq!(running.seen().await.unwrap().0, "84001.00");
    assert_eq!(running.feed.state().connects, 2);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_with_no_price_at_all_are_not_believed_for_long() {
    let mut running = Running::start("okx", true);
    let mut okx = running.connection().await;
    okx.tells("84000", 1);
    okx.heard.recv().await;
    for _ in 0..6 {
        assert_eq!(okx.heard.recv().await, Some(Said::Text("ping".to_owned())));
        okx.says("pong");
        assert_eq!(running.seen().await.unwrap().1, Duration::ZERO);
    }
    assert_eq!(okx.heard.recv().await, None);
    assert_eq!(okx.at.elapsed(), super::feed::QUIET);
    assert!(running.feed.state().last_end.unwrap().contains("no price for 20 s"));
}

#[tokio::test(start_paused = true)]
async fn an_announced_end_is_followed_at_once_and_not_again_and_again() {
    const NOTICE: &str = r#"{"event":"notice","code":"64008","msg":"soon"}"#;
    let mut running = Running::start("okx", true);
    let okx = running.connection().await;
    okx.tells("84000", 1);
    okx.says(NOTICE);
    let next = running.connection().await;
    assert_eq!(next.at, okx.at);
    // What the first connection proved is still true.
    assert_eq!(running.seen().await.unwrap().0, "84000.00");
    next.says(NOTICE);
    let third = running.connection().await;
    assert!(third.at - next.at >= Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_a_connection_and_so_does_a_cut() {
    let mut running = Running::start("okx", true);
    let okx = running.connection().await;
    okx.says(r#"{"arg":{"channel":"tick"#);
    let next = running.connection().await;
    assert!(next.at > okx.at && running.feed.state().last_end.unwrap().contains("cannot be parsed"));
    let _ = next.say.send(Err(WireError::TooLarge));
    let third = running.connection().await;
    assert!(running.feed.state().last_end.unwrap().contains("bytes"));
    drop(third);
    running.connection().await;
    assert!(running.feed.state().last_end.unwrap().contains("closed"));
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_replaced_before_the_exchange_does_it() {
    let mut running = Running::start("binance", true);
    let mut binance = running.connection().await;
    let mut update = 0;
    let begun = Instant::now();
    let next = loop {
        update += 1;
        let data = format!(r#"{{"u":{update},"s":"BTCUSDT","b":"84000","B":"1","a":"84001","A":"1"}}"#);
        binance.says(&format!(r#"{{"stream":"btcusdt@bookTicker","data":{data}}}"#));
        assert_eq!(running.seen().await.unwrap().1, Duration::ZERO);
        if let Ok(next) = timeout(age(7), running.connected.recv()).await {
            break next.unwrap();
        }
    };
    assert_eq!(next.at - begun, Duration::from_hours(23));
    assert_eq!(binance.heard.recv().await, Some(Said::Ping));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_nobody_asks_hangs_up_until_somebody_does() {
    let mut running = Running::start("okx", true);
    sleep(age(60)).await;
    assert!(running.connected.try_recv().is_err());
    let mut okx = running.connection().await;
    while let Some(Said::Text(text)) = okx.heard.recv().await {
        okx.tells("84000", 1);
        okx.says(if text == "ping" { "pong" } else { "{\"event\":\"subscribe\"}" });
    }
    assert_eq!(okx.at.elapsed(), super::feed::UNASKED);
    sleep(age(3600)).await;
    assert!(running.connected.try_recv().is_err());
    running.connection().await;
    assert_eq!(running.feed.state().connects, 2);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_refuses_is_not_run_against() {
    let running = Running::start("okx", false);
    for _ in 0..3600 {
        running.feed.courses();
        sleep(age(1)).await;
    }
    let tries = running.line.refused.lock().unwrap().clone();
    assert!(tries.len() > 60, "{}", tries.len());
    for (index, first) in tries.iter().enumerate() {
        let within = tries[index..].iter().take_while(|at| **at - *first < pace::WINDOW).count();
        assert!(within <= pace::MAX_CONNECTS, "{within}");
    }
}

/// How many seconds after the start each connection was tried, in ten minutes.
async fn tries(refusal: WireError, polled: Option<RateLimiter>) -> Vec<u64> {
    let start = Instant::now();
    let running = Running::with("okx", Some(refusal), polled);
    for _ in 0..600 {
        running.feed.courses();
        sleep(age(1)).await;
    }
    let tries = running.line.refused.lock().unwrap().clone();
    tries.into_iter().map(|at| (at - start).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_refuses_connections_is_left_alone_as_long_as_it_says() {
    const LIMITS: RateLimits =
        RateLimits { max_requests: 9, window: Duration::from_secs(1), default_backoff: Duration::from_secs(30) };
    let refused = |status, seconds: Option<u64>| WireError::Status { status, retry_after: seconds.map(age) };
    for status in [418, 429, 503] {
        assert_eq!(tries(refused(status, Some(250)), None).await, [0, 250, 500], "{status}");
    }
    assert!(tries(refused(503, None), None).await.len() > 10);
    // It says nothing of how long, so it is as long as is usual there, and longer each time; but it is polled on.
    let polled = RateLimiter::new(LIMITS);
    assert_eq!(tries(refused(403, None), Some(polled.clone())).await, [0, 30, 90, 210, 450]);
    assert_eq!(polled.backoff_until(), None);
    // What it says to the one holds for the other.
    let start = Instant::now();
    assert_eq!(tries(refused(429, Some(400)), Some(polled.clone())).await, [0, 400]);
    assert_eq!(polled.backoff_until(), Some(start + age(800)));
    assert_eq!(tries(refused(503, None), Some(polled)).await[0], 200);
}

/// The polled form of an exchange, and how often it was asked.
struct Polled {
    directions: Vec<CurrencyPair>,
    asks: Arc<AtomicUsize>,
    fails: bool,
}

#[async_trait]
impl Source for Polled {
    fn name(&self) -> &'static str {
        "okx"
    }

    fn kind(&self) -> CourseKind {
        CourseKind::Trade
    }

    fn pairs(&self) -> &[CurrencyPair] {
        &self.directions
    }

    fn poll_interval(&self) -> Duration {
        age(5)
    }

    fn budget_left(&self) -> u32 {
        7
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        self.asks.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(SourceError::Timeout);
        }
        let ticker = Ticker::traded(
            &TradedPrices { last: Some(&DecimalText::from("83000")), bid: None, ask: None },
            request.now,
        )?;
        Ok(PollReply {
            tickers: request.pairs.iter().map(|wanted| (*wanted, ticker)).collect(),
            ..PollReply::default()
        })
    }
}

fn hybrid(running: &Running, fails: bool) -> (Hybrid, Arc<AtomicUsize>) {
    let asks = Arc::new(AtomicUsize::new(0));
    let directions = vec![usdt(), "ETH-USDT".parse().unwrap()];
    let polled = Polled { directions, asks: asks.clone(), fails };
    (Hybrid::new(Box::new(polled), running.feed.clone()), asks)
}

async fn ask(hybrid: &Hybrid, pairs: &[&str], now: Timestamp) -> Result<Vec<String>, SourceError> {
    let pairs: Vec<CurrencyPair> = pairs.iter().map(|text| text.parse().unwrap()).collect();
    let request = PollRequest { pairs: &pairs, now, deadline: Instant::now() + age(5) };
    let answer = hybrid.poll(request).await?;
    let tickers = answer.tickers.iter().map(|(direction, ticker)| format!("{direction} {}", ticker.course()));
    Ok(tickers.chain(answer.errors.iter().map(|(direction, error)| format!("{direction} {}", error.kind()))).collect())
}

#[tokio::test(start_paused = true)]
async fn what_the_feed_tells_is_not_asked_for_and_the_rest_is() {
    let mut running = Running::start("okx", true);
    let (hybrid, asks) = hybrid(&running, false);
    assert_eq!((hybrid.name(), hybrid.budget_left(), hybrid.pairs().len()), ("okx", 7, 2));
    let now = running.clock.now();
    // Nothing is told yet.
    assert_eq!(ask(&hybrid, &["BTC-USDT"], now).await.unwrap(), ["BTC-USDT 83000.00"]);
    let okx = running.connection().await;
    okx.tells("84000", 1);
    running.seen().await;
    // BTC-RUB is not to be had here, so it is no reason to ask.
    assert_eq!(ask(&hybrid, &["BTC-USDT", "BTC-RUB"], now).await.unwrap(), ["BTC-USDT 84000.00"]);
    assert_eq!(asks.load(Ordering::SeqCst), 1);
    let both = ["BTC-USDT", "ETH-USDT"];
    assert_eq!(ask(&hybrid, &both, now).await.unwrap(), ["BTC-USDT 84000.00", "ETH-USDT 83000.00"]);
    assert_eq!(ask(&hybrid, &["ETH-USDT"], now).await.unwrap(), ["ETH-USDT 83000.00"]);
    sleep(Duration::from_millis(5_001)).await;
    assert_eq!(ask(&hybrid, &both, running.clock.now()).await.unwrap(), ["BTC-USDT 83000.00", "ETH-USDT 83000.00"]);
    assert_eq!(asks.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_costs_nothing_that_the_feed_tells() {
    let mut running = Running::start("okx", true);
    let (hybrid, _) = hybrid(&running, true);
    let now = running.clock.now();
    assert_eq!(ask(&hybrid, &["BTC-USDT"], now).await, Err(SourceError::Timeout));
    running.connection().await.tells("84000", 1);
    running.seen().await;
    let both = ["BTC-USDT", "ETH-USDT"];
    assert_eq!(ask(&hybrid, &both, now).await.unwrap(), ["BTC-USDT 84000.00", "ETH-USDT timeout"]);
}
