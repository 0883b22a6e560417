//! The whole service over HTTP, on an ephemeral port.

pub(crate) mod fixtures;
mod push;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use common::{
    api::{
        Code, Problem,
        prices::{NewPriceRecord, PriceRecord},
    },
    clients::{CallError, http_client, price_cache::PriceCacheClient},
    config::{AcceptedCallers, Env, Secret, ServiceUrls, TokenRefusal},
    redis_connection::RedisConfig,
    service::Service,
    time::{Clock, Timestamp},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::fixtures::{address_of, record, server_of, snapshot, test_redis};
use crate::{App, Config, StoreConfig};

const TOKEN: &str = "a token of the tests";
const TTL: Duration = Duration::from_mins(1);

/// A running price-cache-proxy.
struct TestService {
    address: SocketAddr,
    cache: PriceCacheClient,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

impl TestService {
    async fn start(store: StoreConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepted_callers = AcceptedCallers::of_internal_token(Secret::new(TOKEN), App::NAME);
        let app = App::build(Config { accepted_callers, store, clock: Clock::System }, listener.into()).await.unwrap();
        let address = app.address().unwrap();
        let cache = client(address, TOKEN);
        let stop = CancellationToken::new();
        let served = tokio::spawn(app.run_until(stop.clone()));
        Self { address, cache, stop, served }
    }

    async fn status(&self, path: &str) -> u16 {
        http_client().get(format!("http://{}{path}", self.address)).send().await.unwrap().status().as_u16()
    }

    async fn post(&self, path: &str, body: String) -> (u16, String) {
        let request = http_client().post(format!("http://{}{path}", self.address)).bearer_auth(TOKEN);
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

fn client(address: SocketAddr, token: &str) -> PriceCacheClient {
    let base: ServiceUrls = format!("http://{address}").parse().unwrap();
    PriceCacheClient::new(http_client(), base, Secret::new(token))
}

fn new_record(as_of: Timestamp) -> NewPriceRecord {
    let PriceRecord { state, as_of, simulated, prices, .. } = record(as_of, "84000.12");
    NewPriceRecord { state, as_of, simulated, prices }
}

fn code(error: CallError) -> Code {
    match error {
        CallError::TokenRefused(_, _, TokenRefusal::Unknown) => Code::Unauthorized,
        CallError::Problem(_, problem) => problem.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn stored_record_is_readable_without_a_token() {
    let service = TestService::start(StoreConfig::Memory).await;
    assert_eq!(service.status("/record").await, 204);
    assert_eq!(service.cache.price_record().await.unwrap(), None);

    let new = new_record(Timestamp::now());
    let record = service.cache.put_price_record(&new, TTL).await.unwrap();
    assert_eq!((record.as_of, record.expires_at), (new.as_of, new.as_of.plus(TTL)));
    assert_eq!(client(service.address, "a wrong token").price_record().await.unwrap(), Some(record.clone()));

    let (status, body) = service.post("/add", serde_json::to_string(&new).unwrap()).await;
    assert_eq!((status, serde_json::from_str(&body).unwrap()), (201, record));
    assert_eq!(service.status("/readyz").await, 200);
    service.stop().await;
}

#[tokio::test]
async fn writes_and_snapshots_need_the_internal_token() {
    let service = TestService::start(StoreConfig::Memory).await;
    let unauthorized = client(service.address, "another token");
    assert_eq!(
        code(unauthorized.put_price_record(&new_record(Timestamp::now()), TTL).await.unwrap_err()),
        Code::Unauthorized
    );
    assert_eq!(
        code(unauthorized.put_market_snapshot(&snapshot(Timestamp::now())).await.unwrap_err()),
        Code::Unauthorized
    );
    assert_eq!(code(unauthorized.market_snapshot().await.unwrap_err()), Code::Unauthorized);
    assert_eq!(code(unauthorized.acquire_lease("updater", "me", TTL).await.unwrap_err()), Code::Unauthorized);
    assert_eq!(service.cache.price_record().await.unwrap(), None);
    assert_eq!(service.cache.market_snapshot().await.unwrap(), None);
    service.stop().await;
}

#[tokio::test]
async fn newest_snapshot_is_stored() {
    for store in [StoreConfig::Memory, StoreConfig::Redis(test_redis())] {
        let service = TestService::start(store).await;
        let now = Timestamp::now();
        let (older, newer) = (snapshot(now.minus(Duration::from_secs(5))), snapshot(now));
        assert_eq!(service.cache.market_snapshot().await.unwrap(), None);
        for snapshot in [&older, &newer] {
            assert_eq!(service.cache.put_market_snapshot(snapshot).await.unwrap(), snapshot.as_of);
        }
        assert_eq!(service.cache.put_market_snapshot(&older).await.unwrap(), newer.as_of);
        assert_eq!(service.cache.market_snapshot().await.unwrap(), Some(newer));
        service.stop().await;
    }
}

#[tokio::test]
async fn lease_has_one_holder() {
    for store in [StoreConfig::Memory, StoreConfig::Redis(test_redis())] {
        let service = TestService::start(store).await;
        let now = Timestamp::now();
        let first = service.cache.acquire_lease("updater", "a", TTL).await.unwrap();
        assert_eq!((first.name.as_str(), first.holder.as_str()), ("updater", "a"));
        assert!(now.plus(TTL) <= first.expires_at && first.expires_at <= Timestamp::now().plus(TTL));
        assert_eq!(service.cache.acquire_lease("updater", "b", TTL).await.unwrap().holder, "a");
        service.stop().await;
    }
}

#[tokio::test]
async fn invalid_requests_are_refused_with_the_name_of_the_field() {
    let service = TestService::start(StoreConfig::Memory).await;
    let now = Timestamp::now();
    let valid = serde_json::to_string(&new_record(now)).unwrap();
    let json = |new: NewPriceRecord| serde_json::to_string(&new).unwrap();
    let old = Timestamp::from_micros(now.micros() - 61_000_000).unwrap();
    let snapshot_json = |as_of| serde_json::to_string(&snapshot(as_of)).unwrap();
    let (ahead, past) = (snapshot_json(now.plus(TTL)), snapshot_json(now.minus(Duration::from_hours(1))));
    let cases = [
        ("/add/?ttl=0", valid.clone(), 422, "ttl"),
        ("/add/?ttl=3601", valid.clone(), 422, "ttl"),
        ("/add/?ttl=soon", valid.clone(), 422, "ttl"),
        ("/add/", json(new_record(now.plus(TTL))), 422, "as_of"),
        ("/add/?ttl=60", json(new_record(old)), 422, "as_of"),
        ("/add/", json(NewPriceRecord { prices: [].into(), ..new_record(now) }), 422, "prices"),
        ("/add/", valid.replace("84000.12", "-1"), 422, "prices.EUR.price"),
        ("/add/", valid.replace("fresh", "stale"), 422, "state"),
        ("/add/", valid.replace("EUR", "EURO"), 422, "prices"),
        ("/add/", "{".to_owned(), 400, "not JSON"),
        ("/board", ahead, 422, "as_of"),
        ("/board", past, 422, "as_of"),
        ("/lease", r#"{"name":"","holder":"a","ttl_secs":10}"#.to_owned(), 422, "name"),
        ("/lease", r#"{"name":"a","holder":"a","ttl_secs":0}"#.to_owned(), 422, "ttl_secs"),
    ];
    for (path, body, status, field) in cases {
        let response = service.post(path, body.clone()).await;
        assert!(response.0 == status && response.1.contains(field), "{path} {body}: {response:?}");
    }
    assert_eq!(service.cache.price_record().await.unwrap(), None);
    service.stop().await;
}

#[tokio::test]
async fn missing_or_invalid_time_causes_no_further_errors() {
    let service = TestService::start(StoreConfig::Memory).await;
    let expiry = Timestamp::now().plus(TTL);
    let cases = [
        ("", format!(r#""expires_at":"{expiry}""#), vec!["as_of"]),
        (r#""as_of":7,"#, format!(r#""expires_at":"{expiry}""#), vec!["as_of"]),
        (r#""as_of":"2020-01-01T00:00:00Z","#, r#""expires_at":7"#.to_owned(), vec!["prices.EUR.expires_at"]),
    ];
    for (as_of, expires_at, fields) in cases {
        let body = format!(
            r#"{{"state":"fresh",{as_of}"simulated":true,"prices":{{"EUR":{{"price":"1","sources":[],{expires_at}}}}}}}"#
        );
        let (status, problem) = service.post("/add/", body.clone()).await;
        let errors = Problem::from_json(problem.as_bytes(), None).unwrap().errors;
        let named: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!((status, named), (422, fields), "{body}");
    }
    service.stop().await;
}

/// A TCP proxy to Redis that a test can interrupt.
struct RedisProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl RedisProxy {
    async fn start(address: Option<SocketAddr>, redis: String) -> Self {
        let listener = TcpListener::bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            // When the task ends, the set is dropped, and every connection closes.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&redis).await.unwrap();
                connections.spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { address, task }
    }

    /// Closes every connection. Returns the address, so that another proxy can start there.
    async fn stop(self) -> SocketAddr {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}

#[tokio::test]
async fn requests_fail_with_503_within_seconds_during_a_redis_outage_and_succeed_after_it() {
    let real = test_redis();
    let redis = address_of(&real);
    let proxy = RedisProxy::start(None, redis.clone()).await;
    let through_proxy = RedisConfig::new(&format!("redis://{}", proxy.address), real.key_prefix.clone()).unwrap();
    // The service starts during the outage.
    let proxy_address = proxy.stop().await;
    let service = TestService::start(StoreConfig::Redis(through_proxy)).await;

    let mut stored = None;
    for _ in 0..2 {
        let (new, start) = (new_record(Timestamp::now()), Instant::now());
        // A cached record is served until it expires. Before the first write, no record is cached.
        match &stored {
            None => assert_eq!(code(service.cache.price_record().await.unwrap_err()), Code::CacheUnavailable),
            stored => assert_eq!(&service.cache.price_record().await.unwrap(), stored),
        }
        assert_eq!(code(service.cache.put_price_record(&new, TTL).await.unwrap_err()), Code::CacheUnavailable);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!((service.status("/readyz").await, service.status("/livez").await), (503, 200));

        let proxy = RedisProxy::start(Some(proxy_address), redis.clone()).await;
        let record = service.cache.put_price_record(&new, TTL).await.unwrap();
        assert_eq!(service.cache.price_record().await.unwrap(), Some(record.clone()));
        stored = Some(record);
        assert_eq!(service.status("/readyz").await, 200);
        assert_eq!(proxy.stop().await, proxy_address);
    }
    service.stop().await;
}

#[tokio::test]
async fn read_from_unresponsive_redis_fails_after_the_command_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", listener.local_addr().unwrap());
    let service = TestService::start(StoreConfig::Redis(RedisConfig::new(&address, "test:").unwrap())).await;
    let start = Instant::now();
    assert_eq!(code(service.cache.price_record().await.unwrap_err()), Code::CacheUnavailable);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    service.stop().await;
}

#[test]
fn store_is_in_memory_by_default() {
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", TOKEN)]);
    assert!(matches!(App::configure(&mut env).store, StoreConfig::Memory));
}

#[test]
fn openapi_document_contains_the_operations() {
    assert!(App::openapi().contains("add_record"));
}
