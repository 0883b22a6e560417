//! Slot after slot: ask, agree, show; and each round decide what that means for the record, and write it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        courses::MarketSnapshot,
        health::Component,
        prices::{NewPriceRecord, SourcesReport},
    },
    clients::reports::instance,
    metrics::Metrics,
    time::Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    leadership::{LEASE, Leader},
    metrics::{Delivery, RoundResult, UpdaterMetrics},
    polling::{self, Manners, Panel, Paused, Roster},
    pricing::{Market, Past, Rules, Wanted},
    publishing::{Lifetimes, News, Outbox, Receipt, Rounds, Step, Write, Written, board, tell_change},
    sources,
    streams::{Feeds, Sockets},
    upstreams::Sinks,
};

/// How long a slot waits to hear whether this instance leads.
const LEASE_PATIENCE: Duration = Duration::from_secs(1);

/// Asks sources and tells others what they agree on, for as long as it runs.
pub struct Updater {
    config: Config,
    panel: Panel,
    feeds: Feeds,
    sinks: Arc<dyn Sinks>,
    metrics: UpdaterMetrics,
    records: Outbox<Write>,
    record_written: Receipt,
    boards: Outbox<Arc<MarketSnapshot>>,
    board_written: Receipt,
    courses_written: Receipt,
    pauses: Outbox<Vec<Paused>>,
    standing: Mutex<Standing>,
}

/// Where the service stands, for those who ask.
#[derive(Default)]
struct Standing {
    leads: bool,
    /// How often this instance began to lead.
    term: u64,
    /// Who leads where this instance does not.
    other: Option<String>,
    failed_rounds: u32,
    last_good: Option<Timestamp>,
}

/// What is known from one slot to the next.
struct Run {
    leader: Leader,
    /// Whether the record that was there before is known.
    resumed: bool,
    /// Whether it is known which sources want to be left alone.
    warned: bool,
    rounds: Rounds,
    past: Past,
    news: News,
    asked: JoinSet<&'static str>,
    /// When the next round is due; nothing before the first.
    round: Option<Instant>,
}

impl Updater {
    pub fn new(config: Config, sinks: Arc<dyn Sinks>, metrics: &Metrics) -> Self {
        let connector = config.connector.clone().unwrap_or_else(|| Arc::new(Sockets::new()));
        let mut feeds = Feeds::new(config.feeds.clone(), connector, config.clock, metrics);
        let metrics = UpdaterMetrics::register(metrics);
        let transport =
            config.transport.clone().unwrap_or_else(|| Arc::new(sources::Network(common::clients::http_client())));
        let built = config.sources.iter().chain(&config.spare);
        let built = built.map(|(source, url)| source.build(transport.clone(), url.clone()));
        let built = built.map(|polled| feeds.before(polled)).collect();
        let manners = Manners {
            clock: config.clock,
            slot: config.slot,
            timeout: config.source_timeout,
            oldest: config.ttl,
            frozen_after: config.frozen_after,
            min_voting: config.min_sources.unwrap_or(1),
            simulated: config.simulated,
        };
        Self {
            panel: Panel::new(built, config.sources.len(), manners, metrics.clone()),
            feeds,
            config,
            sinks,
            metrics,
            records: Outbox::new(),
            record_written: Receipt::new(Delivery::Record),
            boards: Outbox::new(),
            board_written: Receipt::new(Delivery::Board),
            courses_written: Receipt::new(Delivery::Courses),
            pauses: Outbox::new(),
            standing: Mutex::default(),
        }
    }

    /// Works until `stop`, which also ends a slot that is under way: nothing is lost by that.
    pub async fn run(&self, stop: &CancellationToken) {
        let me = format!("{}-{}", instance(), uuid::Uuid::new_v4().simple());
        let work = async {
            let deliveries = async {
                tokio::join!(self.write_records(), self.write_boards(), self.write_courses(), self.tell_pauses());
            };
            tokio::join!(self.slots(me.clone()), deliveries);
        };
        let work = async {
            tokio::select! { biased; () = stop.cancelled() => {}, () = work => {} }
        };
        tokio::join!(work, self.feeds.run(stop));
        if self.lock().leads {
            // The lease has no end of its own that is sooner: whoever takes over need not wait.
            let _ = timeout(LEASE_PATIENCE, self.sinks.lease(LEASE, &me, Duration::from_secs(1))).await;
        }
    }

    async fn slots(&self, me: String) {
        let Config { refresh, ttl, prolong, slot, .. } = self.config;
        let mut ticks = interval(slot);
        // A slot that took long is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut run = Run {
            leader: Leader::new(me, slot),
            resumed: false,
            warned: false,
            rounds: Rounds::new(Lifetimes { refresh, ttl, prolong }),
            past: Past::default(),
            news: News::default(),
            asked: JoinSet::new(),
            round: None,
        };
        loop {
            let slot = ticks.tick().await;
            if self.lead(&mut run).await {
                self.slot(&mut run, slot).await;
            } else {
                self.panel.stand_by();
            }
        }
    }

    /// Whether this instance is the one that asks. One that begins to takes up the record that is there: so a restart while
    /// every exchange is away does not cost the price. A simulated one is taken up only where simulation is wanted.
    async fn lead(&self, run: &mut Run) -> bool {
        let asked = Instant::now();
        let lease = timeout(LEASE_PATIENCE, self.sinks.lease(LEASE, &run.leader.me, run.leader.ttl())).await;
        let lease = match lease {
            Ok(Ok(lease)) => Some(lease),
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "it is not known who leads");
                None
            }
            Err(_) => None,
        };
        if run.leader.hear(lease, asked) {
            (run.resumed, run.warned) = (false, false);
            self.lock().term += 1;
        }
        let leads = run.leader.leads();
        self.metrics.leads(leads);
        {
            let mut standing = self.lock();
            (standing.leads, standing.other) = (leads, run.leader.other().map(str::to_owned));
        }
        if leads && !run.resumed {
            match timeout(LEASE_PATIENCE, self.sinks.kept()).await {
                Ok(Ok(kept)) => {
                    let kept = kept.filter(|record| !record.simulated || self.config.simulated);
                    if let Some(record) = &kept {
                        tracing::info!(as_of = %record.as_of, state = ?record.state, "going on with the record in the cache");
                    }
                    run.rounds.resume(kept, self.config.clock.now());
                    run.rounds.last_good().iter().for_each(|record| run.past.take_up(record));
                    self.note(&run.rounds);
                    run.resumed = true;
                }
                Ok(Err(error)) => tracing::debug!(error = error.chain(), "no record is taken over from the cache"),
                Err(_) => {}
            }
        }
        if leads && !run.warned {
            // Nobody is asked before it is known whom to leave alone.
            let sources = self.panel.gated();
            let told = polling::told(&sources, &*self.sinks, &run.leader.me, self.config.clock.now());
            if let Ok(Some(paused)) = timeout(LEASE_PATIENCE, told).await {
                for (source, left) in paused {
                    self.panel.leave_alone(source, left);
                }
                run.warned = true;
            }
        }
        leads && run.warned
    }

    async fn slot(&self, run: &mut Run, slot: Instant) {
        self.panel.ask(&mut run.asked, slot).await;
        let now = self.config.clock.now();
        let min_sources = self.config.min_sources(self.panel.exchanges());
        let wanted = Wanted {
            currencies: self.config.currencies.clone(),
            rules: Rules { min_sources, max_spread_percent: self.config.max_spread_percent },
            traded: self.panel.traded(min_sources),
        };
        let since = now.minus(self.config.prolong);
        let market = Market::of(&self.panel.voices(slot), &wanted, &run.past, since);
        run.past.note(&market);
        self.panel.judge(&market, now);
        run.news.tell(&market, &self.config.currencies);
        if run.round.is_none_or(|due| slot >= due) {
            // Rounds keep their pace, whatever a slot took; and begin anew where none was done for a while.
            let next = run.round.map(|due| due + self.config.refresh);
            run.round = next.filter(|&next| next > slot).or(Some(slot + self.config.refresh));
            let step = self.round(&mut run.rounds, &market, now);
            self.carry_out(step, &run.rounds);
        }
        self.pauses.put(self.panel.paused());
        self.boards.put(Arc::new(board(now, self.panel.courses(slot), market)));
    }

    fn round(&self, rounds: &mut Rounds, market: &Market, now: Timestamp) -> Step {
        let currencies = &self.config.currencies;
        // A record that has run out by now is none.
        let young = |record: &NewPriceRecord| now.since(record.as_of) < self.config.ttl;
        // A record lasts a ttl from its oldest price, and half of that is to be left when it is written, for a write may fail.
        // An index that is asked every third round is two rounds old then at most, so it does not come and go; the slot is for
        // rounds and asks that are not exactly so far apart.
        let behind = self.config.ttl / 2 + self.config.slot;
        if let Some(record) = market.record(currencies, behind).filter(young) {
            let whole = record.prices.len() == currencies.len();
            self.metrics.round(if whole { RoundResult::Good } else { RoundResult::Partial });
            rounds.good(record)
        } else {
            self.metrics.round(RoundResult::Failed);
            rounds.failed_at(now)
        }
    }

    fn carry_out(&self, step: Step, rounds: &Rounds) {
        self.note(rounds);
        if let Some(change) = step.change {
            let as_of = rounds.last_good().map(|record| record.as_of.to_string());
            tell_change(change, rounds.failed(), as_of, self.config.prolong);
        }
        if let Some(write) = step.write {
            self.records.put(write);
        }
    }

    fn note(&self, rounds: &Rounds) {
        let mut standing = self.lock();
        standing.failed_rounds = rounds.failed();
        standing.last_good = rounds.last_good().map(|record| record.as_of);
    }

    /// Each until it succeeds or its round is over: the next round has a newer one.
    async fn write_records(&self) {
        let mut records = self.records.reader();
        while let Some(write) = records.next().await {
            let result = self.sinks.put(&write.record, write.ttl, self.config.refresh).await;
            if let Ok(kept) = &result {
                self.metrics.written(kept.as_of);
            }
            self.record_written.note(result.as_ref().map(drop), &self.metrics);
        }
    }

    async fn write_boards(&self) {
        let mut boards = self.boards.reader();
        while let Some(board) = boards.next().await {
            let result = self.sinks.put_board(&board).await;
            self.board_written.note(result.as_ref().map(drop), &self.metrics);
        }
    }

    /// What changed since it was written down; what could not be written is written with the next board, as it is then.
    async fn write_courses(&self) {
        let mut written = Written::default();
        let mut boards = self.boards.reader();
        while let Some(board) = boards.next().await {
            written.doubt(self.lock().term, Instant::now());
            let Some(news) = written.news(&board) else { continue };
            let result = self.sinks.write_courses(&news).await;
            if result.is_ok() {
                written.note(&news);
            }
            self.courses_written.note(result.as_ref().map(drop), &self.metrics);
        }
    }

    async fn tell_pauses(&self) {
        let mut told = polling::Told::default();
        let mut paused = self.pauses.reader();
        while let Some(paused) = paused.next().await {
            told.tell(&paused, &*self.sinks, self.config.clock.now()).await;
        }
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        self.panel.roster()
    }

    pub fn report(&self) -> SourcesReport {
        let sources = self.panel.reports(self.config.clock.now());
        let standing = self.lock();
        SourcesReport {
            leads: standing.leads,
            failed_rounds: standing.failed_rounds,
            last_good: standing.last_good,
            sources,
        }
    }

    pub fn parts(&self) -> Vec<Component> {
        let (leads, other) = {
            let standing = self.lock();
            (standing.leads, standing.other.clone())
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
        [cache, history.optional()].into_iter().chain(self.panel.parts()).collect()
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
