//! The feeds of price-updater at the websockets of exchange-sim: without a socket in a time that is told to go, and once
//! over sockets.

use std::{sync::Arc, time::Duration};

use common::{
    config::Env,
    money::{CurrencyPair, Rate},
    service::Service,
    time::{Clock, Timestamp},
};
use exchange_sim::{FaultKind, Simulation};
use price_updater::{Connector, PriceStream, WebSocketConnector};
use tests::{
    simulated_exchanges::{InProcess, fail, world},
    wait_until,
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const ALL: [&str; 4] = ["binance", "coinbase", "kraken", "okx"];
/// From one look at a feed to the next.
const LOOK: Duration = Duration::from_millis(100);
/// How long a feed's quote is an answer after it was proved.
const FRESH: Duration = Duration::from_secs(5);
/// Longest wait in real time.
const LIMIT: Duration = Duration::from_secs(20);

struct RunningFeed {
    world: Simulation,
    feed: Arc<PriceStream>,
    exchange: &'static str,
    direction: CurrencyPair,
    stop: CancellationToken,
}

impl Drop for RunningFeed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl RunningFeed {
    fn to(exchange: &'static str, clock: Clock) -> Self {
        let world = world(1, clock);
        let connector = Arc::new(InProcess(world.clone()));
        let base = format!("ws://exchange-sim/{exchange}/ws");
        Self::at(world, exchange, &base, connector, clock)
    }

    fn at(world: Simulation, exchange: &'static str, base: &str, connector: Arc<dyn Connector>, clock: Clock) -> Self {
        let direction = "BTC-USDT".parse().unwrap();
        let directions = [direction, "ETH-USDT".parse().unwrap()];
        let feed =
            Arc::new(PriceStream::standalone(exchange, &base.parse().unwrap(), &directions, connector, clock).unwrap());
        let stop = CancellationToken::new();
        let (running, stopped) = (feed.clone(), stop.clone());
        tokio::spawn(async move { running.run(&stopped).await });
        Self { world, feed, exchange, direction, stop }
    }

    fn course(&self) -> Option<(Rate, Timestamp)> {
        self.feed.courses().get(&self.direction).copied()
    }

    fn start_fault(&self, kind: FaultKind) {
        fail(&self.world, self.exchange, kind);
    }

    /// How long it takes until the feed has the direction, or has it no more.
    async fn wait_for_course(&self, present: bool) -> Duration {
        let begun = Instant::now();
        while self.course().is_some() != present {
            assert!(begun.elapsed() < Duration::from_mins(10), "{} {:?}", self.exchange, self.feed.state());
            sleep(LOOK).await;
        }
        begun.elapsed()
    }

    /// Looks again and again; whether the direction was there each time.
    async fn always_there(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        let mut always = true;
        while Instant::now() < end {
            always &= self.course().is_some();
            sleep(LOOK).await;
        }
        always
    }
}

fn test_clock() -> Clock {
    Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn feed_delivers_current_courses_over_one_connection() {
    for exchange in ALL {
        let feed_run = RunningFeed::to(exchange, test_clock());
        assert!(feed_run.wait_for_course(true).await < Duration::from_secs(2), "{exchange}");
        for _ in 0..600 {
            let (price, at) = feed_run.course().unwrap();
            let age = feed_run.world.now().since(at);
            assert!(age <= Duration::from_secs(2), "{exchange}: {age:?}");
            let around = "89000".parse::<Rate>().unwrap()..="93000".parse().unwrap();
            assert!(around.contains(&price), "{exchange}: {price}");
            sleep(LOOK).await;
        }
        assert_eq!((feed_run.feed.courses().len(), feed_run.feed.state().connects), (2, 1), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_exchange_is_dropped_and_reconnected() {
    for exchange in ALL {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        feed_run.start_fault(FaultKind::Silent);
        let gone = feed_run.wait_for_course(false).await;
        assert!(gone <= FRESH + Duration::from_secs(2), "{exchange}: {gone:?}");
        sleep(Duration::from_secs(20)).await;
        feed_run.world.end_fault(exchange);
        let back = feed_run.wait_for_course(true).await;
        assert!(back < Duration::from_mins(2), "{exchange}: {back:?}");
        assert!(feed_run.feed.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn courses_expire_when_only_heartbeats_arrive() {
    for exchange in ALL {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        feed_run.start_fault(FaultKind::HeartbeatOnly);
        let gone = feed_run.wait_for_course(false).await;
        // Coinbase's heartbeats name the trades that are missing.
        let most = if exchange == "coinbase" { FRESH * 2 } else { Duration::from_secs(26) };
        assert!(gone <= most, "{exchange}: {gone:?}");
        feed_run.world.end_fault(exchange);
        feed_run.wait_for_course(true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn feed_reconnects_after_cut_and_refused_connections() {
    for (exchange, kind) in [
        ("binance", FaultKind::Cut),
        ("coinbase", FaultKind::Down),
        ("kraken", FaultKind::Html520),
        ("okx", FaultKind::Truncated),
    ] {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        if kind == FaultKind::Html520 {
            // That is of new connections alone.
            feed_run.start_fault(FaultKind::Cut);
            sleep(LOOK * 4).await;
        }
        feed_run.start_fault(kind);
        assert!(feed_run.wait_for_course(false).await <= FRESH + Duration::from_secs(1), "{exchange}");
        feed_run.world.end_fault(exchange);
        feed_run.wait_for_course(true).await;
        assert!(feed_run.feed.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn announced_restart_causes_no_price_gap() {
    for exchange in ["binance", "okx"] {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        assert!(feed_run.always_there(Duration::from_secs(40)).await);
        feed_run.start_fault(FaultKind::RestartNotice);
        sleep(Duration::from_secs(1)).await;
        feed_run.world.end_fault(exchange);
        assert!(feed_run.always_there(Duration::from_secs(30)).await, "{exchange}");
        let state = feed_run.feed.state();
        assert!(state.connects >= 2 && state.last_end.unwrap().contains("about to be closed"), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_order_messages_change_no_price() {
    for exchange in ALL {
        let clock = test_clock();
        let (right, wrong) = (RunningFeed::to(exchange, clock), RunningFeed::to(exchange, clock));
        // Asked at the same moment, so that both are told at the same moments.
        assert_eq!((right.course(), wrong.course()), (None, None));
        right.wait_for_course(true).await;
        wrong.wait_for_course(true).await;
        wrong.start_fault(FaultKind::OutOfOrder);
        // Between two looks of the exchange at its market.
        sleep(LOOK / 2).await;
        for _ in 0..300 {
            sleep(LOOK).await;
            let [right, wrong] = [right.course(), wrong.course()].map(|seen| seen.unwrap().0);
            assert_eq!(right, wrong, "{exchange}");
        }
        assert_eq!(wrong.feed.state().connects, 1, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_exchange_repeats_its_last_price_with_new_times() {
    for exchange in ["binance", "kraken", "okx"] {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        feed_run.start_fault(FaultKind::Frozen);
        sleep(Duration::from_secs(2)).await;
        let (price, first_at) = feed_run.course().unwrap();
        for _ in 0..600 {
            assert_eq!(feed_run.course().unwrap().0, price, "{exchange}");
            sleep(LOOK).await;
        }
        let (_, at) = feed_run.course().unwrap();
        assert!(at.since(first_at) >= Duration::from_secs(58), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn outlier_is_delivered_and_crossed_book_is_rejected() {
    for exchange in ALL {
        let feed_run = RunningFeed::to(exchange, test_clock());
        feed_run.wait_for_course(true).await;
        feed_run.start_fault(FaultKind::LieFactor);
        sleep(Duration::from_secs(2)).await;
        let (price, _) = feed_run.course().unwrap();
        assert!(price < "40000".parse().unwrap(), "{exchange}: {price}");
        feed_run.start_fault(FaultKind::CrossedBook);
        assert!(feed_run.wait_for_course(false).await < Duration::from_secs(2), "{exchange}");
        feed_run.world.end_fault(exchange);
        assert!(feed_run.wait_for_course(true).await < Duration::from_secs(2), "{exchange}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_connect_over_real_sockets() {
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests")]);
    let config = exchange_sim::App::configure(&mut env);
    let app = exchange_sim::App::build(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
    let (address, stop) = (app.address().unwrap(), CancellationToken::new());
    let served = tokio::spawn(app.run_until(stop.clone()));

    let clock = Clock::System;
    let feed_run = ALL.map(|exchange| {
        let base = format!("ws://{address}/{exchange}/ws");
        RunningFeed::at(world(1, clock), exchange, &base, Arc::new(WebSocketConnector::new()), clock)
    });
    let all_there = async || feed_run.iter().all(|feed_run| feed_run.feed.courses().len() == 2).then_some(());
    wait_until("every feed has its prices", LIMIT, all_there).await;
    for feed_run in &feed_run {
        let state = feed_run.feed.state();
        assert!(state.connects == 1 && state.connected_since.is_some() && state.messages > 0, "{state:?}");
    }
    // The sockets end with the server.
    stop.cancel();
    served.await.unwrap().unwrap();
    let all_gone = async || feed_run.iter().all(|feed_run| feed_run.feed.state().last_end.is_some()).then_some(());
    wait_until("every feed has noticed", LIMIT, all_gone).await;
}
