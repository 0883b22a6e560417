//! Slot after slot: ask, agree, show; and each round decide what that means for the record, and write it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{courses::MarketSnapshot, health::Component, prices::NewPriceRecord, sources::SourcesReport},
    metrics::Metrics,
    reporting::instance_name,
    time::Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    leadership::{LEASE_NAME, Leadership},
    metrics::{Delivery, PublishResult, UpdaterMetrics},
    polling::{self, ActiveSources, PollConfig, SourceBackoff, SourcePool},
    pricing::{AgreementRules, MarketPrices, PriceHistory, PricingConfig},
    publishing::{
        AlertState, DeliveryStatus, LatestMailbox, LifecycleStep, RecordLifecycle, RecordLifetimes, RecordWrite,
        StoredCourses, market_snapshot, report_change,
    },
    sources,
    streams::{PriceStreams, WebSocketConnector},
    upstreams::Upstreams,
};

/// How long a slot waits to hear whether this instance leads.
const LEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks sources and tells others what they agree on, for as long as it runs.
pub struct Updater {
    config: Config,
    pool: SourcePool,
    streams: PriceStreams,
    upstreams: Arc<dyn Upstreams>,
    metrics: UpdaterMetrics,
    records: LatestMailbox<RecordWrite>,
    record_written: DeliveryStatus,
    boards: LatestMailbox<Arc<MarketSnapshot>>,
    board_written: DeliveryStatus,
    courses_written: DeliveryStatus,
    backoffs: LatestMailbox<Vec<SourceBackoff>>,
    status: Mutex<Status>,
}

/// Where the service stands, for those who ask.
#[derive(Default)]
struct Status {
    leads: bool,
    /// How often this instance began to lead.
    term: u64,
    /// Who leads where this instance does not.
    other: Option<String>,
    failed_rounds: u32,
    last_good: Option<Timestamp>,
}

/// What is known from one slot to the next.
struct RunState {
    leadership: Leadership,
    /// Whether the record that was there before is known.
    resumed: bool,
    /// Whether it is known which sources want to be left alone.
    warned: bool,
    lifecycle: RecordLifecycle,
    history: PriceHistory,
    alerts: AlertState,
    asked: JoinSet<&'static str>,
    /// When the next round is due; nothing before the first.
    round: Option<Instant>,
}

impl Updater {
    pub fn new(config: Config, upstreams: Arc<dyn Upstreams>, metrics: &Metrics) -> Self {
        let connector = config.connector.clone().unwrap_or_else(|| Arc::new(WebSocketConnector::new()));
        let mut streams = PriceStreams::new(config.streams.clone(), connector, config.clock, metrics);
        let metrics = UpdaterMetrics::register(metrics);
        let transport =
            config.transport.clone().unwrap_or_else(|| Arc::new(sources::Network(common::clients::http_client())));
        let built = config.sources.iter().chain(&config.spare);
        let built = built.map(|(source, url)| source.build(transport.clone(), url.clone()));
        let built = built.map(|source| streams.attach(source)).collect();
        let poll_config = PollConfig {
            clock: config.clock,
            poll_interval: config.poll_interval,
            timeout: config.source_timeout,
            max_trade_age: config.ttl,
            frozen_after: config.frozen_after,
            min_voters: config.min_sources.unwrap_or(1),
            simulated: config.simulated,
        };
        Self {
            pool: SourcePool::new(built, config.sources.len(), poll_config, metrics.clone()),
            streams,
            config,
            upstreams,
            metrics,
            records: LatestMailbox::new(),
            record_written: DeliveryStatus::new(Delivery::Record),
            boards: LatestMailbox::new(),
            board_written: DeliveryStatus::new(Delivery::Snapshot),
            courses_written: DeliveryStatus::new(Delivery::Courses),
            backoffs: LatestMailbox::new(),
            status: Mutex::default(),
        }
    }

    /// Works until `stop`, which also ends a slot that is under way: nothing is lost by that.
    pub async fn run(&self, stop: &CancellationToken) {
        let instance_id = format!("{}-{}", instance_name(), uuid::Uuid::new_v4().simple());
        let work = async {
            let deliveries = async {
                tokio::join!(self.write_records(), self.write_boards(), self.write_courses(), self.store_backoffs());
            };
            tokio::join!(self.poll_loop(instance_id.clone()), deliveries);
        };
        let work = async {
            tokio::select! { biased; () = stop.cancelled() => {}, () = work => {} }
        };
        tokio::join!(work, self.streams.run(stop));
        if self.lock().leads {
            // The lease has no end of its own that is sooner: whoever takes over need not wait.
            let _ =
                timeout(LEASE_TIMEOUT, self.upstreams.lease(LEASE_NAME, &instance_id, Duration::from_secs(1))).await;
        }
    }

    async fn poll_loop(&self, instance_id: String) {
        let Config { publish_interval: refresh, ttl, prolong, poll_interval: slot, .. } = self.config;
        let mut ticks = interval(slot);
        // A slot that took long is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut run = RunState {
            leadership: Leadership::new(instance_id, slot),
            resumed: false,
            warned: false,
            lifecycle: RecordLifecycle::new(RecordLifetimes { refresh, ttl, prolong }),
            history: PriceHistory::default(),
            alerts: AlertState::default(),
            asked: JoinSet::new(),
            round: None,
        };
        loop {
            let slot = ticks.tick().await;
            if self.ensure_leadership(&mut run).await {
                self.poll_and_publish(&mut run, slot).await;
            } else {
                self.pool.clear_metrics();
            }
        }
    }

    /// Whether this instance is the one that asks. One that begins to takes up the record that is there: so a restart while
    /// every exchange is away does not cost the price. A simulated one is taken up only where simulation is wanted.
    async fn ensure_leadership(&self, run: &mut RunState) -> bool {
        let asked = Instant::now();
        let lease =
            timeout(LEASE_TIMEOUT, self.upstreams.lease(LEASE_NAME, &run.leadership.instance_id, run.leadership.ttl()))
                .await;
        let lease = match lease {
            Ok(Ok(lease)) => Some(lease),
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "it is not known who leads");
                None
            }
            Err(_) => None,
        };
        if run.leadership.apply(lease, asked) {
            (run.resumed, run.warned) = (false, false);
            self.lock().term += 1;
        }
        let leads = run.leadership.is_leader();
        self.metrics.leads(leads);
        {
            let mut status = self.lock();
            (status.leads, status.other) = (leads, run.leadership.other_leader().map(str::to_owned));
        }
        if leads && !run.resumed {
            match timeout(LEASE_TIMEOUT, self.upstreams.current_record()).await {
                Ok(Ok(kept)) => {
                    let kept = kept.filter(|record| !record.simulated || self.config.simulated);
                    if let Some(record) = &kept {
                        tracing::info!(as_of = %record.as_of, state = ?record.state, "going on with the record in the cache");
                    }
                    run.lifecycle.resume(kept, self.config.clock.now());
                    run.lifecycle.last_good().iter().for_each(|record| run.history.resume_from(record));
                    self.note(&run.lifecycle);
                    run.resumed = true;
                }
                Ok(Err(error)) => tracing::debug!(error = error.chain(), "no record is taken over from the cache"),
                Err(_) => {}
            }
        }
        if leads && !run.warned {
            // Nobody is asked before it is known whom to leave alone.
            let sources = self.pool.rate_limited_sources();
            let told = polling::fetch_backoffs(
                &sources,
                &*self.upstreams,
                &run.leadership.instance_id,
                self.config.clock.now(),
            );
            if let Ok(Some(paused)) = timeout(LEASE_TIMEOUT, told).await {
                for (source, left) in paused {
                    self.pool.back_off(source, left);
                }
                run.warned = true;
            }
        }
        leads && run.warned
    }

    async fn poll_and_publish(&self, run: &mut RunState, slot: Instant) {
        self.pool.poll(&mut run.asked, slot).await;
        let now = self.config.clock.now();
        let min_sources = self.config.min_sources(self.pool.exchange_count());
        let wanted = PricingConfig {
            currencies: self.config.currencies.clone(),
            rules: AgreementRules { min_sources, max_spread_percent: self.config.max_spread_percent },
            traded: self.pool.traded_pairs(min_sources),
        };
        let since = now.minus(self.config.prolong);
        let market = MarketPrices::compute(&self.pool.votes(slot), &wanted, &run.history, since);
        run.history.note(&market);
        self.pool.record_votes(&market, now);
        run.alerts.update(&market, &self.config.currencies);
        if run.round.is_none_or(|due| slot >= due) {
            // RecordLifecycle keep their pace, whatever a slot took; and begin anew where none was done for a while.
            let next = run.round.map(|due| due + self.config.publish_interval);
            run.round = next.filter(|&next| next > slot).or(Some(slot + self.config.publish_interval));
            let step = self.advance_lifecycle(&mut run.lifecycle, &market, now);
            self.carry_out(step, &run.lifecycle);
        }
        self.backoffs.post(self.pool.backoffs());
        self.boards.post(Arc::new(market_snapshot(now, self.pool.courses(slot), market)));
    }

    fn advance_lifecycle(
        &self,
        lifecycle: &mut RecordLifecycle,
        market: &MarketPrices,
        now: Timestamp,
    ) -> LifecycleStep {
        let currencies = &self.config.currencies;
        // A record that has run out by now is none.
        let young = |record: &NewPriceRecord| now.since(record.as_of) < self.config.ttl;
        // A record lasts a ttl from its oldest price, and half of that is to be left when it is written, for a write may fail.
        // An index that is asked every third round is two rounds old then at most, so it does not come and go; the slot is for
        // rounds and asks that are not exactly so far apart.
        let behind = self.config.ttl / 2 + self.config.poll_interval;
        if let Some(record) = market.record(currencies, behind).filter(young) {
            let whole = record.prices.len() == currencies.len();
            self.metrics.round(if whole { PublishResult::Good } else { PublishResult::Partial });
            lifecycle.succeed(record)
        } else {
            self.metrics.round(PublishResult::Failed);
            lifecycle.fail(now)
        }
    }

    fn carry_out(&self, step: LifecycleStep, lifecycle: &RecordLifecycle) {
        self.note(lifecycle);
        if let Some(change) = step.change {
            let as_of = lifecycle.last_good().map(|record| record.as_of.to_string());
            report_change(change, lifecycle.failures(), as_of, self.config.prolong);
        }
        if let Some(write) = step.write {
            self.records.post(write);
        }
    }

    fn note(&self, lifecycle: &RecordLifecycle) {
        let mut status = self.lock();
        status.failed_rounds = lifecycle.failures();
        status.last_good = lifecycle.last_good().map(|record| record.as_of);
    }

    /// Each until it succeeds or its round is over: the next round has a newer one.
    async fn write_records(&self) {
        let mut records = self.records.reader();
        while let Some(write) = records.next().await {
            let result = self.upstreams.write_record(&write.record, write.ttl, self.config.publish_interval).await;
            if let Ok(kept) = &result {
                self.metrics.written(kept.as_of);
            }
            self.record_written.record(result.as_ref().map(drop), &self.metrics);
        }
    }

    async fn write_boards(&self) {
        let mut boards = self.boards.reader();
        while let Some(board) = boards.next().await {
            let result = self.upstreams.write_snapshot(&board).await;
            self.board_written.record(result.as_ref().map(drop), &self.metrics);
        }
    }

    /// What changed since it was written down; what could not be written is written with the next board, as it is then.
    async fn write_courses(&self) {
        let mut stored = StoredCourses::default();
        let mut boards = self.boards.reader();
        while let Some(board) = boards.next().await {
            stored.expire(self.lock().term, Instant::now());
            let Some(news) = stored.changed(&board) else { continue };
            let result = self.upstreams.write_courses(&news).await;
            if result.is_ok() {
                stored.mark_stored(&news);
            }
            self.courses_written.record(result.as_ref().map(drop), &self.metrics);
        }
    }

    async fn store_backoffs(&self) {
        let mut leases = polling::BackoffLeases::default();
        let mut paused = self.backoffs.reader();
        while let Some(paused) = paused.next().await {
            leases.store(&paused, &*self.upstreams, self.config.clock.now()).await;
        }
    }

    pub(crate) fn active_sources(&self) -> Arc<ActiveSources> {
        self.pool.active_sources()
    }

    pub fn report(&self) -> SourcesReport {
        let sources = self.pool.reports(self.config.clock.now());
        let status = self.lock();
        SourcesReport { leads: status.leads, failed_rounds: status.failed_rounds, last_good: status.last_good, sources }
    }

    pub fn parts(&self) -> Vec<Component> {
        let (leads, other) = {
            let status = self.lock();
            (status.leads, status.other.clone())
        };
        if other.is_some() {
            // It is ready to take over, and knows nothing of the sources.
            return vec![Component::ready("price-cache")];
        }
        let cache = match self.record_written.last() {
            Some(Ok(())) if leads => Component::ready("price-cache"),
            Some(Err(error)) => Component::missing("price-cache", error),
            None if leads => Component::missing("price-cache", "no price was written yet"),
            _ => Component::missing("price-cache", "it does not say who asks the sources"),
        };
        let history = match self.courses_written.last() {
            Some(Err(error)) => Component::missing("db-proxy", error),
            _ => Component::ready("db-proxy"),
        };
        [cache, history.optional()].into_iter().chain(self.pool.parts()).collect()
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
