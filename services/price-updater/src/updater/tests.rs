//! Runs the updater in simulated time, against fakes of the sources, of price-cache-proxy and of db-proxy. A *course*
//! is the last price of one pair at one source.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{
    api::{
        courses::{CoursesWritten, MarketSnapshot, Method, NewCourses},
        leases::Lease,
        prices::{PriceRecord, PriceState},
    },
    clients::CallError,
    config::Env,
    money::{Asset, Currency, CurrencyPair},
    time::{Clock, Expiring},
};
use poem::{Request, Response, endpoint::make};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{sources::InProcess, upstreams::RecordWrite};

mod all_sources_fail;
mod currencies;
mod live_settings;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A fake of price-cache-proxy and db-proxy.
struct FakeUpstreams {
    clock: Clock,
    record: Mutex<Option<PriceRecord>>,
    snapshot: Mutex<Option<MarketSnapshot>>,
    leases: Mutex<BTreeMap<String, GrantedLease>>,
    /// How many courses were written.
    courses_written: AtomicUsize,
}

#[derive(Clone)]
struct GrantedLease {
    holder: String,
    expires: Instant,
}

/// The connection of one instance to the fake upstreams.
struct Connection {
    upstreams: Arc<FakeUpstreams>,
    /// Whether calls to price-cache-proxy fail. Calls to db-proxy always succeed.
    interrupted: AtomicBool,
}

impl Connection {
    fn get(&self) -> Result<&FakeUpstreams, CallError> {
        let error = || CallError::InvalidResponse("the fake", "interrupted".to_owned());
        if self.interrupted.load(Ordering::SeqCst) { Err(error()) } else { Ok(&self.upstreams) }
    }
}

#[async_trait]
impl Upstreams for Connection {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        let upstreams = self.get()?;
        let record = upstreams.record.lock().unwrap().clone();
        Ok(record.filter(|record| record.is_current(upstreams.clock.now())))
    }

    async fn write_record(&self, write: &RecordWrite, _: Duration) -> Result<PriceRecord, CallError> {
        let upstreams = self.get()?;
        let now = upstreams.clock.now();
        let record = write.record.clone().into_record(write.ttl, now).unwrap();
        let mut stored = upstreams.record.lock().unwrap();
        // Like price-cache-proxy, the fake keeps its stored record if that record is current and newer.
        let newer = stored.take_if(|stored| stored.is_current(now) && stored.version() > record.version());
        Ok(stored.insert(newer.unwrap_or(record)).clone())
    }

    async fn write_snapshot(&self, snapshot: &MarketSnapshot) -> Result<(), CallError> {
        *self.get()?.snapshot.lock().unwrap() = Some(snapshot.clone());
        Ok(())
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.upstreams.courses_written.fetch_add(courses.courses.len(), Ordering::SeqCst);
        Ok(CoursesWritten { changed: 0 })
    }

    async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let upstreams = self.get()?;
        let (mut leases, now) = (upstreams.leases.lock().unwrap(), Instant::now());
        let by_another = leases.get(name).filter(|lease| lease.holder != holder && now < lease.expires).cloned();
        let lease = by_another.unwrap_or_else(|| GrantedLease { holder: holder.to_owned(), expires: now + ttl });
        leases.insert(name.to_owned(), lease.clone());
        let expires_at = upstreams.clock.now().plus(lease.expires - now);
        Ok(Lease { name: name.to_owned(), holder: lease.holder, expires_at })
    }
}

/// Fakes of Coinbase, of an index and of Frankfurter.
#[derive(Default)]
struct FakeSources {
    requests: AtomicUsize,
    coinbase_limits_requests: AtomicBool,
    /// Whether coinbase reports no price in euros.
    no_euros: AtomicBool,
    /// Whether the price in euros at coinbase has fallen by 60 %.
    fallen: AtomicBool,
    /// Whether every source answers with an error.
    down: AtomicBool,
    /// Whether every source needs a minute to answer, which is longer than a poll waits.
    hangs: AtomicBool,
}

impl FakeSources {
    fn answer(&self, request: &Request) -> Response {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (status, body) = match request.uri().path() {
            _ if self.down.load(Ordering::SeqCst) => (500, "{}"),
            path if path.starts_with("/coinbase") && self.coinbase_limits_requests.load(Ordering::SeqCst) => {
                return Response::builder()
                    .status(poem::http::StatusCode::TOO_MANY_REQUESTS)
                    .header("retry-after", "600")
                    .finish();
            }
            "/coinbase/products/BTC-EUR/ticker" if self.no_euros.load(Ordering::SeqCst) => (500, "{}"),
            "/coinbase/products/BTC-EUR/ticker" if self.fallen.load(Ordering::SeqCst) => {
                (200, r#"{"price":"33600","bid":"33600","ask":"33600"}"#)
            }
            "/coinbase/products/BTC-EUR/ticker" => (200, r#"{"price":"84000","bid":"84000","ask":"84000"}"#),
            "/coinbase/products/BTC-USD/ticker" => (200, r#"{"price":"91000","bid":"91000","ask":"91000"}"#),
            "/index/ticker" => (200, r#"{"CHF":{"last":79000},"EUR":{"last":83900},"RUB":{"last":8200000}}"#),
            "/frankfurter/v2/rates" => (200, r#"[{"date":"2026-01-02","base":"USD","quote":"RUB","rate":90}]"#),
            _ => (404, r#"{"message":"NotFound"}"#),
        };
        Response::builder().status(poem::http::StatusCode::from_u16(status).unwrap()).body(body)
    }
}

/// A running updater with its own sources. It stops when it is dropped.
struct Instance {
    updater: Arc<Updater>,
    connection: Arc<Connection>,
    sources: Arc<FakeSources>,
    stop: CancellationToken,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Instance {
    fn leads(&self) -> bool {
        self.updater.report().leads
    }

    fn requests(&self) -> usize {
        self.sources.requests.load(Ordering::SeqCst)
    }

    fn interrupt(&self, interrupted: bool) {
        self.connection.interrupted.store(interrupted, Ordering::SeqCst);
    }
}

fn config_of(sources: &str, currencies: &str, others: &[(&str, &str)]) -> Config {
    let mut env = Env::from_pairs(
        [
            ("INTERNAL_TOKEN", "a token of the tests"),
            ("PRICE_SOURCES", sources),
            ("CURRENCIES", currencies),
            ("COINBASE_URL", "http://sources/coinbase"),
            ("BLOCKCHAIN_INFO_URL", "http://sources/index"),
            ("FRANKFURTER_URL", "http://sources/frankfurter"),
        ]
        .into_iter()
        .chain(others.iter().copied()),
    );
    let config = Config::from_env(&mut env);
    env.finish().unwrap();
    config
}

impl FakeUpstreams {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap()),
            record: Mutex::default(),
            snapshot: Mutex::default(),
            leases: Mutex::default(),
            courses_written: AtomicUsize::new(0),
        })
    }

    fn start_instance(self: &Arc<Self>, sources: &str, currencies: &str) -> Instance {
        self.start_instance_with(sources, currencies, &[])
    }

    fn start_instance_with(self: &Arc<Self>, sources: &str, currencies: &str, others: &[(&str, &str)]) -> Instance {
        let mut config = config_of(sources, currencies, others);
        let sources = Arc::new(FakeSources::default());
        let answering = sources.clone();
        let endpoint = make(move |request| {
            let sources = answering.clone();
            async move {
                let is_slow = sources.hangs.load(Ordering::SeqCst);
                sleep(if is_slow { MINUTE } else { Duration::from_millis(300) }).await;
                sources.answer(&request)
            }
        });
        config.clock = self.clock;
        config.transport = Some(Arc::new(InProcess::new(endpoint)));
        let connection = Arc::new(Connection { upstreams: self.clone(), interrupted: AtomicBool::new(false) });
        let updater = Arc::new(Updater::new(config, connection.clone(), &Metrics::new("price-updater")));
        let (running, stop) = (updater.clone(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move { running.run(&stopped).await });
        Instance { updater, connection, sources, stop }
    }

    /// The currencies in the record with a current price in this state.
    fn currencies(&self, state: PriceState) -> String {
        let (record, now) = (self.record.lock().unwrap(), self.clock.now());
        let prices = record.iter().flat_map(PriceRecord::currency_prices);
        let matching = prices.filter(|(_, price)| price.state == state && price.is_current(now));
        matching.map(|(currency, _)| currency.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn fresh_currencies(&self) -> String {
        self.currencies(PriceState::Fresh)
    }

    /// The age of the newest price.
    fn record_age(&self) -> Duration {
        self.clock.now().since(self.record.lock().unwrap().as_ref().unwrap().version())
    }

    /// The method of the price of a bitcoin in `currency`, if there is a price.
    fn method(&self, currency: &str) -> Option<Method> {
        let pair = CurrencyPair::new(Asset::BTC, currency.parse::<Currency>().unwrap().into());
        let snapshot = self.snapshot.lock().unwrap();
        let price = snapshot.as_ref()?.prices.iter().find(|price| price.direction == pair && price.price.is_some());
        price.map(|price| price.method)
    }
}

/// Calls `check` once a second for ten minutes.
async fn at_every_second(check: impl Fn(u64)) {
    sleep(Duration::from_millis(1900)).await;
    for second in 0..600 {
        sleep(SECOND).await;
        check(second);
    }
}

#[tokio::test(start_paused = true)]
async fn price_of_an_index_is_always_available() {
    for (sources, currencies, expected) in
        [("blockchain_info", "CHF", "CHF"), ("coinbase,blockchain_info", "CHF,EUR", "CHF EUR")]
    {
        let upstreams = FakeUpstreams::new();
        let instance = upstreams.start_instance(sources, currencies);
        at_every_second(|second| {
            assert_eq!(upstreams.fresh_currencies(), expected, "{second} s");
            assert_eq!(upstreams.method("CHF"), Some(Method::Median), "{second} s");
        })
        .await;
        assert!(instance.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn converted_price_is_always_available_and_does_not_make_the_record_older() {
    let upstreams = FakeUpstreams::new();
    let _instance = upstreams.start_instance("coinbase,blockchain_info,frankfurter", "EUR,RUB");
    at_every_second(|second| {
        assert_eq!(upstreams.fresh_currencies(), "EUR RUB", "{second} s");
        assert_eq!(upstreams.method("RUB"), Some(Method::Cross), "{second} s");
        assert!(upstreams.record_age() <= 16 * SECOND, "{second} s");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn leader_that_cannot_renew_its_lease_stops_before_another_instance_leads() {
    let upstreams = FakeUpstreams::new();
    let first = upstreams.start_instance("coinbase", "EUR");
    sleep(12 * SECOND).await;
    let second = upstreams.start_instance("coinbase", "EUR");
    sleep(MINUTE).await;
    assert!(first.leads() && !second.leads() && second.requests() == 0);
    first.interrupt(true);
    for _ in 0..60 {
        sleep(SECOND).await;
        assert!(!(first.leads() && second.leads()));
    }
    assert!(second.leads());
    let (requests, age) = (first.requests(), upstreams.record_age());
    assert!(age <= 16 * SECOND, "{age:?}");
    // The first instance stays a follower when its connection is back.
    first.interrupt(false);
    sleep(MINUTE).await;
    assert!(!first.leads() && second.leads());
    assert_eq!(first.requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn polling_stops_while_the_cache_is_unavailable_and_resumes_afterwards() {
    let upstreams = FakeUpstreams::new();
    let instance = upstreams.start_instance("coinbase", "EUR");
    sleep(20 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "EUR");
    instance.interrupt(true);
    sleep(MINUTE).await;
    let requests = instance.requests();
    assert!(!instance.leads());
    // The sources are not polled, so only price-cache-proxy is reported.
    let [cache] = &instance.updater.components()[..] else { panic!("{:?}", instance.updater.components()) };
    let detail = cache.detail.as_deref().unwrap();
    assert!(!cache.ready && cache.name == "price-cache", "{cache:?}");
    assert!(detail.ends_with("cannot be acquired: the fake sent an invalid response: interrupted"), "{detail}");
    sleep(10 * MINUTE).await;
    assert_eq!(instance.requests(), requests);
    instance.interrupt(false);
    sleep(6 * SECOND).await;
    assert!(instance.leads() && upstreams.fresh_currencies() == "EUR" && upstreams.record_age() <= 6 * SECOND);
    assert!(instance.updater.components()[0].ready);
}

#[tokio::test(start_paused = true)]
async fn next_instance_respects_the_backoff_that_a_source_requested() {
    let upstreams = FakeUpstreams::new();
    let first = upstreams.start_instance("coinbase", "EUR");
    first.sources.coinbase_limits_requests.store(true, Ordering::SeqCst);
    sleep(20 * SECOND).await;
    assert!(first.leads() && first.requests() > 0);
    drop(first);
    // One instance takes over immediately, and another instance a minute later.
    for seconds in [60, 400] {
        let next = upstreams.start_instance("coinbase", "EUR");
        sleep(seconds * SECOND).await;
        assert!(next.leads());
        assert_eq!((next.requests(), next.updater.report().sources[0].budget_left), (0, 0), "after {seconds} s");
    }
    let last = upstreams.start_instance("coinbase", "EUR");
    sleep(150 * SECOND).await;
    assert!(last.leads() && last.requests() > 0 && upstreams.fresh_currencies() == "EUR");
}

#[tokio::test(start_paused = true)]
async fn unchanged_courses_are_sent_again_every_few_minutes() {
    let upstreams = FakeUpstreams::new();
    let _instance = upstreams.start_instance("coinbase", "EUR");
    sleep(4 * MINUTE).await;
    let written = upstreams.courses_written.load(Ordering::SeqCst);
    assert!(written > 0);
    sleep(2 * MINUTE).await;
    assert_eq!(upstreams.courses_written.load(Ordering::SeqCst), 2 * written);
}
