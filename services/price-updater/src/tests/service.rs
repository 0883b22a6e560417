//! Tests of the service on a port, with fakes of the exchanges, of price-cache-proxy and of db-proxy. A *course* is the
//! last price of one pair at one exchange.
#![allow(clippy::needless_pass_by_value, reason = "poem's handlers take arguments by value")]

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
/// Maximum time that a test waits for a record.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The behaviour of the fakes, and the data that they received.
struct Fakes {
    coinbase_down: AtomicBool,
    kraken_down: AtomicBool,
    simulated: AtomicBool,
    /// How many further writes of a record the fake cache refuses.
    refusals: AtomicUsize,
    /// The record that the fake cache returns.
    stored_record: Mutex<Option<PriceRecord>>,
    written_records: mpsc::UnboundedSender<PriceRecord>,
    snapshot: Mutex<Option<MarketSnapshot>>,
    /// The courses that were written, in the order of arrival.
    courses: Mutex<Vec<Course>>,
}

#[handler]
fn coinbase_ticker(Path(pair): Path<String>, fakes: Data<&Arc<Fakes>>) -> Response {
    if fakes.coinbase_down.load(Ordering::SeqCst) {
        return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body("<html>");
    }
    let price = match pair.as_str() {
        "BTC-EUR" => "84000.12",
        "BTC-USD" => "91000.00",
        _ => return Response::builder().status(StatusCode::NOT_FOUND).body(r#"{"message":"NotFound"}"#),
    };
    let simulated = fakes.simulated.load(Ordering::SeqCst);
    let response = Response::builder().body(format!(r#"{{"price":"{price}","bid":"{price}","ask":"{price}"}}"#));
    if simulated { response.with_header("x-simulated", "true").into_response() } else { response }
}

#[handler]
fn kraken_ticker(fakes: Data<&Arc<Fakes>>) -> &'static str {
    if fakes.kraken_down.load(Ordering::SeqCst) {
        return r#"{"error":["EService:Unavailable"]}"#;
    }
    r#"{"error":[],"result":{"XXBTZEUR":{"a":["84000.2","1"],"b":["84000.1","1"],"c":["84000.14","1"]}}}"#
}

#[handler]
fn read_record(fakes: Data<&Arc<Fakes>>) -> Response {
    match fakes.stored_record.lock().unwrap().as_ref() {
        Some(record) => Response::builder().body(serde_json::to_string(record).unwrap()),
        None => Response::builder().status(StatusCode::NO_CONTENT).finish(),
    }
}

#[handler]
fn write_record(body: String, request: &poem::Request, fakes: Data<&Arc<Fakes>>) -> Response {
    let refuse = |n: usize| n.checked_sub(1);
    if fakes.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
        return common::api::Problem::new(common::api::Code::CacheUnavailable, "unavailable").into_response();
    }
    let ttl = request.uri().query().unwrap().strip_prefix("ttl=").unwrap().parse().unwrap();
    let new: NewPriceRecord = serde_json::from_str(&body).unwrap();
    let record = new.into_record(Duration::from_secs(ttl), Timestamp::now()).unwrap();
    let answer = serde_json::to_string(&record).unwrap();
    let _ = fakes.written_records.send(record);
    Response::builder().status(StatusCode::CREATED).body(answer)
}

/// Grants every lease.
#[handler]
fn grant_lease(body: String) -> String {
    let request: LeaseRequest = serde_json::from_str(&body).unwrap();
    let expires_at = Timestamp::now().plus(Duration::from_secs(request.ttl_secs));
    serde_json::to_string(&Lease { name: request.name, holder: request.holder, expires_at }).unwrap()
}

#[handler]
fn write_snapshot(body: String, fakes: Data<&Arc<Fakes>>) -> String {
    let snapshot: MarketSnapshot = serde_json::from_str(&body).unwrap();
    let stored = SnapshotStored { as_of: snapshot.as_of };
    *fakes.snapshot.lock().unwrap() = Some(snapshot);
    serde_json::to_string(&stored).unwrap()
}

#[handler]
fn write_courses(body: String, fakes: Data<&Arc<Fakes>>) -> String {
    let new: NewCourses = serde_json::from_str(&body).unwrap();
    let changed = new.courses.len() as u64;
    fakes.courses.lock().unwrap().extend(new.courses);
    serde_json::to_string(&CoursesWritten { changed }).unwrap()
}

#[handler]
fn oversized_response() -> String {
    "x".repeat(2 * 1024 * 1024)
}

struct TestService {
    fakes: Arc<Fakes>,
    written_records: mpsc::UnboundedReceiver<PriceRecord>,
    /// The address of the fakes.
    fakes_address: SocketAddr,
    settings: Vec<(&'static str, String)>,
    service: Option<RunningService>,
}

struct RunningService {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

impl TestService {
    async fn new() -> Self {
        let (sender, written_records) = mpsc::unbounded_channel();
        let fakes = Arc::new(Fakes {
            coinbase_down: AtomicBool::new(false),
            kraken_down: AtomicBool::new(false),
            simulated: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
            stored_record: Mutex::default(),
            written_records: sender,
            snapshot: Mutex::default(),
            courses: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fakes_address = listener.local_addr().unwrap();
        let routes = Route::new()
            .at("/coinbase/products/:pair/ticker", get(coinbase_ticker))
            .at("/kraken/0/public/Ticker", get(kraken_ticker))
            .at("/huge/0/public/Ticker", get(oversized_response))
            .at("/record", get(read_record))
            .at("/add/", post(write_record))
            .at("/lease", post(grant_lease))
            .at("/board", post(write_snapshot))
            .at("/courses", post(write_courses))
            .data(fakes.clone());
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes));
        let settings = vec![
            ("INTERNAL_TOKEN", TOKEN.to_owned()),
            ("PRICE_CACHE_URL", format!("http://{fakes_address}")),
            ("DB_PROXY_URL", format!("http://{fakes_address}")),
            ("PRICE_SOURCES", "coinbase,kraken".to_owned()),
            ("COINBASE_URL", format!("http://{fakes_address}/coinbase")),
            ("KRAKEN_URL", format!("http://{fakes_address}/kraken/")),
            ("PRICE_REFRESH_SECS", "1".to_owned()),
        ];
        Self { fakes, written_records, fakes_address, settings, service: None }
    }

    async fn start(&mut self) {
        let mut env = Env::from_pairs(self.settings.clone());
        let config = App::configure(&mut env);
        env.finish().unwrap();
        let app = App::build(config, TcpListener::bind("127.0.0.1:0").await.unwrap().into()).await.unwrap();
        let (address, stop) = (app.address().unwrap(), CancellationToken::new());
        let served = tokio::spawn(app.run_until(stop.clone()));
        self.service = Some(RunningService { address, stop, served });
    }

    async fn next_write(&mut self) -> PriceRecord {
        timeout(TEST_TIMEOUT, self.written_records.recv()).await.expect("no record is written").unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let address = self.service.as_ref().unwrap().address;
        let request = http_client().get(format!("http://{address}{path}")).bearer_auth(TOKEN);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn sources(&self) -> SourcesReport {
        serde_json::from_str(&self.get("/sources").await.1).unwrap()
    }

    /// Stops the service, and checks that it stops within five seconds.
    async fn stop(mut self) {
        let RunningService { stop, served, .. } = self.service.take().unwrap();
        let start = Instant::now();
        stop.cancel();
        served.await.unwrap().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "the service stopped after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn record_has_the_prices_that_sources_agree_on() {
    let mut test = TestService::new().await;
    let before = Timestamp::now();
    test.start().await;
    let record = test.next_write().await;
    assert!(before <= record.as_of && record.as_of <= Timestamp::now());
    assert_eq!(record.expires_at, record.as_of.plus(Duration::from_mins(1)));
    assert_eq!((record.state, record.simulated), (PriceState::Fresh, false));
    let eur = &record.prices[&Currency::EUR];
    assert_eq!((eur.price.to_string().as_str(), eur.sources.join(",").as_str()), ("84000.135", "coinbase,kraken"));
    // One source that reports dollars suffices. No source reports pounds.
    assert_eq!(record.prices[&Currency::USD].sources, ["coinbase"]);
    assert!(!record.prices.contains_key(&Currency::GBP));

    // After the second write, the result of the first write is in the readiness report.
    test.next_write().await;
    let (status, body) = test.get("/readyz").await;
    assert_eq!(status, 200, "{body}");
    // Each currency has its own state in the readiness report and in the metrics.
    let metrics = test.get("/metrics").await.1;
    for (currency, state) in [("EUR", "fresh"), ("GBP", "missing")] {
        let line = format!(r#"{{service="price-updater",currency="{currency}",state="{state}"}} 1"#);
        assert!(metrics.contains("buydesk_price_rounds_total") && metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(body.contains(r#""name":"price:EUR","ready":true"#), "{body}");
    assert!(body.contains(r#""name":"price:GBP","ready":false"#), "{body}");
    let report = test.sources().await;
    assert_eq!(report.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["coinbase", "kraken"]);
    assert!(report.sources.iter().all(|source| source.ok && !source.errors.is_empty()), "{report:?}");
    test.stop().await;
}

#[tokio::test]
async fn one_source_suffices_and_the_last_price_is_prolonged_if_all_fail() {
    let mut test = TestService::new().await;
    test.fakes.coinbase_down.store(true, Ordering::SeqCst);
    test.start().await;
    let good = test.next_write().await;
    assert_eq!(good.prices[&Currency::EUR].sources, ["kraken"]);
    test.next_write().await;
    let (status, body) = test.get("/readyz").await;
    assert!(status == 200 && body.contains("source:coinbase"), "{body}");

    test.fakes.kraken_down.store(true, Ordering::SeqCst);
    let prolonged = loop {
        let record = test.next_write().await;
        if record.state == PriceState::Prolonged {
            break record;
        }
    };
    let price = |record: &PriceRecord| record.prices[&Currency::EUR].price;
    assert!(prolonged.as_of >= good.as_of && price(&prolonged) == price(&good));
    assert!(prolonged.expires_at <= prolonged.as_of.plus(Duration::from_hours(1)));
    assert!(test.sources().await.failed_rounds > 3);
    assert_eq!(test.get("/readyz").await.0, 503);

    test.fakes.coinbase_down.store(false, Ordering::SeqCst);
    let fresh = loop {
        let record = test.next_write().await;
        if record.state == PriceState::Fresh {
            break record;
        }
    };
    assert!(fresh.as_of > prolonged.as_of);
    test.stop().await;
}

#[tokio::test]
async fn simulated_price_is_marked_and_never_mixed_with_real_prices() {
    let mut test = TestService::new().await;
    test.fakes.simulated.store(true, Ordering::SeqCst);
    test.fakes.kraken_down.store(true, Ordering::SeqCst);
    test.start().await;
    let record = test.next_write().await;
    assert!(record.simulated);
    test.fakes.kraken_down.store(false, Ordering::SeqCst);
    let record = loop {
        let record = test.next_write().await;
        if !record.simulated {
            break record;
        }
        assert_eq!(record.prices[&Currency::EUR].sources, ["coinbase"]);
    };
    assert_eq!(record.prices[&Currency::EUR].sources, ["kraken"]);
    assert!(!record.prices.contains_key(&Currency::USD));
    test.stop().await;
}

#[tokio::test]
async fn simulated_setting_marks_every_price() {
    let mut test = TestService::new().await;
    test.settings.push(("SIMULATED", "true".to_owned()));
    test.start().await;
    assert!(test.next_write().await.simulated);
    test.stop().await;
}

#[tokio::test]
async fn failed_write_is_retried_within_the_publish_interval() {
    let mut test = TestService::new().await;
    test.fakes.refusals.store(1, Ordering::SeqCst);
    test.settings.push(("PRICE_REFRESH_SECS", "30".to_owned()));
    test.start().await;
    // The next publish interval begins in half a minute, which is longer than this test waits.
    test.next_write().await;
    test.stop().await;
}

#[tokio::test]
async fn restart_continues_with_the_record_in_the_cache() {
    let mut test = TestService::new().await;
    let old = Timestamp::from_micros(Timestamp::now().micros() - 600_000_000).unwrap();
    let price = serde_json::json!({"price": "84000.00", "sources": ["kraken"]});
    let stored = serde_json::json!({
        "base": "BTC", "state": "prolonged", "as_of": old, "expires_at": old.plus(Duration::from_mins(11)),
        "simulated": false, "prices": {"EUR": price},
    });
    *test.fakes.stored_record.lock().unwrap() = Some(serde_json::from_value(stored).unwrap());
    test.fakes.coinbase_down.store(true, Ordering::SeqCst);
    test.fakes.kraken_down.store(true, Ordering::SeqCst);
    test.start().await;
    let record = test.next_write().await;
    assert_eq!((record.state, record.as_of), (PriceState::Prolonged, old));
    test.stop().await;
}

#[tokio::test]
async fn oversized_response_is_rejected() {
    let mut test = TestService::new().await;
    test.settings.push(("KRAKEN_URL", format!("http://{}/huge", test.fakes_address)));
    test.start().await;
    test.next_write().await;
    let report = test.sources().await;
    let kraken = report.sources.iter().find(|source| source.name == "kraken").unwrap();
    assert!(!kraken.ok && kraken.errors[0].message.contains("bytes"), "{kraken:?}");
    test.stop().await;
}

#[tokio::test]
async fn list_of_sources_requires_the_internal_token() {
    let mut test = TestService::new().await;
    test.start().await;
    let address = test.service.as_ref().unwrap().address;
    let response = http_client().get(format!("http://{address}/sources")).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    test.stop().await;
}

#[test]
fn openapi_document_contains_the_list_of_sources() {
    assert!(App::openapi().contains("list_sources"));
}

#[test]
fn every_source_has_its_own_url_variable() {
    for source in SOURCES {
        assert_eq!(source.url_variable, format!("{}_URL", source.name.to_uppercase()));
    }
}
