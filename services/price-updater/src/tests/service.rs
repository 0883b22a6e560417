//! The service between exchanges and a cache that are played here, on a port of its own.
#![allow(clippy::needless_pass_by_value, reason = "poem's handlers take their arguments by value")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    api::{
        courses::{Course, CoursesWritten, MarketSnapshot, NewCourses, SnapshotStored},
        leases::{Lease, LeaseRequest},
        prices::{NewPriceRecord, PriceRecord, PriceState},
        sources::SourcesReport,
    },
    clients::http_client,
    config::Env,
    money::Currency,
    service::Service,
    time::Timestamp,
};
use poem::{
    EndpointExt, IntoResponse, Response, Route, get, handler,
    http::StatusCode,
    listener::TcpAcceptor,
    post,
    web::{Data, Path},
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{App, sources::SOURCES};

const TOKEN: &str = "a token of the tests";
/// Longest wait for what has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// What the exchanges and the cache do.
struct World {
    coinbase_down: AtomicBool,
    kraken_down: AtomicBool,
    simulated: AtomicBool,
    /// Writes that the cache still refuses.
    refusals: AtomicUsize,
    /// What is in the cache before the service starts.
    kept: Mutex<Option<PriceRecord>>,
    written: mpsc::UnboundedSender<PriceRecord>,
    board: Mutex<Option<MarketSnapshot>>,
    /// What was handed to be written down, in that order.
    courses: Mutex<Vec<Course>>,
}

#[handler]
fn ask_coinbase(Path(pair): Path<String>, world: Data<&Arc<World>>) -> Response {
    if world.coinbase_down.load(Ordering::SeqCst) {
        return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body("<html>");
    }
    let price = match pair.as_str() {
        "BTC-EUR" => "84000.12",
        "BTC-USD" => "91000.00",
        _ => return Response::builder().status(StatusCode::NOT_FOUND).body(r#"{"message":"NotFound"}"#),
    };
    let simulated = world.simulated.load(Ordering::SeqCst);
    let response = Response::builder().body(format!(r#"{{"price":"{price}","bid":"{price}","ask":"{price}"}}"#));
    if simulated { response.with_header("x-simulated", "true").into_response() } else { response }
}

#[handler]
fn ask_kraken(world: Data<&Arc<World>>) -> &'static str {
    if world.kraken_down.load(Ordering::SeqCst) {
        return r#"{"error":["EService:Unavailable"]}"#;
    }
    r#"{"error":[],"result":{"XXBTZEUR":{"a":["84000.2","1"],"b":["84000.1","1"],"c":["84000.14","1"]}}}"#
}

#[handler]
fn read_cache(world: Data<&Arc<World>>) -> Response {
    match world.kept.lock().unwrap().as_ref() {
        Some(record) => Response::builder().body(serde_json::to_string(record).unwrap()),
        None => Response::builder().status(StatusCode::NO_CONTENT).finish(),
    }
}

#[handler]
fn write_cache(body: String, request: &poem::Request, world: Data<&Arc<World>>) -> Response {
    let refuse = |n: usize| n.checked_sub(1);
    if world.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
        return common::api::Problem::new(common::api::Code::CacheUnavailable, "away").into_response();
    }
    let ttl = request.uri().query().unwrap().strip_prefix("ttl=").unwrap().parse().unwrap();
    let new: NewPriceRecord = serde_json::from_str(&body).unwrap();
    let kept = new.into_record(Duration::from_secs(ttl), Timestamp::now()).unwrap();
    let answer = serde_json::to_string(&kept).unwrap();
    let _ = world.written.send(kept);
    Response::builder().status(StatusCode::CREATED).body(answer)
}

/// Everybody who asks gets the lease.
#[handler]
fn lend(body: String) -> String {
    let ask: LeaseRequest = serde_json::from_str(&body).unwrap();
    let expires_at = Timestamp::now().plus(Duration::from_secs(ask.ttl_secs));
    serde_json::to_string(&Lease { name: ask.name, holder: ask.holder, expires_at }).unwrap()
}

#[handler]
fn take_board(body: String, world: Data<&Arc<World>>) -> String {
    let board: MarketSnapshot = serde_json::from_str(&body).unwrap();
    let kept = SnapshotStored { as_of: board.as_of };
    *world.board.lock().unwrap() = Some(board);
    serde_json::to_string(&kept).unwrap()
}

#[handler]
fn take_courses(body: String, world: Data<&Arc<World>>) -> String {
    let new: NewCourses = serde_json::from_str(&body).unwrap();
    let changed = new.courses.len() as u64;
    world.courses.lock().unwrap().extend(new.courses);
    serde_json::to_string(&CoursesWritten { changed }).unwrap()
}

#[handler]
fn ask_huge() -> String {
    "x".repeat(2 * 1024 * 1024)
}

struct Running {
    world: Arc<World>,
    written: mpsc::UnboundedReceiver<PriceRecord>,
    outside: SocketAddr,
    settings: Vec<(&'static str, String)>,
    service: Option<(SocketAddr, CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Running {
    async fn new() -> Self {
        let (sender, written) = mpsc::unbounded_channel();
        let world = Arc::new(World {
            coinbase_down: AtomicBool::new(false),
            kraken_down: AtomicBool::new(false),
            simulated: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
            kept: Mutex::default(),
            written: sender,
            board: Mutex::default(),
            courses: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outside = listener.local_addr().unwrap();
        let routes = Route::new()
            .at("/coinbase/products/:pair/ticker", get(ask_coinbase))
            .at("/kraken/0/public/Ticker", get(ask_kraken))
            .at("/huge/0/public/Ticker", get(ask_huge))
            .at("/record", get(read_cache))
            .at("/add/", post(write_cache))
            .at("/lease", post(lend))
            .at("/board", post(take_board))
            .at("/courses", post(take_courses))
            .data(world.clone());
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes));
        let settings = vec![
            ("INTERNAL_TOKEN", TOKEN.to_owned()),
            ("PRICE_CACHE_URL", format!("http://{outside}")),
            ("DB_PROXY_URL", format!("http://{outside}")),
            ("PRICE_SOURCES", "coinbase,kraken".to_owned()),
            ("COINBASE_URL", format!("http://{outside}/coinbase")),
            ("KRAKEN_URL", format!("http://{outside}/kraken/")),
            ("PRICE_REFRESH_SECS", "1".to_owned()),
        ];
        Self { world, written, outside, settings, service: None }
    }

    async fn start(&mut self) {
        let mut env = Env::from_pairs(self.settings.clone());
        let config = App::configure(&mut env);
        env.finish().unwrap();
        let app = App::build(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
        let (address, stop) = (app.address().unwrap(), CancellationToken::new());
        self.service = Some((address, stop.clone(), tokio::spawn(app.run_until(stop))));
    }

    async fn next_write(&mut self) -> PriceRecord {
        timeout(LIMIT, self.written.recv()).await.expect("nothing is written").unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (address, ..) = self.service.as_ref().unwrap();
        let request = http_client().get(format!("http://{address}{path}")).bearer_auth(TOKEN);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn sources(&self) -> SourcesReport {
        serde_json::from_str(&self.get("/sources").await.1).unwrap()
    }

    /// Ends the service, which has to be prompt whatever it is doing.
    async fn stop(mut self) {
        let (_, stop, served) = self.service.take().unwrap();
        let start = Instant::now();
        stop.cancel();
        served.await.unwrap().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_round_writes_what_the_sources_agree_on() {
    let mut running = Running::new().await;
    let before = Timestamp::now();
    running.start().await;
    let record = running.next_write().await;
    assert!(before <= record.as_of && record.as_of <= Timestamp::now());
    assert_eq!(record.expires_at, record.as_of.plus(Duration::from_mins(1)));
    assert_eq!((record.state, record.simulated), (PriceState::Fresh, false));
    let eur = &record.prices[&Currency::EUR];
    assert_eq!((eur.price.to_string().as_str(), eur.sources.join(",").as_str()), ("84000.135", "coinbase,kraken"));
    // Only one source knows dollars, and none pounds: they are left out, and the others stay.
    assert_eq!(record.prices[&Currency::USD].sources, ["coinbase"]);
    assert!(!record.prices.contains_key(&Currency::GBP));

    // The second write says that the first was noted.
    running.next_write().await;
    let (status, body) = running.get("/readyz").await;
    assert_eq!(status, 200, "{body}");
    assert!(running.get("/metrics").await.1.contains("buydesk_price_rounds_total"));
    let report = running.sources().await;
    assert_eq!(report.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["coinbase", "kraken"]);
    assert!(report.sources.iter().all(|source| source.ok && !source.errors.is_empty()), "{report:?}");
    running.stop().await;
}

#[tokio::test]
async fn one_source_is_enough_and_none_leaves_the_last_price_to_be_prolonged() {
    let mut running = Running::new().await;
    running.world.coinbase_down.store(true, Ordering::SeqCst);
    running.start().await;
    let good = running.next_write().await;
    assert_eq!(good.prices[&Currency::EUR].sources, ["kraken"]);
    running.next_write().await;
    let (status, body) = running.get("/readyz").await;
    assert!(status == 200 && body.contains("source:coinbase"), "{body}");

    running.world.kraken_down.store(true, Ordering::SeqCst);
    let prolonged = loop {
        let record = running.next_write().await;
        if record.state == PriceState::Prolonged {
            break record;
        }
    };
    assert!(prolonged.as_of >= good.as_of && prolonged.prices == good.prices);
    assert!(prolonged.expires_at <= prolonged.as_of.plus(Duration::from_hours(1)));
    assert!(running.sources().await.failed_rounds > 3);
    assert_eq!(running.get("/readyz").await.0, 503);

    running.world.coinbase_down.store(false, Ordering::SeqCst);
    let fresh = loop {
        let record = running.next_write().await;
        if record.state == PriceState::Fresh {
            break record;
        }
    };
    assert!(fresh.as_of > prolonged.as_of);
    running.stop().await;
}

#[tokio::test]
async fn a_simulated_price_says_so_and_never_joins_real_ones() {
    let mut running = Running::new().await;
    running.world.simulated.store(true, Ordering::SeqCst);
    running.world.kraken_down.store(true, Ordering::SeqCst);
    running.start().await;
    let record = running.next_write().await;
    assert!(record.simulated);
    running.world.kraken_down.store(false, Ordering::SeqCst);
    let record = loop {
        let record = running.next_write().await;
        if !record.simulated {
            break record;
        }
        assert_eq!(record.prices[&Currency::EUR].sources, ["coinbase"]);
    };
    assert_eq!(record.prices[&Currency::EUR].sources, ["kraken"]);
    assert!(!record.prices.contains_key(&Currency::USD));
    running.stop().await;
}

#[tokio::test]
async fn the_setting_alone_makes_every_price_simulated() {
    let mut running = Running::new().await;
    running.settings.push(("SIMULATED", "true".to_owned()));
    running.start().await;
    assert!(running.next_write().await.simulated);
    running.stop().await;
}

#[tokio::test]
async fn a_write_is_tried_again_within_the_round() {
    let mut running = Running::new().await;
    running.world.refusals.store(1, Ordering::SeqCst);
    running.settings.push(("PRICE_REFRESH_SECS", "30".to_owned()));
    running.start().await;
    // The next round is half a minute away, longer than this waits.
    running.next_write().await;
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_with_the_record_in_the_cache() {
    let mut running = Running::new().await;
    let old = Timestamp::from_micros(Timestamp::now().micros() - 600_000_000).unwrap();
    let price = serde_json::json!({"price": "84000.00", "sources": ["kraken"]});
    let kept = serde_json::json!({
        "base": "BTC", "state": "prolonged", "as_of": old, "expires_at": old.plus(Duration::from_mins(11)),
        "simulated": false, "prices": {"EUR": price},
    });
    *running.world.kept.lock().unwrap() = Some(serde_json::from_value(kept).unwrap());
    running.world.coinbase_down.store(true, Ordering::SeqCst);
    running.world.kraken_down.store(true, Ordering::SeqCst);
    running.start().await;
    let record = running.next_write().await;
    assert_eq!((record.state, record.as_of), (PriceState::Prolonged, old));
    running.stop().await;
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let mut running = Running::new().await;
    running.settings.push(("KRAKEN_URL", format!("http://{}/huge", running.outside)));
    running.start().await;
    running.next_write().await;
    let report = running.sources().await;
    let kraken = report.sources.iter().find(|source| source.name == "kraken").unwrap();
    assert!(!kraken.ok && kraken.errors[0].message.contains("bytes"), "{kraken:?}");
    running.stop().await;
}

#[tokio::test]
async fn only_our_own_services_look_into_the_sources() {
    let mut running = Running::new().await;
    running.start().await;
    let (address, ..) = running.service.as_ref().unwrap();
    let response = http_client().get(format!("http://{address}/sources")).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    running.stop().await;
}

#[test]
fn every_source_has_a_setting_of_its_own() {
    assert!(App::openapi().contains("list_sources"));
    for source in SOURCES {
        assert_eq!(source.url_variable, format!("{}_URL", source.name.to_uppercase()));
    }
}
