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
use price_updater::{Connector, PriceStream, Sockets};
use tests::{
    simulated_exchanges::{InProcess, fail, world},
    until,
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

struct Listened {
    world: Simulation,
    feed: Arc<PriceStream>,
    exchange: &'static str,
    direction: CurrencyPair,
    stop: CancellationToken,
}

impl Drop for Listened {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Listened {
    fn to(exchange: &'static str, clock: Clock) -> Self {
        let world = world(1, clock);
        let connector = Arc::new(InProcess(world.clone()));
        let base = format!("ws://exchange-sim/{exchange}/ws");
        Self::at(world, exchange, &base, connector, clock)
    }

    fn at(world: Simulation, exchange: &'static str, base: &str, connector: Arc<dyn Connector>, clock: Clock) -> Self {
        let direction = "BTC-USDT".parse().unwrap();
        let directions = [direction, "ETH-USDT".parse().unwrap()];
        let feed = Arc::new(PriceStream::of(exchange, &base.parse().unwrap(), &directions, connector, clock).unwrap());
        let stop = CancellationToken::new();
        let (running, stopped) = (feed.clone(), stop.clone());
        tokio::spawn(async move { running.run(&stopped).await });
        Self { world, feed, exchange, direction, stop }
    }

    fn seen(&self) -> Option<(Rate, Timestamp)> {
        self.feed.courses().get(&self.direction).copied()
    }

    fn fails(&self, kind: FaultKind) {
        fail(&self.world, self.exchange, kind);
    }

    /// How long it takes until the feed has the direction, or has it no more.
    async fn until(&self, has: bool) -> Duration {
        let begun = Instant::now();
        while self.seen().is_some() != has {
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
            always &= self.seen().is_some();
            sleep(LOOK).await;
        }
        always
    }
}

fn now() -> Clock {
    Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn feed_delivers_current_courses_over_one_connection() {
    for exchange in ALL {
        let listened = Listened::to(exchange, now());
        assert!(listened.until(true).await < Duration::from_secs(2), "{exchange}");
        for _ in 0..600 {
            let (price, at) = listened.seen().unwrap();
            let age = listened.world.now().since(at);
            assert!(age <= Duration::from_secs(2), "{exchange}: {age:?}");
            let around = "89000".parse::<Rate>().unwrap()..="93000".parse().unwrap();
            assert!(around.contains(&price), "{exchange}: {price}");
            sleep(LOOK).await;
        }
        assert_eq!((listened.feed.courses().len(), listened.feed.state().connects), (2, 1), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_exchange_is_dropped_and_reconnected() {
    for exchange in ALL {
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        listened.fails(FaultKind::Silent);
        let gone = listened.until(false).await;
        assert!(gone <= FRESH + Duration::from_secs(2), "{exchange}: {gone:?}");
        sleep(Duration::from_secs(20)).await;
        listened.world.end_fault(exchange);
        let back = listened.until(true).await;
        assert!(back < Duration::from_mins(2), "{exchange}: {back:?}");
        assert!(listened.feed.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn courses_expire_when_only_heartbeats_arrive() {
    for exchange in ALL {
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        listened.fails(FaultKind::HeartbeatOnly);
        let gone = listened.until(false).await;
        // Coinbase's heartbeats name the trades that are missing.
        let most = if exchange == "coinbase" { FRESH * 2 } else { Duration::from_secs(26) };
        assert!(gone <= most, "{exchange}: {gone:?}");
        listened.world.end_fault(exchange);
        listened.until(true).await;
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
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        if kind == FaultKind::Html520 {
            // That is of new connections alone.
            listened.fails(FaultKind::Cut);
            sleep(LOOK * 4).await;
        }
        listened.fails(kind);
        assert!(listened.until(false).await <= FRESH + Duration::from_secs(1), "{exchange}");
        listened.world.end_fault(exchange);
        listened.until(true).await;
        assert!(listened.feed.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn announced_restart_causes_no_price_gap() {
    for exchange in ["binance", "okx"] {
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        assert!(listened.always_there(Duration::from_secs(40)).await);
        listened.fails(FaultKind::RestartNotice);
        sleep(Duration::from_secs(1)).await;
        listened.world.end_fault(exchange);
        assert!(listened.always_there(Duration::from_secs(30)).await, "{exchange}");
        let state = listened.feed.state();
        assert!(state.connects >= 2 && state.last_end.unwrap().contains("about to be closed"), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_order_messages_change_no_price() {
    for exchange in ALL {
        let clock = now();
        let (right, wrong) = (Listened::to(exchange, clock), Listened::to(exchange, clock));
        // Asked at the same moment, so that both are told at the same moments.
        assert_eq!((right.seen(), wrong.seen()), (None, None));
        right.until(true).await;
        wrong.until(true).await;
        wrong.fails(FaultKind::OutOfOrder);
        // Between two looks of the exchange at its market.
        sleep(LOOK / 2).await;
        for _ in 0..300 {
            sleep(LOOK).await;
            let [right, wrong] = [right.seen(), wrong.seen()].map(|seen| seen.unwrap().0);
            assert_eq!(right, wrong, "{exchange}");
        }
        assert_eq!(wrong.feed.state().connects, 1, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_exchange_repeats_its_last_price_with_new_times() {
    for exchange in ["binance", "kraken", "okx"] {
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        listened.fails(FaultKind::Frozen);
        sleep(Duration::from_secs(2)).await;
        let (price, first_at) = listened.seen().unwrap();
        for _ in 0..600 {
            assert_eq!(listened.seen().unwrap().0, price, "{exchange}");
            sleep(LOOK).await;
        }
        let (_, at) = listened.seen().unwrap();
        assert!(at.since(first_at) >= Duration::from_secs(58), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn outlier_is_delivered_and_crossed_book_is_rejected() {
    for exchange in ALL {
        let listened = Listened::to(exchange, now());
        listened.until(true).await;
        listened.fails(FaultKind::LieFactor);
        sleep(Duration::from_secs(2)).await;
        let (price, _) = listened.seen().unwrap();
        assert!(price < "40000".parse().unwrap(), "{exchange}: {price}");
        listened.fails(FaultKind::CrossedBook);
        assert!(listened.until(false).await < Duration::from_secs(2), "{exchange}");
        listened.world.end_fault(exchange);
        assert!(listened.until(true).await < Duration::from_secs(2), "{exchange}");
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
    let listened = ALL.map(|exchange| {
        let base = format!("ws://{address}/{exchange}/ws");
        Listened::at(world(1, clock), exchange, &base, Arc::new(Sockets::new()), clock)
    });
    let all_there = async || listened.iter().all(|listened| listened.feed.courses().len() == 2).then_some(());
    until("every feed has its prices", LIMIT, all_there).await;
    for listened in &listened {
        let state = listened.feed.state();
        assert!(state.connects == 1 && state.connected_since.is_some() && state.messages > 0, "{state:?}");
    }
    // The sockets end with the server.
    stop.cancel();
    served.await.unwrap().unwrap();
    let all_gone = async || listened.iter().all(|listened| listened.feed.state().last_end.is_some()).then_some(());
    until("every feed has noticed", LIMIT, all_gone).await;
}
