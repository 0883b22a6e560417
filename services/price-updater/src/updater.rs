//! Round after round: ask, agree, decide, write.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        health::Part,
        prices::{NewPriceRecord, PriceState, SourcesReport},
    },
    clients::{Caller, http_client, price_cache::PriceCache},
    critical,
    metrics::Metrics,
    money::Currency,
    time::{Clock, Timestamp},
};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    agree::{self, Agreement, agree},
    feeds::{Feeds, Sockets},
    metrics::{RoundResult, UpdaterMetrics},
    panel::Panel,
    rounds::{Change, Lifetimes, Rounds, Step, Write},
    sources::Network,
};

pub(crate) struct Updater {
    panel: Panel,
    feeds: Feeds,
    cache: PriceCache,
    currencies: Vec<Currency>,
    agreement: agree::Rules,
    lifetimes: Lifetimes,
    refresh: Duration,
    simulated: bool,
    metrics: UpdaterMetrics,
    standing: Mutex<Standing>,
}

/// Where the service stands, for those who ask.
#[derive(Default)]
struct Standing {
    /// How the last write ended: nothing before the first.
    written: Option<Result<(), String>>,
    failed_rounds: u32,
    last_good: Option<Timestamp>,
    /// Currencies that had no price in the last round, so that a change is told once.
    left_out: BTreeSet<Currency>,
    mixed: bool,
    /// Sources that were far from the others in the last round.
    outvoted: BTreeSet<&'static str>,
}

impl Updater {
    pub(crate) fn new(config: Config, metrics: &Metrics) -> Self {
        let connector = config.connector.unwrap_or_else(|| Arc::new(Sockets::new()));
        let mut feeds = Feeds::new(config.feeds, connector, Clock::default(), metrics);
        let metrics = UpdaterMetrics::register(metrics);
        let http = http_client();
        let transport = config.transport.unwrap_or_else(|| Arc::new(Network(http.clone())));
        let sources = config.sources.into_iter().map(|(source, url)| source.build(transport.clone(), url));
        let sources = sources.map(|polled| feeds.before(polled)).collect();
        Self {
            panel: Panel::new(sources, config.source_timeout, config.simulated, metrics.clone()),
            feeds,
            cache: PriceCache(Caller::new(http, PriceCache::SERVICE, config.cache, config.internal_token)),
            currencies: config.currencies,
            agreement: config.agreement,
            lifetimes: Lifetimes { ttl: config.ttl, prolong: config.prolong },
            refresh: config.refresh,
            simulated: config.simulated,
            metrics,
            standing: Mutex::default(),
        }
    }

    /// Does rounds until `stop`, which also ends one that is under way: nothing is lost by that.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let work = async {
            let mut rounds = Rounds::new(self.lifetimes);
            self.resume(&mut rounds).await;
            let mut ticks = tokio::time::interval(self.refresh);
            // A round that took long is not made up for: the next one starts a whole interval later.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.round(&mut rounds).await;
            }
        };
        let rounds = async {
            tokio::select! { biased; () = stop.cancelled() => {}, () = work => {} }
        };
        tokio::join!(rounds, self.feeds.run(stop));
    }

    /// Takes up the record that an earlier run left in the cache, so that a restart while every exchange is away does not
    /// cost the price. A simulated one is taken up only where simulation is wanted.
    async fn resume(&self, rounds: &mut Rounds) {
        match self.cache.record().await {
            Ok(Some(record)) if !record.simulated || self.simulated => {
                tracing::info!(as_of = %record.as_of, state = ?record.state, "going on with the record in the cache");
                self.lock().last_good = Some(record.as_of);
                rounds.resume(record);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "no record is taken over from the cache"),
        }
    }

    async fn round(&self, rounds: &mut Rounds) {
        let end = Instant::now() + self.refresh;
        // Before the first request is sent: a price is at least as true now as it is by the time it arrives.
        let as_of = Timestamp::now();
        let votes = self.panel.ask(&self.currencies, as_of).await;
        let agreement = agree(&votes, &self.currencies, self.agreement, rounds.last_good(as_of));
        self.tell(&agreement);
        let step = if agreement.prices.is_empty() {
            self.metrics.round(RoundResult::Failed);
            rounds.failed_at(Timestamp::now())
        } else {
            let whole = agreement.left_out.is_empty();
            self.metrics.round(if whole { RoundResult::Good } else { RoundResult::Partial });
            let Agreement { prices, simulated, .. } = agreement;
            rounds.good(NewPriceRecord { state: PriceState::Fresh, as_of, simulated, prices })
        };
        {
            let mut standing = self.lock();
            standing.failed_rounds = rounds.failed();
            if rounds.failed() == 0 {
                standing.last_good = Some(as_of);
            }
        }
        self.carry_out(step, rounds, end).await;
    }

    async fn carry_out(&self, step: Step, rounds: &Rounds, end: Instant) {
        let failed_rounds = rounds.failed();
        match step.change {
            Some(Change::Prolonged) => {
                let as_of = step.write.as_ref().map(|write| write.record.as_of.to_string()).unwrap_or_default();
                let at_most_secs = self.lifetimes.prolong.as_secs();
                critical!(
                    failed_rounds,
                    as_of,
                    at_most_secs,
                    "no source gives a price: the last good one is prolonged"
                );
            }
            Some(Change::Expired) => critical!(failed_rounds, "the last good price is too old: there is no price now"),
            Some(Change::NeverGood) => critical!(failed_rounds, "no source has given a price since the start"),
            Some(Change::Recovered) => tracing::info!("the price is fresh again"),
            None => {}
        }
        if let Some(write) = step.write {
            self.write(write, end).await;
        }
    }

    /// Writes until it succeeds or the round is over: the next round has a newer price.
    async fn write(&self, write: Write, end: Instant) {
        let patience = end.saturating_duration_since(Instant::now());
        let result = self.cache.put_within(&write.record, write.ttl, patience).await;
        let mut standing = self.lock();
        let failed_before = matches!(standing.written, Some(Err(_)));
        standing.written = Some(match result {
            Ok(kept) => {
                self.metrics.written(kept.as_of);
                if failed_before {
                    tracing::info!("the price cache takes records again");
                }
                Ok(())
            }
            Err(error) => {
                self.metrics.not_written();
                if !failed_before {
                    tracing::error!(%error, "the price cache takes no record");
                }
                Err(error.to_string())
            }
        });
    }

    /// Tells what is out of the ordinary, once when it begins and once when it ends.
    fn tell(&self, agreement: &Agreement) {
        let mut standing = self.lock();
        let mixed = !agreement.passed_over.is_empty();
        if mixed && !standing.mixed {
            let sources = agreement.passed_over.join(",");
            tracing::warn!(sources, "some sources are simulated and others real: the simulated ones are passed over");
        }
        standing.mixed = mixed;
        for source in &agreement.outvoted {
            self.metrics.source_error(source, "outvoted");
            if !standing.outvoted.contains(source) {
                tracing::warn!(source, "the price of a source is far from the agreed one: it has no voice");
            }
        }
        standing.outvoted.clone_from(&agreement.outvoted);
        // Where none has a price, that is the failure of a round and not of single currencies.
        if agreement.prices.is_empty() {
            return;
        }
        for (currency, why) in &agreement.left_out {
            if standing.left_out.insert(*currency) {
                tracing::warn!(%currency, %why, "there is no price in a currency: it is left out of the record");
            }
        }
        standing.left_out.retain(|currency| {
            let still = agreement.left_out.contains_key(currency);
            if !still {
                tracing::info!(%currency, "there is a price in a currency again");
            }
            still
        });
    }

    pub(crate) fn report(&self) -> SourcesReport {
        let sources = self.panel.reports(Timestamp::now());
        let standing = self.lock();
        SourcesReport { failed_rounds: standing.failed_rounds, last_good: standing.last_good, sources }
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        let cache = match &self.lock().written {
            Some(Ok(())) => Part::ready("price-cache"),
            Some(Err(error)) => Part::missing("price-cache", error),
            None => Part::missing("price-cache", "no price was written yet"),
        };
        std::iter::once(cache).chain(self.panel.parts()).collect()
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
