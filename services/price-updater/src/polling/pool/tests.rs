use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use common::{
    api::sources::SourceState,
    metrics::Metrics,
    money::Asset,
    time::{Clock, Timestamp},
};

use super::*;
use crate::{
    pricing::MarketPrices,
    sources::{PollReply, SourceError, Ticker, TradedPrices},
};

const BTC_EUR: [CurrencyPair; 1] = [CurrencyPair::new(Asset::BTC, Asset::EUR)];
const SECOND: Duration = Duration::from_secs(1);

/// What the world outside does to one source.
struct World {
    /// How long an answer takes, in milliseconds; below zero it never comes.
    takes: AtomicI64,
    asked: AtomicUsize,
    error: Mutex<Option<SourceError>>,
}

struct Fake {
    name: &'static str,
    kind: CourseKind,
    period: Duration,
    world: Arc<World>,
}

#[async_trait]
impl Source for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> CourseKind {
        self.kind
    }

    fn pairs(&self) -> &[CurrencyPair] {
        &BTC_EUR
    }

    fn poll_interval(&self) -> Duration {
        self.period
    }

    fn budget_left(&self) -> u32 {
        3
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        self.world.asked.fetch_add(1, Ordering::SeqCst);
        match u64::try_from(self.world.takes.load(Ordering::SeqCst)) {
            Ok(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Err(_) => std::future::pending().await,
        }
        if let Some(error) = self.world.error.lock().unwrap().clone() {
            return Err(error);
        }
        let ticker =
            Ticker::traded(&TradedPrices { last: Some(&"84000.12".into()), bid: None, ask: None }, request.now)?;
        let ticker = Ticker { kind: self.kind, ..ticker };
        Ok(PollReply { tickers: [(BTC_EUR[0], ticker)].into(), ..PollReply::default() })
    }
}

/// A pool of sources that take so many milliseconds, and slots of five seconds.
struct Tested {
    pool: SourcePool,
    worlds: Vec<Arc<World>>,
    asked: JoinSet<&'static str>,
    slot: Instant,
    metrics: Metrics,
}

impl Tested {
    fn new(sources: &[(&'static str, i64)]) -> Self {
        Self::with(&sources.iter().map(|&(name, takes)| (name, takes, CourseKind::Trade, SECOND)).collect::<Vec<_>>())
    }

    fn with(sources: &[(&'static str, i64, CourseKind, Duration)]) -> Self {
        let mut worlds = Vec::new();
        let fakes = sources.iter().map(|&(name, takes, kind, period)| {
            let world = Arc::new(World { takes: takes.into(), asked: 0.into(), error: Mutex::default() });
            worlds.push(world.clone());
            Box::new(Fake { name, kind, period, world }) as Box<dyn Source>
        });
        let config = PollConfig {
            clock: Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap()),
            poll_interval: SECOND * 5,
            timeout: SECOND * 5,
            max_trade_age: SECOND * 60,
            frozen_after: SECOND * 60,
            min_voters: 1,
            simulated: false,
        };
        let metrics = Metrics::new("price-updater");
        let pool = SourcePool::new(fakes.collect(), sources.len(), config, UpdaterMetrics::register(&metrics));
        Self { pool, worlds, asked: JoinSet::new(), slot: Instant::now(), metrics }
    }

    /// One slot: who is listened to, and how many milliseconds it took.
    async fn slot(&mut self) -> (String, u128) {
        tokio::time::sleep_until(self.slot).await;
        let slot = self.slot;
        self.pool.poll(&mut self.asked, slot).await;
        let took = slot.elapsed().as_millis();
        self.slot += SECOND * 5;
        let votes = self.pool.votes(slot);
        let heard = votes.iter().filter(|vote| vote.ineligible.is_none()).map(|vote| vote.source);
        (heard.collect::<Vec<_>>().join(","), took)
    }

    fn now(&self) -> Timestamp {
        self.pool.config.clock.now()
    }

    fn state(&self, place: usize) -> SourceState {
        self.pool.reports(self.now())[place].state
    }
}

fn heard(names: &str, took: u128) -> (String, u128) {
    (names.to_owned(), took)
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_at_once_and_one_that_stalls_costs_its_own_voice_and_one_wait() {
    let mut tested = Tested::new(&[("slow", 1000), ("slower", 2000), ("stalled", -1)]);
    assert_eq!(tested.slot().await, heard("slow,slower", 4000));
    assert_eq!(tested.slot().await, heard("slow,slower", 2000));
    let parts = tested.pool.parts();
    let ready: Vec<_> = parts.iter().filter(|part| part.ready).map(|part| part.name.as_str()).collect();
    assert_eq!(ready, ["source:slow", "source:slower", "sources"]);
    assert!(parts.iter().all(|part| part.optional == part.name.starts_with("source:")));
    // It is back, and waited for again.
    tested.worlds[2].takes.store(100, Ordering::SeqCst);
    tested.slot().await;
    tested.slot().await;
    assert_eq!(tested.slot().await, heard("slow,slower,stalled", 2000));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_its_slot_counts_in_the_next() {
    let mut tested = Tested::new(&[("quick", 10), ("late", 4500)]);
    assert_eq!(tested.slot().await, heard("quick", 4000));
    assert_eq!(tested.slot().await, heard("quick,late", 10));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_more_often_than_its_period() {
    let mut tested = Tested::with(&[
        ("exchange", 10, CourseKind::Trade, SECOND * 5),
        ("index", 10, CourseKind::Index, SECOND * 60),
        ("bank", 10, CourseKind::Fixing, SECOND * 3600),
    ]);
    for _ in 0..24 {
        assert_eq!(tested.slot().await.0, "exchange,index,bank");
    }
    let asked: Vec<_> = tested.worlds.iter().map(|world| world.asked.load(Ordering::SeqCst)).collect();
    assert_eq!(asked, [24, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_ask_may_fail_and_a_second_costs_the_voice_while_its_course_stays_to_be_seen() {
    let mut tested = Tested::new(&[("a", 10), ("b", 10)]);
    tested.slot().await;
    let first = tested.now();
    *tested.worlds[0].error.lock().unwrap() = Some(SourceError::Status(520));
    assert_eq!(tested.slot().await.0, "a,b");
    assert_eq!(tested.slot().await.0, "a,b");
    assert_eq!(tested.slot().await.0, "b");
    let stale = tested.pool.votes(tested.slot - SECOND * 5)[0];
    assert_eq!((stale.source, stale.ineligible), ("a", Some(Rejection::Stale)));
    let report = tested.pool.reports(tested.now()).remove(0);
    assert_eq!((report.state, report.age_seconds, report.ok), (SourceState::Failing, Some(15), false));
    assert_eq!((report.errors[0].kind.as_str(), report.prices.len(), report.budget_left), ("status", 1, 3));
    assert!(report.since > first && report.as_of < Some(first));
    let courses = tested.pool.courses(tested.slot);
    assert_eq!(courses.len(), 2);
    assert!(courses[0].observed_at < courses[1].observed_at);

    *tested.worlds[0].error.lock().unwrap() = Some(SourceError::Paused(SECOND));
    tested.slot().await;
    assert_eq!(tested.state(0), SourceState::Paused);
    *tested.worlds[0].error.lock().unwrap() = None;
    assert_eq!(tested.slot().await.0, "a,b");
    assert_eq!(tested.state(0), SourceState::Working);
}

#[tokio::test(start_paused = true)]
async fn only_those_that_are_switched_on_are_asked_and_heard() {
    let mut tested = Tested::new(&[("a", 10), ("b", 10)]);
    tested.pool.active_sources().switch(&["b".to_owned()]).unwrap();
    assert_eq!(tested.slot().await.0, "b");
    assert_eq!(tested.worlds[0].asked.load(Ordering::SeqCst), 0);
    assert_eq!((tested.pool.reports(tested.now()).len(), tested.pool.exchange_count()), (1, 1));
    tested.pool.active_sources().switch(&["a".to_owned()]).unwrap();
    assert_eq!(tested.slot().await.0, "a");
}

#[tokio::test(start_paused = true)]
async fn every_source_that_is_asked_is_measured_and_no_other() {
    let mut tested =
        Tested::with(&[("exchange", 10, CourseKind::Trade, SECOND), ("bank", 10, CourseKind::Fixing, SECOND)]);
    let measured = |tested: &Tested| {
        let all = tested.metrics.encode();
        let gauges = ["price_source_as_of_seconds{", "price_source_budget_left{"];
        gauges.map(|gauge| {
            ["exchange", "bank"]
                .map(|source| all.lines().any(|line| line.contains(gauge) && line.contains(&format!("\"{source}\""))))
        })
    };
    tested.slot().await;
    tested.pool.record_votes(&MarketPrices::default(), tested.now());
    assert_eq!(measured(&tested), [[true, true]; 2]);
    tested.pool.active_sources().switch(&["exchange".to_owned()]).unwrap();
    tested.pool.record_votes(&MarketPrices::default(), tested.now());
    assert_eq!(measured(&tested), [[true, false]; 2]);
    tested.pool.clear_metrics();
    assert_eq!(measured(&tested), [[false, false]; 2]);
}
