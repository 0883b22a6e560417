//! Tests of the pool with fake sources. A *course* is the last price of one pair at one source.

use std::{
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    api::{health::Component, sources::SourceState},
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
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The time at which the virtual clock starts.
const START: &str = "2026-01-02T03:04:05Z";
/// The day of the rates of a fake bank.
const OFFICIAL_DAY: &str = "2025-12-24";

/// How a fake source behaves.
struct Behavior {
    /// How long an answer takes, in milliseconds. A negative number means that the source never answers.
    latency: AtomicI64,
    error: Mutex<Option<SourceError>>,
    /// How often the source was polled.
    polls: AtomicUsize,
}

struct FakeSource {
    name: &'static str,
    kind: CourseKind,
    poll_interval: Duration,
    behavior: Arc<Behavior>,
}

#[async_trait]
impl Source for FakeSource {
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
        self.poll_interval
    }

    fn budget_left(&self) -> u32 {
        3
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        self.behavior.polls.fetch_add(1, Ordering::SeqCst);
        match u64::try_from(self.behavior.latency.load(Ordering::SeqCst)) {
            Ok(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Err(_) => std::future::pending().await,
        }
        if let Some(error) = self.behavior.error.lock().unwrap().clone() {
            return Err(error);
        }
        let prices = TradedPrices { last: Some(&"84000.12".into()), bid: None, ask: None };
        let ticker = Ticker::traded(&prices, request.now)?;
        let official_day = (self.kind == CourseKind::Fixing).then(|| OFFICIAL_DAY.parse().unwrap());
        let ticker = Ticker { kind: self.kind, official_day, ..ticker };
        Ok(PollReply { tickers: [(BTC_EUR[0], ticker)].into(), ..PollReply::default() })
    }
}

/// A pool of fake sources that is polled every five seconds.
struct TestPool {
    pool: SourcePool,
    behaviors: Vec<Arc<Behavior>>,
    polls: JoinSet<&'static str>,
    due: Instant,
    metrics: Metrics,
}

impl TestPool {
    /// A pool of exchanges, each with its name and its latency in milliseconds.
    fn of_exchanges(exchanges: &[(&'static str, i64)]) -> Self {
        let exchange = |&(name, latency): &(&'static str, i64)| (name, latency, CourseKind::Trade, SECOND);
        Self::new(&exchanges.iter().map(exchange).collect::<Vec<_>>())
    }

    fn new(sources: &[(&'static str, i64, CourseKind, Duration)]) -> Self {
        let mut behaviors = Vec::new();
        let fakes = sources.iter().map(|&(name, latency, kind, poll_interval)| {
            let behavior = Arc::new(Behavior { latency: latency.into(), error: Mutex::default(), polls: 0.into() });
            behaviors.push(behavior.clone());
            Box::new(FakeSource { name, kind, poll_interval, behavior }) as Box<dyn Source>
        });
        let config = PollConfig {
            clock: Clock::starting_at(START.parse().unwrap()),
            poll_interval: POLL_INTERVAL,
            timeout: SECOND * 5,
            max_trade_age: SECOND * 60,
            frozen_after: SECOND * 60,
            min_voters: 1,
            simulated: false,
        };
        let metrics = Metrics::new("price-updater");
        let pool = SourcePool::new(fakes.collect(), sources.len(), config, UpdaterMetrics::register(&metrics));
        Self { pool, behaviors, polls: JoinSet::new(), due: Instant::now(), metrics }
    }

    /// Polls once. Returns the sources with eligible votes, and the duration of the poll in milliseconds.
    async fn poll(&mut self) -> (String, u128) {
        tokio::time::sleep_until(self.due).await;
        let due = self.due;
        self.pool.poll(&mut self.polls, due).await;
        let millis = due.elapsed().as_millis();
        self.due += POLL_INTERVAL;
        let votes = self.pool.votes(due);
        let eligible = votes.iter().filter(|vote| vote.ineligible.is_none()).map(|vote| vote.source);
        (eligible.collect::<Vec<_>>().join(","), millis)
    }

    fn select(&self, source: &str) {
        self.pool.active_sources().select(&[source.to_owned()]).unwrap();
    }

    fn set_error(&self, index: usize, error: Option<SourceError>) {
        *self.behaviors[index].error.lock().unwrap() = error;
    }

    fn poll_count(&self, index: usize) -> usize {
        self.behaviors[index].polls.load(Ordering::SeqCst)
    }

    fn now(&self) -> Timestamp {
        self.pool.config.clock.now()
    }

    fn state(&self, index: usize) -> SourceState {
        self.pool.reports(self.now())[index].state
    }
}

fn voters_and_millis(names: &str, millis: u128) -> (String, u128) {
    (names.to_owned(), millis)
}

#[tokio::test(start_paused = true)]
async fn stalled_source_delays_only_one_poll() {
    let mut test = TestPool::of_exchanges(&[("slow", 1000), ("slower", 2000), ("stalled", -1)]);
    assert_eq!(test.poll().await, voters_and_millis("slow,slower", 4000));
    assert_eq!(test.poll().await, voters_and_millis("slow,slower", 2000));
    let components = test.pool.components();
    let ready: Vec<_> =
        components.iter().filter(|component| component.ready).map(|component| component.name.as_str()).collect();
    assert_eq!(ready, ["source:slow", "source:slower", "sources"]);
    assert!(components.iter().all(|component| component.optional == component.name.starts_with("source:")));
    // The source answers again, and the pool waits for it again.
    test.behaviors[2].latency.store(100, Ordering::SeqCst);
    test.poll().await;
    test.poll().await;
    assert_eq!(test.poll().await, voters_and_millis("slow,slower,stalled", 2000));
}

#[tokio::test(start_paused = true)]
async fn late_answer_counts_in_the_next_poll() {
    let mut test = TestPool::of_exchanges(&[("quick", 10), ("late", 4500)]);
    assert_eq!(test.poll().await, voters_and_millis("quick", 4000));
    assert_eq!(test.poll().await, voters_and_millis("quick,late", 10));
}

#[tokio::test(start_paused = true)]
async fn source_is_polled_no_more_often_than_its_interval_permits() {
    let mut test = TestPool::new(&[
        ("exchange", 10, CourseKind::Trade, SECOND * 5),
        ("index", 10, CourseKind::Index, SECOND * 60),
        ("bank", 10, CourseKind::Fixing, SECOND * 3600),
    ]);
    for _ in 0..24 {
        assert_eq!(test.poll().await.0, "exchange,index,bank");
    }
    assert_eq!([0, 1, 2].map(|index| test.poll_count(index)), [24, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn ticker_from_before_the_clock_was_set_back_does_not_vote() {
    let mut test = TestPool::new(&[
        ("exchange", 10, CourseKind::Trade, SECOND * 5),
        ("index", 10, CourseKind::Index, SECOND * 60),
    ]);
    assert_eq!(test.poll().await.0, "exchange,index");
    test.pool.config.clock.set(test.now().minus(Duration::from_hours(1)));
    // The index is polled again after a minute.
    for _ in 0..11 {
        assert_eq!(test.poll().await.0, "exchange");
        assert_eq!(test.pool.courses(test.due).len(), 1);
    }
    assert_eq!(test.poll().await.0, "exchange,index");
}

#[tokio::test(start_paused = true)]
async fn official_rate_of_an_unreachable_bank_expires_two_weeks_after_its_day() {
    let mut test =
        TestPool::new(&[("exchange", 10, CourseKind::Trade, SECOND), ("bank", 10, CourseKind::Fixing, SECOND * 3600)]);
    assert_eq!(test.poll().await.0, "exchange,bank");
    test.set_error(1, Some(SourceError::Status(520)));
    for (time, voters) in [("2026-01-06T23:59:50Z", "exchange,bank"), ("2026-01-07T00:00:10Z", "exchange")] {
        test.due = Instant::now() + time.parse::<Timestamp>().unwrap().since(test.now());
        assert_eq!(test.poll().await.0, voters, "{time}");
    }
}

#[tokio::test(start_paused = true)]
async fn failing_source_loses_its_vote_and_keeps_its_course() {
    let mut test = TestPool::of_exchanges(&[("a", 10), ("b", 10)]);
    test.poll().await;
    let after_first_poll = test.now();
    test.set_error(0, Some(SourceError::Status(520)));
    assert_eq!(test.poll().await.0, "a,b");
    assert_eq!(test.poll().await.0, "a,b");
    assert_eq!(test.poll().await.0, "b");
    let stale = test.pool.votes(test.due - POLL_INTERVAL)[0];
    assert_eq!((stale.source, stale.ineligible), ("a", Some(Rejection::Stale)));
    let report = test.pool.reports(test.now()).remove(0);
    assert_eq!((report.state, report.age_seconds, report.ok), (SourceState::Failing, Some(15), false));
    assert_eq!((report.errors[0].kind.as_str(), report.prices.len(), report.budget_left), ("status", 1, 3));
    assert!(report.since > after_first_poll && report.as_of < Some(after_first_poll));
    let courses = test.pool.courses(test.due);
    assert_eq!(courses.len(), 2);
    assert!(courses[0].observed_at < courses[1].observed_at);

    test.set_error(0, Some(SourceError::Paused(SECOND)));
    test.poll().await;
    assert_eq!(test.state(0), SourceState::Paused);
    test.set_error(0, None);
    assert_eq!(test.poll().await.0, "a,b");
    assert_eq!(test.state(0), SourceState::Working);
}

/// The required component `sources`.
fn sources_component(test: &TestPool) -> Component {
    test.pool.components().into_iter().find(|component| component.name == "sources").unwrap()
}

#[tokio::test(start_paused = true)]
async fn outage_of_all_sources_is_reported_with_a_remedy() {
    let mut test = TestPool::of_exchanges(&[("a", 10), ("b", 10)]);
    // Something responds at the address, so this machine has a connection.
    test.set_error(0, Some(SourceError::Unreachable("the connection was refused".to_owned())));
    test.set_error(1, Some(SourceError::Timeout));
    test.poll().await;
    let detail = sources_component(&test).detail.unwrap();
    let start = "no price source can be reached; for example, a cannot be reached: the connection was refused. ";
    assert!(detail.starts_with(start) && detail.contains("BINANCE_URL"), "{detail}");
    assert!(!detail.contains("seems to have no connection"), "{detail}");
    test.set_error(0, Some(SourceError::Unreachable("its host name is unknown".to_owned())));
    test.poll().await;
    let detail = sources_component(&test).detail.unwrap();
    for remedy in ["--demo", "PRICE_SOURCES", "HTTPS_PROXY"] {
        assert!(detail.contains(remedy), "{detail}");
    }
    // A source that answers, even with an error, was reached.
    test.set_error(1, Some(SourceError::Status(503)));
    test.poll().await;
    let detail = sources_component(&test).detail.unwrap();
    assert_eq!(detail, "no exchange and no index reports a price that is used");
    test.set_error(0, None);
    test.poll().await;
    assert!(sources_component(&test).ready);
}

#[tokio::test(start_paused = true)]
async fn only_active_sources_are_polled_and_vote() {
    let mut test = TestPool::of_exchanges(&[("a", 10), ("b", 10)]);
    test.select("b");
    assert_eq!(test.poll().await.0, "b");
    assert_eq!(test.poll_count(0), 0);
    assert_eq!((test.pool.reports(test.now()).len(), test.pool.exchange_count()), (1, 1));
    test.select("a");
    assert_eq!(test.poll().await.0, "a");
}

#[tokio::test(start_paused = true)]
async fn only_active_sources_have_gauges() {
    let mut test =
        TestPool::new(&[("exchange", 10, CourseKind::Trade, SECOND), ("bank", 10, CourseKind::Fixing, SECOND)]);
    let has_gauges = |test: &TestPool| {
        let all = test.metrics.encode();
        let gauges = ["price_source_as_of_seconds{", "price_source_budget_left{"];
        gauges.map(|gauge| {
            ["exchange", "bank"]
                .map(|source| all.lines().any(|line| line.contains(gauge) && line.contains(&format!("\"{source}\""))))
        })
    };
    test.poll().await;
    test.pool.record_votes(&MarketPrices::default(), test.now());
    assert_eq!(has_gauges(&test), [[true, true]; 2]);
    test.select("exchange");
    test.pool.record_votes(&MarketPrices::default(), test.now());
    assert_eq!(has_gauges(&test), [[true, false]; 2]);
    test.pool.clear_metrics();
    assert_eq!(has_gauges(&test), [[false, false]; 2]);
}
