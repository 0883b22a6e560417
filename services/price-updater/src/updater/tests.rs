//! Minutes of slots and rounds between exchanges and a cache that are played here, in a time that is told to go.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{
    api::{
        courses::{CoursesWritten, Method, NewCourses},
        leases::Lease,
        prices::{PriceRecord, PriceState},
    },
    clients::CallError,
    config::Env,
    money::{Asset, Currency, CurrencyPair},
    time::Clock,
};
use poem::{Request, Response, endpoint::make};
use tokio::time::sleep;

use super::*;
use crate::sources::InProcess;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// price-cache-proxy and db-proxy.
struct Desk {
    clock: Clock,
    kept: Mutex<Option<PriceRecord>>,
    board: Mutex<Option<MarketSnapshot>>,
    leases: Mutex<BTreeMap<String, (String, Instant)>>,
    written: AtomicUsize,
}

/// One instance's way to it.
struct Link {
    desk: Arc<Desk>,
    cut: AtomicBool,
}

impl Link {
    fn check(&self) -> Result<&Desk, CallError> {
        let away = || CallError::InvalidResponse("the desk", "away".to_owned());
        if self.cut.load(Ordering::SeqCst) { Err(away()) } else { Ok(&self.desk) }
    }
}

#[async_trait]
impl Upstreams for Link {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        let desk = self.check()?;
        let kept = desk.kept.lock().unwrap().clone();
        Ok(kept.filter(|record| record.is_current(desk.clock.now())))
    }

    async fn write_record(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
        _: Duration,
    ) -> Result<PriceRecord, CallError> {
        let desk = self.check()?;
        let kept = record.clone().into_record(ttl, desk.clock.now()).unwrap();
        *desk.kept.lock().unwrap() = Some(kept.clone());
        Ok(kept)
    }

    async fn write_snapshot(&self, board: &MarketSnapshot) -> Result<(), CallError> {
        *self.check()?.board.lock().unwrap() = Some(board.clone());
        Ok(())
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.desk.written.fetch_add(courses.courses.len(), Ordering::SeqCst);
        Ok(CoursesWritten { changed: 0 })
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let desk = self.check()?;
        let (mut leases, now) = (desk.leases.lock().unwrap(), Instant::now());
        let held = leases.get(name).filter(|(by, end)| by != holder && now < *end);
        let (holder, end) = held.cloned().unwrap_or_else(|| (holder.to_owned(), now + ttl));
        leases.insert(name.to_owned(), (holder.clone(), end));
        Ok(Lease { name: name.to_owned(), holder, expires_at: desk.clock.now().plus(end - now) })
    }
}

/// What is asked outside, and what is answered.
#[derive(Default)]
struct World {
    asked: AtomicUsize,
    coinbase_refuses: AtomicBool,
}

impl World {
    fn answer(&self, request: &Request) -> Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = match request.uri().path() {
            path if path.starts_with("/coinbase") && self.coinbase_refuses.load(Ordering::SeqCst) => {
                return Response::builder()
                    .status(poem::http::StatusCode::TOO_MANY_REQUESTS)
                    .header("retry-after", "600")
                    .finish();
            }
            "/coinbase/products/BTC-EUR/ticker" => (200, r#"{"price":"84000","bid":"84000","ask":"84000"}"#),
            "/coinbase/products/BTC-USD/ticker" => (200, r#"{"price":"91000","bid":"91000","ask":"91000"}"#),
            "/index/ticker" => (200, r#"{"CHF":{"last":79000},"RUB":{"last":8200000}}"#),
            "/frankfurter/v2/rates" => (200, r#"[{"date":"2026-01-02","base":"USD","quote":"RUB","rate":90}]"#),
            _ => (404, r#"{"message":"NotFound"}"#),
        };
        Response::builder().status(poem::http::StatusCode::from_u16(status).unwrap()).body(body)
    }
}

struct Instance {
    updater: Arc<Updater>,
    link: Arc<Link>,
    world: Arc<World>,
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

    fn asked(&self) -> usize {
        self.world.asked.load(Ordering::SeqCst)
    }

    fn cut(&self, cut: bool) {
        self.link.cut.store(cut, Ordering::SeqCst);
    }
}

impl Desk {
    fn new() -> Arc<Self> {
        let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
        let (kept, board, leases) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { clock, kept, board, leases, written: AtomicUsize::new(0) })
    }

    fn start(self: &Arc<Self>, sources: &str, currencies: &str) -> Instance {
        let mut env = Env::from_pairs([
            ("INTERNAL_TOKEN", "a token of the tests"),
            ("PRICE_SOURCES", sources),
            ("CURRENCIES", currencies),
            ("COINBASE_URL", "http://world/coinbase"),
            ("BLOCKCHAIN_INFO_URL", "http://world/index"),
            ("FRANKFURTER_URL", "http://world/frankfurter"),
        ]);
        let mut config = Config::read(&mut env);
        env.finish().unwrap();
        let world = Arc::new(World::default());
        let outside = world.clone();
        let outside = make(move |request| {
            let outside = outside.clone();
            async move {
                sleep(Duration::from_millis(300)).await;
                outside.answer(&request)
            }
        });
        config.clock = self.clock;
        config.transport = Some(Arc::new(InProcess::new(outside)));
        let link = Arc::new(Link { desk: self.clone(), cut: AtomicBool::new(false) });
        let updater = Arc::new(Updater::new(config, link.clone(), &Metrics::new("price-updater")));
        let (run, stop) = (updater.clone(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move { run.run(&stopped).await });
        Instance { updater, link, world, stop }
    }

    /// The currencies of the record that may be used now; nothing where there is none that is fresh.
    fn record(&self) -> String {
        let kept = self.kept.lock().unwrap();
        let current =
            kept.iter().filter(|record| record.state == PriceState::Fresh && record.is_current(self.clock.now()));
        current.flat_map(|record| record.prices.keys().map(ToString::to_string)).collect::<Vec<_>>().join(" ")
    }

    /// How old it is.
    fn age(&self) -> Duration {
        self.clock.now().since(self.kept.lock().unwrap().as_ref().unwrap().as_of)
    }

    /// How the price of a bitcoin in `currency` is made, where there is one.
    fn method(&self, currency: &str) -> Option<Method> {
        let at = CurrencyPair::new(Asset::BTC, currency.parse::<Currency>().unwrap().into());
        let board = self.board.lock().unwrap();
        board
            .as_ref()?
            .prices
            .iter()
            .find(|price| price.direction == at && price.price.is_some())
            .map(|price| price.method)
    }
}

/// Looks at every second of ten minutes.
async fn at_every_second(check: impl Fn(u64)) {
    sleep(Duration::from_millis(1900)).await;
    for second in 0..600 {
        sleep(SECOND).await;
        check(second);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_index_alone_tells_comes_and_goes_neither_alone_nor_beside_others() {
    for (sources, currencies, told) in
        [("blockchain_info", "CHF", "CHF"), ("coinbase,blockchain_info", "CHF,EUR", "CHF EUR")]
    {
        let desk = Desk::new();
        let instance = desk.start(sources, currencies);
        at_every_second(|second| {
            assert_eq!(desk.record(), told, "{second} s");
            assert_eq!(desk.method("CHF"), Some(Method::Median), "{second} s");
        })
        .await;
        assert!(instance.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn roubles_are_computed_all_the_time_and_age_no_other() {
    let desk = Desk::new();
    let _instance = desk.start("coinbase,blockchain_info,frankfurter", "EUR,RUB");
    at_every_second(|second| {
        assert_eq!(desk.record(), "EUR RUB", "{second} s");
        assert_eq!(desk.method("RUB"), Some(Method::Cross), "{second} s");
        assert!(desk.age() <= 16 * SECOND, "{second} s");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_the_lease_stops_before_another_takes_it() {
    let desk = Desk::new();
    let first = desk.start("coinbase", "EUR");
    sleep(12 * SECOND).await;
    let second = desk.start("coinbase", "EUR");
    sleep(MINUTE).await;
    assert!(first.leads() && !second.leads() && second.asked() == 0);
    first.cut(true);
    for _ in 0..60 {
        sleep(SECOND).await;
        assert!(!(first.leads() && second.leads()));
    }
    assert!(second.leads());
    let (before, age) = (first.asked(), desk.age());
    assert!(age <= 16 * SECOND, "{age:?}");
    // It stands by also when it is back.
    first.cut(false);
    sleep(MINUTE).await;
    assert!(!first.leads() && second.leads());
    assert_eq!(first.asked(), before);
}

#[tokio::test(start_paused = true)]
async fn while_the_cache_is_away_nobody_asks_and_when_it_is_back_there_is_a_price_at_once() {
    let desk = Desk::new();
    let instance = desk.start("coinbase", "EUR");
    sleep(20 * SECOND).await;
    assert_eq!(desk.record(), "EUR");
    instance.cut(true);
    sleep(MINUTE).await;
    let asked = instance.asked();
    assert!(!instance.leads() && !instance.updater.parts()[0].ready);
    sleep(10 * MINUTE).await;
    assert_eq!(instance.asked(), asked);
    instance.cut(false);
    sleep(6 * SECOND).await;
    assert!(instance.leads() && desk.record() == "EUR" && desk.age() <= 6 * SECOND);
    assert!(instance.updater.parts()[0].ready);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_wants_to_be_left_alone_is_so_by_whoever_comes_next() {
    let desk = Desk::new();
    let first = desk.start("coinbase", "EUR");
    first.world.coinbase_refuses.store(true, Ordering::SeqCst);
    sleep(20 * SECOND).await;
    assert!(first.leads() && first.asked() > 0);
    drop(first);
    // One that takes over, and one that is started much later.
    for seconds in [60, 400] {
        let next = desk.start("coinbase", "EUR");
        sleep(seconds * SECOND).await;
        assert!(next.leads());
        assert_eq!((next.asked(), next.updater.report().sources[0].budget_left), (0, 0), "after {seconds} s");
    }
    let last = desk.start("coinbase", "EUR");
    sleep(150 * SECOND).await;
    assert!(last.leads() && last.asked() > 0 && desk.record() == "EUR");
}

#[tokio::test(start_paused = true)]
async fn courses_are_handed_over_again_every_few_minutes() {
    let desk = Desk::new();
    let _instance = desk.start("coinbase", "EUR");
    sleep(4 * MINUTE).await;
    let written = desk.written.load(Ordering::SeqCst);
    assert!(written > 0);
    sleep(2 * MINUTE).await;
    assert_eq!(desk.written.load(Ordering::SeqCst), 2 * written);
}
