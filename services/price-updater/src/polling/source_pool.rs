//! The pool of all sources. Active sources are polled concurrently, each at its own interval. The poll of one source does
//! not wait for other sources.

mod reports;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use common::{
    api::courses::{Course, CourseKind, Rejection, SNAPSHOT_TTL, SourcePairs},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

pub use self::reports::{CHECK_SIMULATION, CHECK_SOURCES, CONNECT_OR_SIMULATE, suggests_no_connection};
use super::{
    active_sources::ActiveSources,
    backoff_leases::{RemainingBackoff, SourceBackoff},
    config::PollConfig,
    poller::{LatestTicker, PollOutcome, PollStart, Poller},
};
use crate::{
    metrics::UpdaterMetrics,
    pricing::{Freeze, FreezeDetector, Numbers, Observation, Series, Vote},
    sources::{MAX_FIXING_AGE, PollRequest, Source},
};

pub(crate) struct SourcePool {
    /// Every source, active or not.
    pollers: Vec<Arc<Poller>>,
    active_sources: Arc<ActiveSources>,
    /// The pairs of all sources. Every poll requests all of them, and a source ignores the pairs that it does not have.
    pairs: Arc<[CurrencyPair]>,
    config: PollConfig,
    freeze_detector: Mutex<FreezeDetector>,
    /// Set when the pool logs that no source can be reached, and cleared when it logs the end of that outage.
    outage_logged: AtomicBool,
    metrics: UpdaterMetrics,
}

/// The newest ticker of one pair at one source.
struct Candidate<'a> {
    poller: &'a Poller,
    pair: CurrencyPair,
    latest: LatestTicker,
    /// Whether the ticker is recent enough to vote.
    fresh: bool,
}

impl SourcePool {
    /// The first `active` sources are active until other sources are selected.
    pub(crate) fn new(
        sources: Vec<Box<dyn Source>>,
        active: usize,
        config: PollConfig,
        metrics: UpdaterMetrics,
    ) -> Self {
        let names_and_kinds = sources.iter().map(|source| (source.name(), source.kind())).collect();
        let active_sources = Arc::new(ActiveSources::new(names_and_kinds, active, config.min_voters));
        let now = config.clock.now();
        let pairs: BTreeSet<_> = sources.iter().flat_map(|source| source.pairs().to_vec()).collect();
        let pollers = sources.into_iter().map(|source| Arc::new(Poller::new(source, now))).collect();
        let pairs = pairs.into_iter().collect();
        Self {
            pollers,
            active_sources,
            pairs,
            config,
            freeze_detector: Mutex::default(),
            outage_logged: AtomicBool::default(),
            metrics,
        }
    }

    /// Polls each active source that is due at `due`, and waits for the answers.
    ///
    /// The wait is at most [`PollConfig::max_wait`]. The pool does not wait for a source that exceeded this limit in
    /// its last poll. An answer that arrives after the wait counts in the next poll. `polls` contains the polls in
    /// progress.
    pub(crate) async fn poll(&self, polls: &mut JoinSet<&'static str>, due: Instant) {
        while polls.try_join_next().is_some() {}
        let now = self.config.clock.now();
        let mut awaited = BTreeSet::new();
        for poller in self.active() {
            match poller.try_start(due) {
                PollStart::NotStarted => continue,
                PollStart::Awaited => drop(awaited.insert(poller.source.name())),
                PollStart::NotAwaited => {}
            }
            polls.spawn(self.poll_source(poller, now).in_current_span());
        }
        let give_up_at = Instant::now() + self.config.max_wait();
        while !awaited.is_empty() {
            match timeout_at(give_up_at, polls.join_next()).await {
                Ok(Some(Ok(source))) => drop(awaited.remove(source)),
                // A poll panicked, and the panic was logged. The source of that poll is unknown here, so the wait for the
                // other sources continues.
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        for poller in self.active().filter(|poller| awaited.contains(poller.source.name())) {
            poller.mark_wait_exceeded();
        }
    }

    /// Polls one source and returns its name.
    fn poll_source(&self, poller: &Arc<Poller>, now: Timestamp) -> impl Future<Output = &'static str> + use<> {
        let (poller, pairs) = (Arc::clone(poller), Arc::clone(&self.pairs));
        let (config, metrics) = (self.config, self.metrics.clone());
        async move {
            let source = poller.source.name();
            let request = PollRequest { pairs: &pairs, now, deadline: Instant::now() + config.timeout };
            let PollOutcome { latency, errors } = poller.poll(request, &config).await;
            metrics.record_poll(source, latency);
            for error in &errors {
                metrics.record_source_error(source, error.error.kind());
            }
            source
        }
    }

    /// The votes of all active sources after the poll that was due at `due`: the newest ticker of each pair at each source.
    /// Stale and frozen votes are included, and marked as ineligible.
    pub(crate) fn votes(&self, due: Instant) -> Vec<Vote> {
        let candidates: Vec<_> = self.active().flat_map(|poller| self.candidates(poller, due)).collect();
        let mut freeze_detector = self.freeze_detector.lock().unwrap_or_else(PoisonError::into_inner);
        let comparable = candidates.iter().filter(|candidate| candidate.fresh && candidate.is_live());
        let observations: Vec<_> = comparable.map(|candidate| self.observation(candidate)).collect();
        freeze_detector.observe(&observations, due);
        let vote = |candidate: &Candidate<'_>| {
            if !candidate.fresh {
                return candidate.vote(Some(Rejection::Stale));
            }
            let freeze = if candidate.is_live() { freeze_detector.freeze(candidate.series()) } else { Freeze::None };
            let vote = candidate.vote((freeze != Freeze::None).then_some(Rejection::Frozen));
            Vote { freeze_suspected: freeze == Freeze::Suspected, ..vote }
        };
        candidates.iter().map(vote).collect()
    }

    /// The newest course of each pair at each active source, if it is recent enough to be shown. A *course* is the last
    /// price of one pair at one source.
    pub(crate) fn courses(&self, due: Instant) -> Vec<Course> {
        let candidates = self.active().flat_map(|poller| {
            let max_age = SNAPSHOT_TTL.max(poller.source.poll_interval() * 2);
            let candidates = self.candidates(poller, due).into_iter();
            candidates.filter(move |candidate| candidate.fresh || candidate.latest.age(due) < max_age)
        });
        candidates.map(|candidate| candidate.course()).collect()
    }

    /// The pairs that at least `min_exchanges` active exchanges trade, even if they currently report no price.
    pub(crate) fn traded_pairs(&self, min_exchanges: usize) -> BTreeSet<CurrencyPair> {
        let mut exchanges: BTreeMap<CurrencyPair, usize> = BTreeMap::new();
        for &pair in self.active_exchanges().flat_map(|poller| poller.source.pairs()) {
            *exchanges.entry(pair).or_default() += 1;
        }
        exchanges.into_iter().filter(|(_, count)| *count >= min_exchanges).map(|(pair, _)| pair).collect()
    }

    /// The active sources with their pairs, even if they report no price at the moment.
    pub(crate) fn source_pairs(&self) -> Vec<SourcePairs> {
        let pairs_of = |poller: &Arc<Poller>| SourcePairs {
            exchanger: poller.source.name().to_owned(),
            directions: poller.source.pairs().to_vec(),
        };
        self.active().map(pairs_of).collect()
    }

    /// How many exchanges are active.
    pub(crate) fn exchange_count(&self) -> usize {
        self.active_exchanges().count()
    }

    /// The sources with a rate limiter. Only these sources can have a backoff.
    pub(crate) fn rate_limited_sources(&self) -> Vec<&'static str> {
        let rate_limited = self.pollers.iter().filter(|poller| poller.source.rate_limiter().is_some());
        rate_limited.map(|poller| poller.source.name()).collect()
    }

    /// The backoffs that have not ended, of active and inactive sources.
    pub(crate) fn backoffs(&self) -> Vec<SourceBackoff> {
        let backoff = |poller: &Arc<Poller>| {
            let until = poller.source.rate_limiter()?.backoff_until()?;
            Some(SourceBackoff { source: poller.source.name(), until })
        };
        self.pollers.iter().filter_map(backoff).collect()
    }

    /// Applies a backoff that another instance or an earlier run of this service has stored.
    pub(crate) fn back_off(&self, backoff: RemainingBackoff) {
        let RemainingBackoff { source, remaining } = backoff;
        let pollers = self.pollers.iter().filter(|poller| poller.source.name() == source);
        for rate_limiter in pollers.filter_map(|poller| poller.source.rate_limiter()) {
            let backoff = rate_limiter.back_off(Some(remaining));
            tracing::info!(
                source,
                ?backoff,
                "source is not polled: it has a backoff, stored by another instance or by an earlier run"
            );
        }
    }

    pub(crate) fn active_sources(&self) -> Arc<ActiveSources> {
        Arc::clone(&self.active_sources)
    }

    /// The active sources in the selected order.
    fn active(&self) -> impl Iterator<Item = &Arc<Poller>> {
        let order = self.active_sources.order().to_vec();
        order.into_iter().filter_map(|index| self.pollers.get(index))
    }

    fn active_exchanges(&self) -> impl Iterator<Item = &Arc<Poller>> {
        self.active().filter(|poller| poller.source.kind() == CourseKind::Trade)
    }

    fn candidates<'a>(&self, poller: &'a Poller, due: Instant) -> Vec<Candidate<'a>> {
        let tickers = poller.state().tickers.clone();
        let now = self.config.clock.now();
        // A ticker from the future was observed before the clock was set back. The next poll replaces it.
        let is_past = |latest: &LatestTicker| !latest.ticker.observed_at.is_beyond_skew(now);
        let candidate = |(pair, latest)| Candidate { poller, pair, latest, fresh: self.is_fresh(poller, &latest, due) };
        tickers.into_iter().filter(|(_, latest)| is_past(latest)).map(candidate).collect()
    }

    fn is_fresh(&self, poller: &Poller, latest: &LatestTicker, due: Instant) -> bool {
        let (own_interval, interval) = (poller.source.poll_interval(), self.config.poll_interval);
        match poller.source.kind() {
            CourseKind::Fixing => latest.age_of_official_day(due) <= MAX_FIXING_AGE,
            // One failed poll of an index is tolerated. The age is counted from the request, because a ticker of an
            // index is already old when it is received.
            CourseKind::Index => due.saturating_duration_since(latest.requested) <= own_interval * 2 + interval,
            CourseKind::Trade => {
                let max_age = interval + interval.max(own_interval);
                latest.age(due) <= max_age.min(self.config.max_trade_age)
            }
        }
    }

    fn observation(&self, candidate: &Candidate<'_>) -> Observation {
        let ticker = candidate.latest.ticker;
        Observation {
            series: candidate.series(),
            numbers: Numbers { last: ticker.last, bid_ask: ticker.bid_ask },
            value: ticker.vote(),
            is_exchange: ticker.kind == CourseKind::Trade,
            freeze_after: self.config.frozen_after.max(candidate.poller.source.poll_interval() * 3),
        }
    }
}

impl Candidate<'_> {
    fn series(&self) -> Series {
        Series { source: self.poller.source.name(), pair: self.pair }
    }

    /// Whether the ticker is a live price and not an official rate.
    fn is_live(&self) -> bool {
        self.latest.ticker.kind != CourseKind::Fixing
    }

    fn vote(&self, ineligible: Option<Rejection>) -> Vote {
        let ticker = self.latest.ticker;
        Vote {
            source: self.poller.source.name(),
            kind: ticker.kind,
            pair: self.pair,
            value: ticker.vote(),
            bid_ask: ticker.bid_ask,
            observed_at: ticker.observed_at,
            simulated: self.latest.simulated,
            ineligible,
            freeze_suspected: false,
            official_day: ticker.official_day,
        }
    }

    fn course(&self) -> Course {
        let ticker = self.latest.ticker;
        Course {
            exchanger: self.poller.source.name().to_owned(),
            direction: self.pair,
            kind: ticker.kind,
            value: ticker.course(),
            bid: ticker.bid_ask.map(|bid_ask| bid_ask.bid),
            ask: ticker.bid_ask.map(|bid_ask| bid_ask.ask),
            observed_at: ticker.observed_at,
            simulated: self.latest.simulated,
        }
    }
}
