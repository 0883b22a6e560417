//! Hours in which exchanges fail, in a time that is told to go: all that an order's price depends on runs in this process,
//! from the simulated exchanges through price-updater and price-cache-proxy's store to the prices of create-order.
//!
//! Every second an order is priced, and what it would pay is held against what the simulated market says.

mod in_process_cache;
pub mod scenarios;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{
    api::{
        courses::{MarketSnapshot, Method},
        prices::{PriceRecord, PriceState},
        sources::SourcesReport,
    },
    config::{Env, Secret},
    metrics::Metrics,
    money::{Asset, Currency, CurrencyPair, Rate},
    time::{Clock, Timestamp},
};
use create_order::PriceReader;
use exchange_sim::{Simulation, TimedFault};
use price_updater::{InProcess, Updater};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::simulated_exchanges;
use in_process_cache::Desk;

/// When everything has to be there after the start.
pub const WARM_UP: Duration = Duration::from_secs(30);
const CURRENCIES: [Currency; 3] = [Currency::EUR, Currency::GBP, Currency::USD];
/// From one time that sources are asked to the next, as it is by default.
const SLOT: Duration = Duration::from_secs(5);
/// How long a slot waits for sources that do not answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// The oldest that a record gets while enough exchanges are sound: a round of 15 s, and two slots for what it is made of.
const OLDEST: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(60);
const PROLONG: Duration = Duration::from_hours(1);
/// How far a price may be from what the market did around it, in millionths.
const TOLERANCE: i128 = 1_000;
/// The same where an official rate is a part of it: such rates agree within 2 %, and are of another day.
const TOLERANCE_OF_FIXINGS: i128 = 30_000;
/// How much further back than its `as_of` a price may have been made: websockets prove for so long that nothing changed.
const LOOK_BACK: Duration = Duration::from_secs(30);
/// Violations that are told in full.
const TOLD: usize = 20;

/// What happens.
pub struct Plan {
    pub seed: u64,
    pub timeline: Vec<TimedFault>,
    pub length: Duration,
    /// Whether the exchanges with websockets are listened to, or polled as the others.
    pub websockets: bool,
    /// How many exchanges fail at once at most, where enough are sound all the time: then there is a fresh price all the
    /// time.
    pub failing: Option<usize>,
    /// How often price-updater starts anew.
    pub restart_every: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Seconds in which an order was priced, of them at a prolonged price, and seconds in which there was no price.
    pub priced: u64,
    pub prolonged: u64,
    pub unpriced: u64,
    /// The oldest record that an order was priced with.
    pub oldest: Duration,
    pub calls: u64,
    /// Each way in which an exchange failed and that price-updater took notice of.
    pub noticed: BTreeSet<(String, &'static str)>,
    pub violations: u64,
    /// The first of them.
    pub told: Vec<String>,
}

impl Report {
    fn wrong(&mut self, at: Timestamp, what: impl FnOnce() -> String) {
        self.violations += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("{at} {}", what()));
        }
    }

    pub fn summary(&self) -> String {
        format!(
            "{} s priced ({} s of them prolonged, the oldest price {} s old), {} s without a price, {} calls, {} faults noticed, {} violations",
            self.priced,
            self.prolonged,
            self.oldest.as_secs(),
            self.unpriced,
            self.calls,
            self.noticed.len(),
            self.violations
        )
    }
}

/// Runs a plan. Has to run on a runtime of one thread whose time is paused.
pub async fn run(plan: &Plan) -> Report {
    let panics = panics();
    let before = panics.load(Ordering::SeqCst);
    let mut scene = Scene::new(plan);
    let start = Instant::now();
    // Between the full seconds at which everything else happens.
    let offset = Duration::from_millis(500);
    for second in 0..plan.length.as_secs() {
        sleep_until(start + Duration::from_secs(second) + offset).await;
        if plan.restart_every.is_some_and(|every| second > 0 && second.is_multiple_of(every.as_secs())) {
            scene.restart().await;
        }
        scene.look(second >= WARM_UP.as_secs()).await;
    }
    let mut report = scene.end().await;
    for _ in before..panics.load(Ordering::SeqCst) {
        report.wrong(Timestamp::now(), || "something panicked; the message is above".to_owned());
    }
    report
}

/// How often anything panicked in this process: a source that does is caught, and must not go unseen.
fn panics() -> &'static AtomicU64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(panic);
        }));
    });
    &PANICS
}

struct Scene<'a> {
    plan: &'a Plan,
    clock: Clock,
    world: Simulation,
    config: price_updater::Config,
    desk: Arc<Desk>,
    prices: PriceReader,
    watching: (CancellationToken, JoinHandle<()>),
    updater: Arc<Updater>,
    updating: (CancellationToken, JoinHandle<()>),
    /// The board that was looked at last, and when one last had a price of each direction that orders use.
    board: Option<Timestamp>,
    on_board: BTreeMap<CurrencyPair, Timestamp>,
    report: Report,
}

impl<'a> Scene<'a> {
    fn new(plan: &'a Plan) -> Self {
        // On a Saturday afternoon, when no bank fixes anything.
        let clock = Clock::starting_at("2026-01-03T12:00:00Z".parse().unwrap());
        let (endpoint, world) = exchange_sim::endpoint(&exchange_sim::Config {
            internal_token: Secret::random(),
            seed: plan.seed,
            timeline: plan.timeline.clone(),
            enforce_call_limits: true,
            clock,
        });
        let mut config = settings(plan.websockets);
        config.clock = clock;
        config.transport = Some(Arc::new(InProcess::new(endpoint)));
        config.connector = Some(Arc::new(simulated_exchanges::InProcess(world.clone())));

        let desk = Arc::new(Desk::new(clock));
        let prices = PriceReader::with_source(desk.clone(), None, clock);
        let stop = CancellationToken::new();
        let watching = tokio::spawn(prices.clone().keep_fresh(stop.clone()));
        let (updater, updating) = start(&config, &desk);
        Self {
            plan,
            clock,
            world,
            config,
            desk,
            prices,
            watching: (stop, watching),
            updater,
            updating,
            board: None,
            on_board: BTreeMap::new(),
            report: Report::default(),
        }
    }

    async fn restart(&mut self) {
        self.updating.0.cancel();
        (&mut self.updating.1).await.unwrap();
        (self.updater, self.updating) = start(&self.config, &self.desk);
    }

    /// Prices an order, and looks at all there is to see.
    async fn look(&mut self, warm: bool) {
        let now = self.clock.now();
        match self.prices.current_record().await {
            Ok(record) => {
                self.report.priced += 1;
                self.check_record(record.value(), now, warm);
            }
            Err(why) => {
                self.report.unpriced += 1;
                if warm && self.plan.failing.is_some() {
                    self.report.wrong(now, || format!("no order can be priced: {why}"));
                }
            }
        }
        self.check_board(now, warm);
        self.take_notice(&self.updater.report());
        for wrong in self.desk.wrong() {
            self.report.wrong(now, || wrong);
        }
    }

    fn check_record(&mut self, record: &PriceRecord, now: Timestamp, warm: bool) {
        let age = now.since(record.as_of);
        let fresh = record.state == PriceState::Fresh;
        self.report.prolonged += u64::from(!fresh);
        self.report.oldest = self.report.oldest.max(age);
        if !record.is_current(now) || record.as_of > now || age >= if fresh { TTL } else { PROLONG } {
            self.report
                .wrong(now, || format!("an order pays by a record of {} in state {:?}", record.as_of, record.state));
        }
        if !record.simulated {
            self.report.wrong(now, || "the record does not say that it is simulated".to_owned());
        }
        let whole = CURRENCIES.iter().all(|currency| record.prices.contains_key(currency));
        if warm && self.plan.failing.is_some() && !(fresh && whole && age <= OLDEST) {
            let told: Vec<_> = record.prices.keys().map(ToString::to_string).collect();
            let state = record.state;
            self.report.wrong(now, || format!("the record is {state:?}, {age:?} old, of {}", told.join(", ")));
        }
        for (&currency, price) in &record.prices {
            let direction = CurrencyPair::new(Asset::BTC, currency.into());
            self.check_price(direction, price.price, (record.as_of, TOLERANCE), now, "an order pays");
        }
    }

    fn check_board(&mut self, now: Timestamp, warm: bool) {
        if let Some(board) = self.desk.board().filter(|board| self.board != Some(board.value().as_of)) {
            self.board = Some(board.value().as_of);
            self.check_prices(board.value(), now);
        }
        if !(warm && self.plan.failing.is_some()) {
            return;
        }
        // One slot without a price, and the patience of the next.
        let longest = SLOT * 2 + PATIENCE + Duration::from_secs(1);
        for (direction, told) in std::mem::take(&mut self.on_board) {
            if now.since(told) > longest {
                self.report.wrong(now, || format!("{direction} has no price on the board since {told}"));
            }
            self.on_board.insert(direction, told);
        }
        if self.on_board.len() < CURRENCIES.len() {
            self.report.wrong(now, || "a direction was never priced".to_owned());
        }
    }

    fn check_prices(&mut self, board: &MarketSnapshot, now: Timestamp) {
        for agreed in &board.prices {
            let (Some(price), Some(as_of)) = (agreed.price, agreed.as_of) else { continue };
            let ours =
                CURRENCIES.iter().any(|&currency| agreed.direction == CurrencyPair::new(Asset::BTC, currency.into()));
            if ours {
                self.on_board.insert(agreed.direction, board.as_of);
            }
            let tolerance = if agreed.method == Method::Cross { TOLERANCE_OF_FIXINGS } else { TOLERANCE };
            // Where half of those who tell a price may lie, nobody can say which half is right.
            let votes = agreed.votes.iter().filter(|vote| vote.vote.is_some()).count();
            if ours || agreed.method == Method::Cross || votes > 2 * self.plan.failing.unwrap_or(votes) {
                self.check_price(agreed.direction, price, (as_of, tolerance), now, "the board says");
            }
        }
    }

    /// Holds a price against all that the market said around the time it is of.
    fn check_price(
        &mut self,
        direction: CurrencyPair,
        price: Rate,
        (as_of, tolerance): (Timestamp, i128),
        now: Timestamp,
        who: &str,
    ) {
        let first = as_of.minus(LOOK_BACK);
        let seconds = (LOOK_BACK + SLOT).as_secs();
        let market = (0..=seconds).step_by(5).map(|second| first.plus(Duration::from_secs(second)));
        let market = market.filter_map(|at| self.world.price(direction, at)).map(Rate::hundred_millionths);
        let (low, high) = market.fold((i64::MAX, 0), |(low, high), price| (low.min(price), high.max(price)));
        let price = i128::from(price.hundred_millionths()) * 1_000_000;
        let within = i128::from(low) * (1_000_000 - tolerance)..=i128::from(high) * (1_000_000 + tolerance);
        if !within.contains(&price) {
            let (price, low) = (price / 100_000_000_000_000, low / 100_000_000);
            self.report
                .wrong(now, || format!("{who} {price} for {direction} as of {as_of}, where the market says {low}"));
        }
    }

    fn take_notice(&mut self, told: &SourcesReport) {
        for fault in self.world.faults() {
            let Some(source) = told.sources.iter().find(|source| source.name == fault.exchange) else { continue };
            let working = source.state == common::api::sources::SourceState::Working;
            if !working || !source.errors.is_empty() || !source.rejected_votes.is_empty() {
                self.report.noticed.insert((fault.exchange, fault.fault.as_str()));
            }
        }
    }

    async fn end(mut self) -> Report {
        for (stop, task) in [self.updating, self.watching] {
            stop.cancel();
            task.await.unwrap();
        }
        let now = self.clock.now();
        for calls in self.world.calls() {
            self.report.calls += calls.calls;
            if calls.inside_announced_ban > 0 {
                self.report.wrong(now, || format!("calls inside an announced time: {calls:?}"));
            }
        }
        self.report
    }
}

fn start(config: &price_updater::Config, desk: &Arc<Desk>) -> (Arc<Updater>, (CancellationToken, JoinHandle<()>)) {
    let updater = Arc::new(Updater::new(config.clone(), desk.clone(), &Metrics::new("price-updater")));
    let stop = CancellationToken::new();
    let running = (updater.clone(), stop.clone());
    let task = tokio::spawn(async move { running.0.run(&running.1).await });
    (updater, (stop, task))
}

/// The defaults, with every source at the simulated exchanges.
fn settings(websockets: bool) -> price_updater::Config {
    let polled = price_updater::url_variables()
        .map(|(name, variable)| (variable.to_owned(), format!("http://exchanges/{name}")));
    let pushed = price_updater::websocket_variables().map(|(name, variable)| {
        let url = if websockets { format!("ws://exchanges/{name}/ws") } else { "off".to_owned() };
        (variable.to_owned(), url)
    });
    // A simulated record is gone on with after a restart only where simulation is wanted.
    let others = [("INTERNAL_TOKEN", "a token of the tests"), ("SIMULATED", "true")];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut env = Env::from_pairs(polled.chain(pushed).chain(others));
    let config = price_updater::Config::read(&mut env);
    env.finish().unwrap();
    config
}
