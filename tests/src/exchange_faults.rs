//! Runs price-updater against simulated exchanges with faults, in virtual time. Everything that the price of an order
//! depends on runs in this process: the exchanges, price-updater, the store of price-cache-proxy, and create-order's
//! price reader. Every second, the prices that an order would use are compared with the simulated market.

mod in_process_upstreams;
mod price_checks;
pub mod scenarios;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{
    api::{
        prices::PriceRecord,
        sources::{SourceState, SourcesReport},
    },
    config::Env,
    metrics::Metrics,
    time::{Clock, Timestamp},
};
use create_order::PriceReader;
use exchange_sim::{MarketMove, Simulation, TimedFault};
use price_updater::{InProcess, Updater};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{in_process_upstreams::InProcessUpstreams, price_checks::PriceChecks};
use crate::simulated_exchanges;

/// The time after the start from which all prices must be available, if [`Plan::max_failing`] is set.
pub const WARM_UP: Duration = Duration::from_secs(30);
/// Maximum number of violations that a report contains in full.
const MAX_REPORTED: usize = 20;

/// The faults and the settings of a run.
pub struct Plan {
    pub seed: u64,
    pub timeline: Vec<TimedFault>,
    pub market: Vec<MarketMove>,
    pub length: Duration,
    /// Whether price-updater uses the WebSocket of each exchange that has one. Otherwise it polls every exchange.
    pub websockets: bool,
    /// The maximum number of exchanges that fail at the same time. If it is set, a fresh price of every currency is
    /// required at all times after [`WARM_UP`]. `None` if every exchange may fail.
    pub max_failing: Option<usize>,
    /// How often price-updater is restarted.
    pub restart_every: Option<Duration>,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Seconds in which an order could be priced.
    pub priced_seconds: u64,
    /// Seconds in which the price of a currency was prolonged. They are included in `priced_seconds`.
    pub prolonged_seconds: u64,
    /// Seconds without a price.
    pub unpriced_seconds: u64,
    /// The greatest age of a price that an order used.
    pub max_age: Duration,
    /// Calls to the exchanges.
    pub calls: u64,
    /// The detected faults: the exchange and the name of the fault.
    pub detected: BTreeSet<(String, &'static str)>,
    pub violations: u64,
    /// The first violations in full.
    pub messages: Vec<String>,
    /// The time, and the record that an order would use then, in each second of the run. `None` in a second without a
    /// record.
    pub records: Vec<Option<(Timestamp, PriceRecord)>>,
}

impl Report {
    fn record_violation(&mut self, at: Timestamp, message: impl FnOnce() -> String) {
        self.violations += 1;
        if self.messages.len() < MAX_REPORTED {
            self.messages.push(format!("{at} {}", message()));
        }
    }

    /// A summary in one line.
    pub fn summary(&self) -> String {
        format!(
            "{} s priced ({} s of them prolonged, the oldest price {} s old), {} s without a price, {} calls, {} faults detected, {} violations",
            self.priced_seconds,
            self.prolonged_seconds,
            self.max_age.as_secs(),
            self.unpriced_seconds,
            self.calls,
            self.detected.len(),
            self.violations
        )
    }
}

/// Runs a plan. Requires a single-threaded runtime whose time is paused.
pub async fn run(plan: &Plan) -> Report {
    let panics = panic_count();
    let before = panics.load(Ordering::SeqCst);
    let mut run = Run::start(plan);
    let start = Instant::now();
    // Polls and writes start at full seconds, so each check takes place half a second later.
    let offset = Duration::from_millis(500);
    for second in 0..plan.length.as_secs() {
        sleep_until(start + Duration::from_secs(second) + offset).await;
        if plan.restart_every.is_some_and(|every| second > 0 && second.is_multiple_of(every.as_secs())) {
            run.restart_updater().await;
        }
        run.check(second >= WARM_UP.as_secs()).await;
    }
    let mut report = run.finish().await;
    for _ in before..panics.load(Ordering::SeqCst) {
        report.record_violation(Timestamp::now(), || "a task panicked; its message was printed above".to_owned());
    }
    report
}

/// The number of panics of this process. price-updater catches the panic of a source, so a panic hook counts them.
fn panic_count() -> &'static AtomicU64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            default_hook(panic);
        }));
    });
    &PANICS
}

/// A background task and its stop signal.
struct RunningTask {
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl RunningTask {
    async fn stop(self) {
        self.stop.cancel();
        self.handle.await.unwrap();
    }
}

struct RunningUpdater {
    updater: Arc<Updater>,
    task: RunningTask,
}

impl RunningUpdater {
    fn start(config: &price_updater::Config, upstreams: &Arc<InProcessUpstreams>) -> Self {
        let updater = Arc::new(Updater::new(config.clone(), upstreams.clone(), &Metrics::new("price-updater")));
        let stop = CancellationToken::new();
        let (running, stopped) = (updater.clone(), stop.clone());
        let handle = tokio::spawn(async move { running.run(&stopped).await });
        Self { updater, task: RunningTask { stop, handle } }
    }
}

struct Run {
    clock: Clock,
    simulation: Simulation,
    config: price_updater::Config,
    upstreams: Arc<InProcessUpstreams>,
    prices: PriceReader,
    price_reader_task: RunningTask,
    /// `None` only during a restart.
    updater: Option<RunningUpdater>,
    checks: PriceChecks,
    report: Report,
}

impl Run {
    fn start(plan: &Plan) -> Self {
        // A Saturday afternoon, when no central bank publishes a rate.
        let clock = Clock::starting_at("2026-01-03T12:00:00Z".parse().unwrap());
        let (endpoint, simulation) = exchange_sim::endpoint(&exchange_sim::Config {
            accepted_callers: None,
            seed: plan.seed,
            timeline: plan.timeline.clone(),
            market: plan.market.clone(),
            enforce_rate_limits: true,
            clock,
        });
        let mut config = updater_config(plan.websockets);
        config.clock = clock;
        config.transport = Some(Arc::new(InProcess::new(endpoint)));
        config.connector = Some(Arc::new(simulated_exchanges::InProcessConnector(simulation.clone())));

        let upstreams = Arc::new(InProcessUpstreams::new(clock));
        let prices = PriceReader::with_source(upstreams.clone(), None, clock);
        let stop = CancellationToken::new();
        let handle = tokio::spawn(prices.clone().receive_records(stop.clone()));
        let updater = Some(RunningUpdater::start(&config, &upstreams));
        let checks = PriceChecks::new(simulation.clone(), plan.max_failing);
        Self {
            clock,
            simulation,
            config,
            upstreams,
            prices,
            price_reader_task: RunningTask { stop, handle },
            updater,
            checks,
            report: Report::default(),
        }
    }

    async fn restart_updater(&mut self) {
        if let Some(updater) = self.updater.take() {
            updater.task.stop().await;
        }
        self.updater = Some(RunningUpdater::start(&self.config, &self.upstreams));
    }

    /// Checks the price record that an order would use now, the market snapshot, and the writes since the last call.
    async fn check(&mut self, is_warm: bool) {
        let now = self.clock.now();
        let record = self.prices.current_record().await;
        self.report.records.push(record.as_ref().ok().map(|record| (now, record.value().clone())));
        match record {
            Ok(record) => self.checks.check_record(&mut self.report, record.value(), now, is_warm),
            Err(error) => self.checks.check_missing_record(&mut self.report, &error.to_string(), now, is_warm),
        }
        let snapshot = self.upstreams.market_snapshot();
        let snapshot = snapshot.as_ref().map(|document| document.value());
        self.checks.check_snapshot(&mut self.report, snapshot, now, is_warm);
        if let Some(updater) = &self.updater {
            let sources = updater.updater.report();
            self.record_detected_faults(&sources);
        }
        for violation in self.upstreams.take_violations() {
            self.report.record_violation(now, || violation);
        }
    }

    fn record_detected_faults(&mut self, sources: &SourcesReport) {
        for fault in self.simulation.active_faults() {
            let Some(source) = sources.sources.iter().find(|source| source.name == fault.exchange) else { continue };
            let is_working = source.state == SourceState::Working;
            if !is_working || !source.errors.is_empty() || !source.rejected_votes.is_empty() {
                self.report.detected.insert((fault.exchange, fault.fault.as_str()));
            }
        }
    }

    async fn finish(mut self) -> Report {
        if let Some(updater) = self.updater {
            updater.task.stop().await;
        }
        self.price_reader_task.stop().await;
        let now = self.clock.now();
        for calls in self.simulation.call_counters() {
            self.report.calls += calls.calls;
            if calls.inside_announced_ban > 0 {
                self.report
                    .record_violation(now, || format!("an exchange was called during its Retry-After: {calls:?}"));
            }
        }
        self.report
    }
}

/// The default settings, with the URLs of the simulated exchanges.
fn updater_config(websockets: bool) -> price_updater::Config {
    let polled = price_updater::url_variables()
        .map(|(name, variable)| (variable.to_owned(), format!("http://exchanges/{name}")));
    let pushed = price_updater::websocket_variables().map(|(name, variable)| {
        let url = if websockets { format!("ws://exchanges/{name}/ws") } else { "off".to_owned() };
        (variable.to_owned(), url)
    });
    // Without SIMULATED, price-updater would not continue with a simulated record after a restart.
    let others = [("INTERNAL_TOKEN", "a token of the tests"), ("SIMULATED", "true")];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut env = Env::from_pairs(polled.chain(pushed).chain(others));
    let config = price_updater::Config::from_env(&mut env);
    env.finish().unwrap();
    config
}
