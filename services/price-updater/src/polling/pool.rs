//! All sources together: asked at once, each with its own pace and its own fate.

mod reports;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    api::courses::{Course, CourseKind, Rejection, SNAPSHOT_TTL},
    money::CurrencyPair,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    active_sources::ActiveSources,
    backoff_leases::SourceBackoff,
    config::PollConfig,
    poller::{LatestTicker, Poller},
};
use crate::{
    metrics::UpdaterMetrics,
    pricing::{FreezeDetector, Observation, Vote},
    sources::{MAX_FIXING_AGE, PollRequest, Source},
};

pub(crate) struct SourcePool {
    /// Every source that can be switched on.
    pollers: Vec<Arc<Poller>>,
    /// Which of them are asked.
    active_sources: Arc<ActiveSources>,
    wanted: Arc<[CurrencyPair]>,
    config: PollConfig,
    freeze_detector: Mutex<FreezeDetector>,
    metrics: UpdaterMetrics,
}

impl SourcePool {
    /// Of `sources`, the first `active` ones are asked until others are switched on.
    pub(crate) fn new(
        sources: Vec<Box<dyn Source>>,
        active: usize,
        config: PollConfig,
        metrics: UpdaterMetrics,
    ) -> Self {
        let known = sources.iter().map(|source| (source.name(), source.kind())).collect();
        let active_sources = Arc::new(ActiveSources::new(known, active, config.min_voters));
        let now = config.clock.now();
        let wanted: BTreeSet<_> = sources.iter().flat_map(|source| source.pairs().to_vec()).collect();
        let pollers = sources.into_iter().map(|source| Arc::new(Poller::new(source, now))).collect();
        let wanted = wanted.into_iter().collect();
        Self { pollers, active_sources, wanted, config, freeze_detector: Mutex::default(), metrics }
    }

    /// Asks each source whose turn it is in the slot that was due at `slot`, and waits until all have answered: at most four
    /// fifths of a slot, and not for one that made a slot wait the last time. One that answers later is heard in the next
    /// slot. `asked` are those that are being asked.
    pub(crate) async fn poll(&self, asked: &mut JoinSet<&'static str>, slot: Instant) {
        while asked.try_join_next().is_some() {}
        let now = self.config.clock.now();
        let mut awaited = BTreeSet::new();
        for poller in self.active() {
            let Some(worth_waiting) = poller.begin(slot) else { continue };
            if worth_waiting {
                awaited.insert(poller.source.name());
            }
            let (poller, wanted, config, metrics) =
                (Arc::clone(poller), Arc::clone(&self.wanted), self.config, self.metrics.clone());
            asked.spawn(async move {
                let source = poller.source.name();
                let request = PollRequest { pairs: &wanted, now, deadline: Instant::now() + config.timeout };
                let (latency, faults) = poller.ask(request, &config).await;
                metrics.asked(source, latency);
                for (_, error) in &faults {
                    metrics.source_error(source, error.kind());
                }
                source
            });
        }
        let patience = Instant::now() + self.config.max_wait();
        while !awaited.is_empty() {
            match timeout_at(patience, asked.join_next()).await {
                Ok(Some(Ok(source))) => drop(awaited.remove(source)),
                // It panicked, which is in the log: it is not known which one, so the others are still waited for.
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        for poller in self.active().filter(|poller| awaited.contains(poller.source.name())) {
            poller.exceeded_wait();
        }
    }

    /// What each source says in the slot that was due at `slot`, and whether it is to be listened to.
    pub(crate) fn votes(&self, slot: Instant) -> Vec<Vote> {
        let all: Vec<_> = self.active().flat_map(|poller| self.latest_tickers(poller, slot)).collect();
        let mut freeze_detector = self.freeze_detector.lock().unwrap_or_else(PoisonError::into_inner);
        let live = all.iter().filter(|(_, _, latest, fresh)| *fresh && latest.ticker.kind != CourseKind::Fixing);
        let observations: Vec<_> =
            live.map(|(poller, told, latest, _)| self.observation(poller, *told, latest)).collect();
        freeze_detector.observe(&observations, slot);
        let vote = |(poller, told, latest, fresh): &(&Poller, CurrencyPair, LatestTicker, bool)| {
            let source = poller.source.name();
            let frozen = latest.ticker.kind != CourseKind::Fixing && freeze_detector.is_frozen(source, *told);
            let ineligible = if *fresh { frozen.then_some(Rejection::Frozen) } else { Some(Rejection::Stale) };
            Vote {
                source,
                kind: latest.ticker.kind,
                told: *told,
                value: latest.ticker.vote(),
                book: latest.ticker.book,
                observed_at: latest.ticker.observed_at,
                simulated: latest.simulated,
                ineligible,
            }
        };
        all.iter().map(vote).collect()
    }

    /// The newest course of each source and direction that is young enough to be shown.
    pub(crate) fn courses(&self, slot: Instant) -> Vec<Course> {
        let shown = |poller: &Arc<Poller>| {
            let longest = SNAPSHOT_TTL.max(poller.source.poll_interval() * 2);
            let all = self.latest_tickers(poller, slot).into_iter();
            let young = all.filter(move |(.., latest, fresh)| *fresh || age(latest, slot) < longest);
            young.map(|(poller, told, latest, _)| course(poller, told, &latest)).collect::<Vec<_>>()
        };
        self.active().flat_map(shown).collect()
    }

    /// What at least so many exchanges trade, whether they tell it right now or not.
    pub(crate) fn traded_pairs(&self, by: usize) -> BTreeSet<CurrencyPair> {
        let exchanges = self.active().filter(|poller| poller.source.kind() == CourseKind::Trade);
        let mut traded: BTreeMap<CurrencyPair, usize> = BTreeMap::new();
        for direction in exchanges.flat_map(|poller| poller.source.pairs()) {
            *traded.entry(*direction).or_default() += 1;
        }
        traded.into_iter().filter(|(_, exchanges)| *exchanges >= by).map(|(direction, _)| direction).collect()
    }

    /// How many exchanges are asked.
    pub(crate) fn exchange_count(&self) -> usize {
        self.active().filter(|poller| poller.source.kind() == CourseKind::Trade).count()
    }

    /// The sources whose requests can be held back.
    pub(crate) fn rate_limited_sources(&self) -> Vec<&'static str> {
        let gated = self.pollers.iter().filter(|poller| poller.source.rate_limiter().is_some());
        gated.map(|poller| poller.source.name()).collect()
    }

    /// Those that are left alone now, and until when.
    pub(crate) fn backoffs(&self) -> Vec<SourceBackoff> {
        let paused =
            |poller: &Arc<Poller>| Some((poller.source.name(), poller.source.rate_limiter()?.backoff_until()?));
        self.pollers.iter().filter_map(paused).collect()
    }

    /// As the source asked another instance for.
    pub(crate) fn back_off(&self, source: &str, wait: Duration) {
        for gate in self
            .pollers
            .iter()
            .filter(|poller| poller.source.name() == source)
            .filter_map(|poller| poller.source.rate_limiter())
        {
            let pause = gate.back_off(Some(wait));
            tracing::info!(source, ?pause, "a source is left alone, as it asked for before");
        }
    }

    pub(crate) fn active_sources(&self) -> Arc<ActiveSources> {
        Arc::clone(&self.active_sources)
    }

    /// Those that are asked, in their order.
    fn active(&self) -> impl Iterator<Item = &Arc<Poller>> {
        let order = self.active_sources.order().to_vec();
        order.into_iter().filter_map(|place| self.pollers.get(place))
    }

    /// Each quote of a source, and whether it is young enough to count.
    fn latest_tickers<'a>(
        &self,
        poller: &'a Poller,
        slot: Instant,
    ) -> Vec<(&'a Poller, CurrencyPair, LatestTicker, bool)> {
        let (every, period) = (self.config.poll_interval, poller.source.poll_interval());
        let is_fresh = |latest: &LatestTicker| match poller.source.kind() {
            CourseKind::Fixing => age(latest, slot) <= MAX_FIXING_AGE,
            // One ask may fail. What is told is older than the ask, as the price shows, and a record goes by that.
            CourseKind::Index => slot.saturating_duration_since(latest.requested) <= period * 2 + every,
            CourseKind::Trade => age(latest, slot) <= (every + every.max(period)).min(self.config.max_trade_age),
        };
        let tickers = poller.state().tickers.clone();
        tickers.into_iter().map(|(told, latest)| (poller, told, latest, is_fresh(&latest))).collect()
    }

    fn observation(&self, poller: &Poller, told: CurrencyPair, latest: &LatestTicker) -> Observation {
        Observation {
            source: poller.source.name(),
            told,
            numbers: (latest.ticker.last, latest.ticker.book),
            value: latest.ticker.vote(),
            trades: latest.ticker.kind == CourseKind::Trade,
            freeze_after: self.config.frozen_after.max(poller.source.poll_interval() * 3),
        }
    }
}

fn age(latest: &LatestTicker, slot: Instant) -> Duration {
    slot.saturating_duration_since(latest.observed)
}

fn course(poller: &Poller, direction: CurrencyPair, latest: &LatestTicker) -> Course {
    let (bid, ask) = latest.ticker.book.unzip();
    Course {
        exchanger: poller.source.name().to_owned(),
        direction,
        kind: latest.ticker.kind,
        value: latest.ticker.course(),
        bid,
        ask,
        observed_at: latest.ticker.observed_at,
        simulated: latest.simulated,
    }
}
