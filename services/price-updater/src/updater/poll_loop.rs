//! The loop of the leader: in each poll interval it polls the sources and sends a market snapshot. Once each publish interval
//! it also publishes a price record.

use common::{
    api::prices::{NewPriceRecord, PriceRecord},
    time::Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{PRICE_CACHE_TIMEOUT, Updater};
use crate::{
    leadership::{LEASE_NAME, Leadership},
    metrics::PublishResult,
    polling::fetch_backoffs,
    pricing::{AgreementRules, MarketPrices, PriceHistory, PricingConfig},
    publishing::{
        AlertState, LifecycleStep, RecordLifecycle, RecordLifetimes, TermSnapshot, market_snapshot,
        report_availability_change,
    },
};

/// The state that is kept from one poll interval to the next.
pub(super) struct PollLoop<'a> {
    updater: &'a Updater,
    leadership: Leadership,
    /// Whether the record of the previous leader was read in this term.
    record_resumed: bool,
    /// Whether the backoffs of the sources were read in this term.
    backoffs_fetched: bool,
    lifecycle: RecordLifecycle,
    history: PriceHistory,
    alerts: AlertState,
    /// The polls in progress.
    polls: JoinSet<&'static str>,
    /// When the next record is due. `None` before the first.
    publish_at: Option<Instant>,
}

impl<'a> PollLoop<'a> {
    pub(super) fn new(updater: &'a Updater, instance_id: String) -> Self {
        let config = &updater.config;
        let lifetimes = RecordLifetimes {
            publish_interval: config.publish_interval,
            ttl: config.record_ttl,
            max_prolonged_age: config.max_prolonged_age,
        };
        Self {
            updater,
            leadership: Leadership::new(instance_id, config.poll_interval),
            record_resumed: false,
            backoffs_fetched: false,
            lifecycle: RecordLifecycle::new(lifetimes),
            history: PriceHistory::default(),
            alerts: AlertState::default(),
            polls: JoinSet::new(),
            publish_at: None,
        }
    }

    /// Runs until it is cancelled.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(self.updater.config.poll_interval);
        // Ticks that were missed during a long poll are skipped.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let due = ticks.tick().await;
            if self.prepare_to_poll().await {
                self.poll_and_publish(due).await;
            } else {
                self.updater.pool.clear_metrics();
            }
        }
    }

    /// Acquires or renews the lease. A new leader then reads the record and the stored backoffs. Returns whether this
    /// instance polls.
    async fn prepare_to_poll(&mut self) -> bool {
        self.renew_leadership().await;
        if !self.leadership.is_leader() {
            return false;
        }
        if !self.record_resumed {
            self.resume_record().await;
        }
        // No source is polled before the stored backoffs are known.
        if !self.backoffs_fetched {
            self.apply_stored_backoffs().await;
        }
        self.backoffs_fetched
    }

    async fn renew_leadership(&mut self) {
        let updater = self.updater;
        let requested = Instant::now();
        let lease = updater.upstreams.acquire_lease(LEASE_NAME, &self.leadership.instance_id, self.leadership.ttl());
        let answer = match timeout(PRICE_CACHE_TIMEOUT, lease).await {
            Ok(Ok(lease)) => Some(lease),
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "lease of the leader cannot be taken or renewed");
                None
            }
            Err(_) => None,
        };
        let became_leader = self.leadership.apply_answer(answer, requested);
        if became_leader {
            (self.record_resumed, self.backoffs_fetched) = (false, false);
        }
        let is_leader = self.leadership.is_leader();
        updater.metrics.set_leader(is_leader);
        let mut status = updater.status();
        status.term += u64::from(became_leader);
        status.is_leader = is_leader;
        status.other_leader = self.leadership.other_leader().map(str::to_owned);
    }

    /// Continues with the record in price-cache-proxy, so that a restart loses no price while all exchanges are unavailable. A
    /// simulated record is used only if this instance is configured to simulate.
    async fn resume_record(&mut self) {
        let config = &self.updater.config;
        match timeout(PRICE_CACHE_TIMEOUT, self.updater.upstreams.current_record()).await {
            Ok(Ok(record)) => {
                let record = record.filter(|record| !record.simulated || config.simulated);
                if let Some(PriceRecord { as_of, state, .. }) = &record {
                    tracing::info!(%as_of, ?state, "continuing with the price record in the cache");
                }
                self.lifecycle.resume(record, config.clock.now());
                self.lifecycle.last_good().iter().for_each(|record| self.history.resume_from(record));
                self.update_status();
                self.record_resumed = true;
            }
            Ok(Err(error)) => tracing::debug!(error = error.chain(), "price record in the cache cannot be read"),
            Err(_) => {}
        }
    }

    async fn apply_stored_backoffs(&mut self) {
        let Updater { pool, upstreams, config, .. } = self.updater;
        let sources = pool.rate_limited_sources();
        let fetch = fetch_backoffs(&sources, &**upstreams, &self.leadership.instance_id, config.clock.now());
        if let Ok(Some(backoffs)) = timeout(PRICE_CACHE_TIMEOUT, fetch).await {
            for backoff in backoffs {
                pool.back_off(backoff);
            }
            self.backoffs_fetched = true;
        }
    }

    /// `due` is when this poll was due. The poll starts at that time or slightly later.
    async fn poll_and_publish(&mut self, due: Instant) {
        let Updater { pool, config, deliveries, backoffs, .. } = self.updater;
        pool.poll(&mut self.polls, due).await;
        let now = config.clock.now();
        let min_sources = config.min_sources(pool.exchange_count());
        let pricing_config = PricingConfig {
            currencies: config.currencies.clone(),
            rules: AgreementRules { min_sources, max_spread_percent: config.max_spread_percent },
            traded: pool.traded_pairs(min_sources),
        };
        let since = now.minus(config.max_prolonged_age);
        let market = MarketPrices::compute(&pool.votes(due), &pricing_config, &self.history, since);
        self.history.record(&market);
        pool.record_votes(&market, now);
        self.alerts.update(&market, &config.currencies);
        if self.publish_at.is_none_or(|publish_at| due >= publish_at) {
            // Records are due at fixed intervals that do not depend on the duration of polls. After a pause the schedule
            // restarts now.
            let next = self.publish_at.map(|publish_at| publish_at + config.publish_interval);
            self.publish_at = next.filter(|&next| next > due).or(Some(due + config.publish_interval));
            let step = self.advance_lifecycle(&market, now);
            self.apply_step(step);
        }
        backoffs.post(pool.backoffs());
        let term = self.updater.status().term;
        deliveries.send_snapshot(TermSnapshot { term, snapshot: market_snapshot(now, pool.courses(due), market) });
    }

    fn advance_lifecycle(&mut self, market: &MarketPrices, now: Timestamp) -> LifecycleStep {
        let Updater { config, metrics, .. } = self.updater;
        let has_not_expired = |record: &NewPriceRecord| now.since(record.as_of) < config.record_ttl;
        // A record expires one TTL after its oldest price. Half a TTL must be left when it is written, because writes can
        // fail. This permits an index that is polled in every third publish interval: its price is at most two intervals
        // old. One poll interval is added because polls are not exactly on time. Otherwise the price of the index would
        // come and go.
        let max_lag = config.record_ttl / 2 + config.poll_interval;
        if let Some(record) = market.record(&config.currencies, max_lag).filter(has_not_expired) {
            let is_complete = record.prices.len() == config.currencies.len();
            metrics.record_publish_result(if is_complete { PublishResult::Good } else { PublishResult::Partial });
            self.lifecycle.succeed(record)
        } else {
            metrics.record_publish_result(PublishResult::Failed);
            self.lifecycle.fail(now)
        }
    }

    fn apply_step(&self, step: LifecycleStep) {
        self.update_status();
        if let Some(change) = step.change {
            let as_of = self.lifecycle.last_good().map(|record| record.as_of.to_string());
            report_availability_change(change, self.lifecycle.failures(), as_of, self.updater.config.max_prolonged_age);
        }
        if let Some(write) = step.write {
            self.updater.deliveries.send_record(write);
        }
    }

    fn update_status(&self) {
        let mut status = self.updater.status();
        status.failures = self.lifecycle.failures();
        status.last_good = self.lifecycle.last_good().map(|record| record.as_of);
    }
}
