//! The WebSocket streams of price-updater against exchange-sim: without sockets in virtual time, and in one
//! test over sockets.

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
    simulated_exchanges::{InProcessConnector, start_fault, start_simulation},
    wait_until,
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const EXCHANGES: [&str; 4] = ["binance", "coinbase", "kraken", "okx"];
/// How often a test reads the courses of a stream.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a course is valid after the exchange confirmed it.
const COURSE_LIFETIME: Duration = Duration::from_secs(5);
/// The maximum duration of a wait in real time.
const LIMIT: Duration = Duration::from_secs(20);

struct RunningStream {
    simulation: Simulation,
    stream: Arc<PriceStream>,
    exchange: &'static str,
    direction: CurrencyPair,
    stop: CancellationToken,
}

impl Drop for RunningStream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl RunningStream {
    fn without_socket(exchange: &'static str, clock: Clock) -> Self {
        let simulation = start_simulation(1, clock);
        let connector = Arc::new(InProcessConnector(simulation.clone()));
        let base = format!("ws://exchange-sim/{exchange}/ws");
        Self::start(simulation, exchange, &base, connector, clock)
    }

    fn start(
        simulation: Simulation,
        exchange: &'static str,
        base: &str,
        connector: Arc<dyn Connector>,
        clock: Clock,
    ) -> Self {
        let direction = "BTC-USDT".parse().unwrap();
        let directions = [direction, "ETH-USDT".parse().unwrap()];
        let stream =
            Arc::new(PriceStream::standalone(exchange, &base.parse().unwrap(), &directions, connector, clock).unwrap());
        let stop = CancellationToken::new();
        let (task, stopped) = (stream.clone(), stop.clone());
        tokio::spawn(async move { task.run(&stopped).await });
        Self { simulation, stream, exchange, direction, stop }
    }

    fn course(&self) -> Option<(Rate, Timestamp)> {
        self.stream.courses().get(&self.direction).copied()
    }

    fn start_fault(&self, kind: FaultKind) {
        start_fault(&self.simulation, self.exchange, kind);
    }

    /// Waits until the course of the pair is present or absent, and returns how long that took.
    async fn wait_for_course(&self, present: bool) -> Duration {
        let start = Instant::now();
        while self.course().is_some() != present {
            assert!(start.elapsed() < Duration::from_mins(10), "{} {:?}", self.exchange, self.stream.state());
            sleep(POLL_INTERVAL).await;
        }
        start.elapsed()
    }

    /// Reads the course for a duration, and returns whether it was always present.
    async fn has_course_throughout(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        let mut always = true;
        while Instant::now() < end {
            always &= self.course().is_some();
            sleep(POLL_INTERVAL).await;
        }
        always
    }
}

fn test_clock() -> Clock {
    Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn stream_delivers_current_courses_over_one_connection() {
    for exchange in EXCHANGES {
        let running = RunningStream::without_socket(exchange, test_clock());
        assert!(running.wait_for_course(true).await < Duration::from_secs(2), "{exchange}");
        for _ in 0..600 {
            let (price, at) = running.course().unwrap();
            let age = running.simulation.now().since(at);
            assert!(age <= Duration::from_secs(2), "{exchange}: {age:?}");
            let around = "89000".parse::<Rate>().unwrap()..="93000".parse().unwrap();
            assert!(around.contains(&price), "{exchange}: {price}");
            sleep(POLL_INTERVAL).await;
        }
        assert_eq!((running.stream.courses().len(), running.stream.state().connects), (2, 1), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn stream_of_a_silent_exchange_is_reconnected() {
    for exchange in EXCHANGES {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        running.start_fault(FaultKind::Silent);
        let elapsed = running.wait_for_course(false).await;
        assert!(elapsed <= COURSE_LIFETIME + Duration::from_secs(2), "{exchange}: {elapsed:?}");
        sleep(Duration::from_secs(20)).await;
        running.simulation.end_fault(exchange);
        let elapsed = running.wait_for_course(true).await;
        assert!(elapsed < Duration::from_mins(2), "{exchange}: {elapsed:?}");
        assert!(running.stream.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn courses_expire_when_only_heartbeats_arrive() {
    for exchange in EXCHANGES {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        running.start_fault(FaultKind::HeartbeatOnly);
        let elapsed = running.wait_for_course(false).await;
        // The heartbeats of Coinbase contain the id of the last trade, so price-updater notices that it missed trades.
        let max_elapsed = if exchange == "coinbase" { COURSE_LIFETIME * 2 } else { Duration::from_secs(26) };
        assert!(elapsed <= max_elapsed, "{exchange}: {elapsed:?}");
        running.simulation.end_fault(exchange);
        running.wait_for_course(true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stream_reconnects_after_cut_and_refused_connections() {
    for (exchange, kind) in [
        ("binance", FaultKind::Cut),
        ("coinbase", FaultKind::Down),
        ("kraken", FaultKind::Html520),
        ("okx", FaultKind::Truncated),
    ] {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        if kind == FaultKind::Html520 {
            // This fault affects only new connections, so the open connection is cut.
            running.start_fault(FaultKind::Cut);
            sleep(POLL_INTERVAL * 4).await;
        }
        running.start_fault(kind);
        assert!(running.wait_for_course(false).await <= COURSE_LIFETIME + Duration::from_secs(1), "{exchange}");
        running.simulation.end_fault(exchange);
        running.wait_for_course(true).await;
        assert!(running.stream.state().connects >= 2, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn announced_restart_causes_no_price_gap() {
    for exchange in ["binance", "okx"] {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        assert!(running.has_course_throughout(Duration::from_secs(40)).await);
        running.start_fault(FaultKind::RestartNotice);
        sleep(Duration::from_secs(1)).await;
        running.simulation.end_fault(exchange);
        assert!(running.has_course_throughout(Duration::from_secs(30)).await, "{exchange}");
        let state = running.stream.state();
        assert!(
            state.connects >= 2 && state.last_disconnect_reason.unwrap().contains("about to be closed"),
            "{exchange}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_order_messages_change_no_price() {
    for exchange in EXCHANGES {
        let clock = test_clock();
        let (ordered, shuffled) =
            (RunningStream::without_socket(exchange, clock), RunningStream::without_socket(exchange, clock));
        // Neither stream has connected. Both connect at the same moment, and receive messages at the same times.
        assert_eq!((ordered.course(), shuffled.course()), (None, None));
        ordered.wait_for_course(true).await;
        shuffled.wait_for_course(true).await;
        shuffled.start_fault(FaultKind::OutOfOrder);
        // The courses are read between two updates of the simulated market.
        sleep(POLL_INTERVAL / 2).await;
        for _ in 0..300 {
            sleep(POLL_INTERVAL).await;
            let [ordered, shuffled] = [ordered.course(), shuffled.course()].map(|course| course.unwrap().0);
            assert_eq!(ordered, shuffled, "{exchange}");
        }
        assert_eq!(shuffled.stream.state().connects, 1, "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_exchange_repeats_its_last_price_with_new_times() {
    for exchange in ["binance", "kraken", "okx"] {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        running.start_fault(FaultKind::Frozen);
        sleep(Duration::from_secs(2)).await;
        let (price, first_at) = running.course().unwrap();
        for _ in 0..600 {
            assert_eq!(running.course().unwrap().0, price, "{exchange}");
            sleep(POLL_INTERVAL).await;
        }
        let (_, at) = running.course().unwrap();
        assert!(at.since(first_at) >= Duration::from_secs(58), "{exchange}");
    }
}

#[tokio::test(start_paused = true)]
async fn outlier_is_delivered_and_crossed_book_is_rejected() {
    for exchange in EXCHANGES {
        let running = RunningStream::without_socket(exchange, test_clock());
        running.wait_for_course(true).await;
        running.start_fault(FaultKind::LieFactor);
        sleep(Duration::from_secs(2)).await;
        let (price, _) = running.course().unwrap();
        assert!(price < "40000".parse().unwrap(), "{exchange}: {price}");
        running.start_fault(FaultKind::CrossedBook);
        assert!(running.wait_for_course(false).await < Duration::from_secs(2), "{exchange}");
        running.simulation.end_fault(exchange);
        assert!(running.wait_for_course(true).await < Duration::from_secs(2), "{exchange}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_connect_over_real_sockets() {
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests")]);
    let config = exchange_sim::App::configure(&mut env);
    let app = exchange_sim::App::build(config, TcpListener::bind("127.0.0.1:0").await.unwrap().into()).await.unwrap();
    let (address, stop) = (app.address().unwrap(), CancellationToken::new());
    let served = tokio::spawn(app.run_until(stop.clone()));

    let clock = Clock::System;
    let running = EXCHANGES.map(|exchange| {
        let base = format!("ws://{address}/{exchange}/ws");
        RunningStream::start(start_simulation(1, clock), exchange, &base, Arc::new(WebSocketConnector::new()), clock)
    });
    let all_present = async || running.iter().all(|running| running.stream.courses().len() == 2).then_some(());
    wait_until("every stream has its courses", LIMIT, all_present).await;
    for running in &running {
        let state = running.stream.state();
        assert!(state.connects == 1 && state.connected_since.is_some() && state.messages > 0, "{state:?}");
    }
    // The server closes the sockets when it stops.
    stop.cancel();
    served.await.unwrap().unwrap();
    let all_ended =
        async || running.iter().all(|running| running.stream.state().last_disconnect_reason.is_some()).then_some(());
    wait_until("every stream has recorded the disconnect", LIMIT, all_ended).await;
}
