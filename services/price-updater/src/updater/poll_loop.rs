//! The loop of every instance. In each poll interval, an instance acquires or renews the lease. The leader then polls
//! the sources and sends a market snapshot. Once in each publish interval, it also publishes a price record.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{api::prices::PriceRecord, money::Currency, time::Timestamp};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{PRICE_CACHE_TIMEOUT, Updater};
use crate::{
    config::PricingSettings,
    leadership::{LEASE_NAME, Leadership},
    metrics::PublishResult,
    polling::fetch_backoffs,
    pricing::{
        AgreementRules, BandGuard, GuardPoll, MarketPrices, PriceHistory, PriceOutcome, PricingConfig, Vote,
        is_used_by_orders,
    },
    publishing::{
        AlertState, LifecycleStep, RecordLifecycle, RecordLifetimes, TermSnapshot, market_snapshot,
        report_availability_changes, report_guard_event,
    },
};

/// Maximum time that is reserved for the write of a record before a price expires. The reserved time is also at most
/// half of the difference between the TTL of a price and the publish interval.
const MAX_WRITE_MARGIN: Duration = Duration::from_secs(1);

/// The state that is kept from one poll interval to the next.
pub(super) struct PollLoop<'a> {
    updater: &'a Updater,
    leadership: Leadership,
    /// Whether the stored record was read in this term.
    record_resumed: bool,
    /// Whether the backoffs of the sources were read in this term.
    backoffs_fetched: bool,
    lifecycle: RecordLifecycle,
    history: PriceHistory,
    guard: BandGuard,
    alerts: AlertState,
    /// The polls in progress.
    polls: JoinSet<&'static str>,
    /// When the next record is due. `None` before the first record.
    publish_at: Option<Instant>,
}

impl<'a> PollLoop<'a> {
    pub(super) fn new(updater: &'a Updater, instance_id: String) -> Self {
        let (config, pricing) = (&updater.config, updater.pricing.get());
        // The margin is at most half of the time between the next publication and the expiry, so that the publication
        // comes before the margin begins.
        let write_margin = MAX_WRITE_MARGIN.min(config.record_ttl.saturating_sub(config.publish_interval) / 2);
        let lifetimes = RecordLifetimes {
            publish_interval: config.publish_interval,
            renewal_margin: config.poll_interval + write_margin,
            write_margin,
            ttl: config.record_ttl,
            max_prolonged_age: config.max_prolonged_age,
            stop_while_withheld: pricing.stop_while_withheld,
        };
        Self {
            updater,
            leadership: Leadership::new(instance_id, config.poll_interval),
            record_resumed: false,
            backoffs_fetched: false,
            lifecycle: RecordLifecycle::new(lifetimes, &pricing.currencies),
            history: PriceHistory::default(),
            guard: BandGuard::default(),
            alerts: AlertState::default(),
            polls: JoinSet::new(),
            publish_at: None,
        }
    }

    /// Runs until it is cancelled.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(self.updater.config.poll_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            // Only the leader writes records.
            let due = if self.leadership.is_leader() {
                prolong_prices_during(ticks.tick(), self.updater, &mut self.lifecycle).await
            } else {
                ticks.tick().await
            };
            if self.prepare_to_poll().await {
                self.poll_and_publish(due).await;
            } else {
                self.updater.clear_metrics();
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
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "lease of the leader cannot be acquired or renewed");
                Err(error.to_string())
            }
            Err(_) => Err(format!("price-cache-proxy did not respond within {} s", PRICE_CACHE_TIMEOUT.as_secs())),
        };
        let lease_error = answer.as_ref().err().cloned();
        let became_leader = self.leadership.apply_answer(answer.ok(), requested);
        if became_leader {
            (self.record_resumed, self.backoffs_fetched) = (false, false);
        }
        let is_leader = self.leadership.is_leader();
        updater.metrics.set_leader(is_leader);
        let mut status = updater.status();
        status.term += u64::from(became_leader);
        (status.is_leader, status.lease_error) = (is_leader, lease_error);
        status.other_leader = self.leadership.other_leader().map(str::to_owned);
    }

    /// Continues with the record in price-cache-proxy, so that a restart loses no price while all exchanges are
    /// unavailable. A simulated record is used only if this instance is configured to simulate.
    async fn resume_record(&mut self) {
        let config = &self.updater.config;
        match timeout(PRICE_CACHE_TIMEOUT, self.updater.upstreams.current_record()).await {
            Ok(Ok(record)) => {
                let record = record.filter(|record| !record.simulated || config.simulated);
                if let Some(PriceRecord { as_of, state, .. }) = &record {
                    tracing::info!(%as_of, ?state, "continuing with the price record in the cache");
                }
                self.lifecycle.resume(record.as_ref(), config.clock.now());
                self.history.resume_from(self.lifecycle.last_good());
                self.guard.resume_from(self.lifecycle.last_good());
                self.updater.status().currencies = self.lifecycle.statuses().collect();
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

    /// Polls the sources, agrees on prices, publishes a record if one is due, and sends the market snapshot. `due` is
    /// the scheduled start of this poll.
    async fn poll_and_publish(&mut self, due: Instant) {
        let Updater { pool, config, deliveries, backoffs, .. } = self.updater;
        prolong_prices_during(pool.poll(&mut self.polls, due), self.updater, &mut self.lifecycle).await;
        let now = config.clock.now();
        let pricing = self.apply_settings();
        let min_sources = pricing.min_sources(pool.exchange_count());
        let pricing_config = PricingConfig {
            currencies: pricing.currencies.to_vec(),
            rules: AgreementRules { min_sources, max_spread_percent: pricing.max_spread_percent },
            traded: pool.traded_pairs(min_sources),
        };
        let since = now.minus(config.max_prolonged_age);
        let publishes = self.publish_at.is_none_or(|publish_at| due >= publish_at);
        let votes = pool.votes(due);
        let mut market = MarketPrices::compute(&votes, &pricing_config, &self.history, since);
        self.withhold_implausible_prices(&mut market, &votes, &pricing, GuardPoll { now, since, publishes });
        self.history.record(&market);
        pool.record_votes(&market, now);
        self.alerts.update(&market, &pricing.currencies);
        let outcomes = market.outcomes(&pricing.currencies, self.max_lag());
        if publishes {
            // Records are due at fixed intervals that do not depend on the duration of polls. After a pause, the
            // schedule restarts with this record.
            let next = self.publish_at.map(|publish_at| publish_at + config.publish_interval);
            self.publish_at = next.filter(|&next| next > due).or(Some(due + config.publish_interval));
            self.record_publish_result(&outcomes);
            let step = self.lifecycle.publish(&outcomes, now);
            apply_step(self.updater, &self.lifecycle, step);
        } else if let Some(step) = self.lifecycle.renew_expiring(&outcomes, now) {
            apply_step(self.updater, &self.lifecycle, step);
        }
        self.show_prices_in_use(&mut market, &outcomes, now);
        backoffs.post(pool.backoffs());
        let term = self.updater.status().term;
        let snapshot = market_snapshot(now, pool.courses(due), pool.source_pairs(), market);
        deliveries.send_snapshot(TermSnapshot { term, snapshot });
    }

    /// Applies and returns the current settings. A currency that is no longer in `CURRENCIES` loses its gauges, and is
    /// not in the next price record.
    fn apply_settings(&mut self) -> Arc<PricingSettings> {
        let pricing = self.updater.pricing.get();
        for removed in self.lifecycle.apply_settings(&pricing.currencies, pricing.stop_while_withheld) {
            self.updater.price_metrics.remove_currency(removed);
        }
        pricing
    }

    fn withhold_implausible_prices(
        &mut self,
        market: &mut MarketPrices,
        votes: &[Vote],
        pricing: &PricingSettings,
        poll: GuardPoll,
    ) {
        let price_metrics = &self.updater.price_metrics;
        for event in self.guard.check(market, votes, &pricing.currencies, &pricing.band, poll) {
            price_metrics.record_guard_event(&event);
            if is_used_by_orders(event.pair, &pricing.currencies) {
                report_guard_event(&event);
            } else {
                let (direction, price) = (event.pair, event.price);
                tracing::info!(%direction, change = ?event.change, %price, "plausibility of a price has changed");
            }
        }
    }

    /// Maximum time by which a used price may be older than the newest price.
    ///
    /// A price expires one TTL after it was observed. Half a TTL must be left when it is written, because writes can
    /// fail. The other half suffices for an index that is polled in every third publish interval: its price is at most
    /// two intervals old. One poll interval is added because polls are not exactly on time.
    fn max_lag(&self) -> Duration {
        let config = &self.updater.config;
        config.record_ttl / 2 + config.poll_interval
    }

    fn record_publish_result(&self, outcomes: &BTreeMap<Currency, PriceOutcome>) {
        let agreed = outcomes.values().filter_map(PriceOutcome::agreed).count();
        self.updater.metrics.record_publish_result(match agreed {
            0 => PublishResult::Failed,
            all if all == outcomes.len() => PublishResult::Good,
            _ => PublishResult::Partial,
        });
    }

    /// Puts the price that orders use into the market snapshot, for each currency without a newer agreed price.
    fn show_prices_in_use(
        &self,
        market: &mut MarketPrices,
        outcomes: &BTreeMap<Currency, PriceOutcome>,
        now: Timestamp,
    ) {
        for (&currency, outcome) in outcomes {
            if let Some(in_use) = self.lifecycle.price_in_use(currency, outcome, now) {
                market.show_price_in_use(currency, in_use, now);
            }
        }
    }
}

/// Awaits `work`. Meanwhile, prices are prolonged before they expire.
async fn prolong_prices_during<T>(
    work: impl Future<Output = T>,
    updater: &Updater,
    lifecycle: &mut RecordLifecycle,
) -> T {
    let clock = updater.config.clock;
    tokio::pin!(work);
    loop {
        let now = clock.now();
        let prolong_at = lifecycle.prolong_at(now);
        let due = async {
            match prolong_at {
                Some(prolong_at) => sleep(prolong_at.since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            output = &mut work => return output,
            () = due => {}
        }
        if let Some(step) = lifecycle.prolong_expiring(clock.now()) {
            apply_step(updater, lifecycle, step);
        }
    }
}

fn apply_step(updater: &Updater, lifecycle: &RecordLifecycle, step: LifecycleStep) {
    let statuses: Vec<_> = lifecycle.statuses().collect();
    report_availability_changes(&step.changes, &statuses, updater.config.max_prolonged_age);
    for status in &statuses {
        updater.price_metrics.set_status(status);
    }
    updater.status().currencies = statuses;
    if let Some(write) = step.write {
        updater.deliveries.send_record(write);
    }
}
