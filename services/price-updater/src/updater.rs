//! Polls sources, agrees on prices and publishes them, while this instance is the leader.

mod poll_loop;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        health::Component,
        prices::{PriceState, price_marks},
        sources::SourcesReport,
    },
    clients::http_client_with_proxy,
    config::Live,
    metrics::Metrics,
    reporting::instance_name,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::poll_loop::PollLoop;
use crate::{
    config::{Config, FixedSettings, PricingSettings},
    leadership::LEASE_NAME,
    metrics::UpdaterMetrics,
    polling::{ActiveSources, BackoffLeases, PollConfig, SourceBackoff, SourcePool},
    publishing::{CurrencyStatus, Deliveries, LatestMailbox, PriceAvailability, PriceMetrics},
    sources::Network,
    streams::{PriceStreams, WebSocketConnector},
    upstreams::Upstreams,
};

/// How long this instance waits for price-cache-proxy when it requests the lease of the leader, or reads the current
/// record or the stored backoffs.
const PRICE_CACHE_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Updater {
    config: FixedSettings,
    pricing: Live<Arc<PricingSettings>>,
    pool: SourcePool,
    streams: PriceStreams,
    upstreams: Arc<dyn Upstreams>,
    metrics: UpdaterMetrics,
    price_metrics: PriceMetrics,
    deliveries: Deliveries,
    backoffs: LatestMailbox<Vec<SourceBackoff>>,
    status: Mutex<Status>,
}

/// The role and the latest results of this instance.
#[derive(Default)]
struct Status {
    is_leader: bool,
    /// The number of times that this instance has become the leader.
    term: u64,
    /// The leader, if it is another instance.
    other_leader: Option<String>,
    /// Why the last request for the lease got no answer. `None` after an answer, and before the first request.
    lease_error: Option<String>,
    /// The state of the price of each currency. Empty until this instance has read the stored record or completed a
    /// publish interval.
    currencies: Vec<CurrencyStatus>,
}

impl Updater {
    pub fn new(config: Config, upstreams: Arc<dyn Upstreams>, metrics: &Metrics) -> Self {
        let (fixed, pricing) = (FixedSettings::of(&config), PricingSettings::of(&config));
        let Config { connector, streams, transport, https_proxy, sources, inactive_sources, .. } = config;
        let FixedSettings { clock, publish_interval, .. } = fixed;
        let connector = connector.unwrap_or_else(|| Arc::new(WebSocketConnector::new()));
        let mut streams = PriceStreams::new(streams, connector, clock, metrics);
        let price_metrics = PriceMetrics::register(metrics);
        let metrics = UpdaterMetrics::register(metrics);
        let transport = transport.unwrap_or_else(|| Arc::new(Network(http_client_with_proxy(https_proxy))));
        let poll_config = PollConfig {
            clock,
            poll_interval: fixed.poll_interval,
            timeout: config.source_timeout,
            max_trade_age: fixed.record_ttl,
            frozen_after: config.frozen_after,
            min_voters: pricing.min_voters(),
            simulated: fixed.simulated,
        };
        let active = sources.len();
        let built =
            sources.into_iter().chain(inactive_sources).map(|(source, url)| source.build(transport.clone(), url));
        let with_streams = built.map(|source| streams.attach(source)).collect();
        Self {
            pool: SourcePool::new(with_streams, active, poll_config, metrics.clone()),
            streams,
            deliveries: Deliveries::new(clock, upstreams.clone(), publish_interval, metrics.clone()),
            backoffs: LatestMailbox::new(),
            config: fixed,
            pricing: Live::new(Arc::new(pricing)),
            upstreams,
            metrics,
            price_metrics,
            status: Mutex::default(),
        }
    }

    /// Runs until `stop` is cancelled. A poll in progress is cancelled too. This is safe, because a poll changes
    /// nothing outside this instance.
    pub async fn run(&self, stop: &CancellationToken) {
        let instance_id = format!("{}-{}", instance_name(), uuid::Uuid::new_v4().simple());
        let work = async {
            let poll_loop = PollLoop::new(self, instance_id.clone());
            tokio::join!(poll_loop.run(), self.deliveries.run(), self.store_backoffs());
        };
        let work = async {
            tokio::select! { biased; () = stop.cancelled() => {}, () = work => {} }
        };
        tokio::join!(work, self.streams.run(stop));
        if self.status().is_leader {
            // A TTL of one second releases the lease: another instance can take over after that second.
            let release = self.upstreams.acquire_lease(LEASE_NAME, &instance_id, Duration::from_secs(1));
            let _ = timeout(PRICE_CACHE_TIMEOUT, release).await;
        }
    }

    /// Applies the settings of [`PricingSettings`] from the next poll on. An unchanged `PRICE_SOURCES`
    /// does not replace the sources that were selected through the API.
    pub(crate) fn apply(&self, config: &Config) {
        let (old, new) = (self.pricing.get(), PricingSettings::of(config));
        let sources = self.active_sources();
        sources.set_min_voters(new.min_voters());
        if new.sources != old.sources {
            let names: Vec<_> = new.sources.iter().map(|&name| name.to_owned()).collect();
            if let Err(error) = sources.select(&names) {
                tracing::error!(?error, "the price sources cannot be selected");
            }
        }
        if new.sources != old.sources || new.currencies != old.currencies {
            config.warn_of_unpriced_currencies();
        }
        self.pricing.set(Arc::new(new));
    }

    async fn store_backoffs(&self) {
        let mut leases = BackoffLeases::default();
        let mut backoffs = self.backoffs.reader();
        while let Some(backoffs) = backoffs.next().await {
            leases.store(&backoffs, &*self.upstreams, self.config.clock.now()).await;
        }
    }

    pub(crate) fn active_sources(&self) -> Arc<ActiveSources> {
        self.pool.active_sources()
    }

    pub fn report(&self) -> SourcesReport {
        let sources = self.pool.reports(self.config.clock.now());
        let status = self.status();
        let failed_rounds = status.currencies.iter().map(|currency| currency.failures).min().unwrap_or(0);
        let last_good = status.currencies.iter().filter_map(|currency| currency.as_of).max();
        SourcesReport { leads: status.is_leader, failed_rounds, last_good, sources }
    }

    /// The readiness of the services and sources that this instance depends on, and of the prices. An instance that is
    /// not the leader does not poll, so it cannot report on the sources and the prices.
    pub fn components(&self) -> Vec<Component> {
        let (is_leader, follows_another, lease_error) = {
            let status = self.status();
            (status.is_leader, status.other_leader.is_some(), status.lease_error.clone())
        };
        if follows_another {
            // A follower is ready to take over.
            return vec![Component::ready("price-cache")];
        }
        if !is_leader {
            let reason = match lease_error {
                Some(error) => {
                    format!(
                        "the price sources are not polled, because the lease of the leader cannot be acquired: {error}"
                    )
                }
                None => {
                    "the price sources are not polled yet: the lease of the leader has not been acquired".to_owned()
                }
            };
            return vec![Component::not_ready("price-cache", reason)];
        }
        let cache = match self.deliveries.last_record_write() {
            Some(Ok(())) => Component::ready("price-cache"),
            Some(Err(error)) => Component::not_ready("price-cache", error),
            None => Component::not_ready("price-cache", "no price record has been written yet"),
        };
        let history = match self.deliveries.last_courses_write() {
            Some(Err(error)) => Component::not_ready("db-proxy", error),
            _ => Component::ready("db-proxy"),
        };
        let prices: Vec<_> = self.status().currencies.iter().map(price_component).collect();
        [cache, history.optional()].into_iter().chain(prices).chain(self.pool.components()).collect()
    }

    /// Removes the gauges of sources and prices. Called while this instance does not poll, because only the leader
    /// exports these gauges.
    fn clear_metrics(&self) {
        self.pool.clear_metrics();
        self.pricing.get().currencies.iter().for_each(|&currency| self.price_metrics.remove_currency(currency));
    }

    /// Locks the status. A poisoned lock is accepted: the fields are independent, so a panic cannot leave the status
    /// inconsistent.
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The price of one currency as an optional component: the other currencies do not depend on this price.
fn price_component(status: &CurrencyStatus) -> Component {
    let name = format!("{}{}", Component::PRICE, status.currency);
    let reason = status.reason.as_deref().unwrap_or("the sources agree on no price");
    let component = match status.availability {
        PriceAvailability::Fresh => Component::ready(name),
        PriceAvailability::Prolonged => Component::not_ready(name, format!("{}{reason}", Component::PRICE_PROLONGED)),
        PriceAvailability::Stopped => Component::not_ready(name, format!("orders stop: {reason}")),
        PriceAvailability::Expired => Component::not_ready(name, format!("the last price has expired: {reason}")),
        PriceAvailability::Missing => Component::not_ready(name, format!("there has been no price yet: {reason}")),
    };
    let prolonged = status.availability == PriceAvailability::Prolonged;
    let state = if prolonged { PriceState::Prolonged } else { PriceState::Fresh };
    let marks = price_marks(status.simulated, state);
    Component { since: status.since, observed_at: status.as_of, marks, ..component.optional() }
}
