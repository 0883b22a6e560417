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
    active_sources::Roster,
    backoff_leases::Paused,
    config::Manners,
    poller::{Kept, Seat},
};
use crate::{
    metrics::UpdaterMetrics,
    pricing::{Seen, Stillness, Voice},
    sources::{Ask, Source},
    ticker::MAX_FIXING_AGE,
};

pub(crate) struct Panel {
    /// Every source that can be switched on.
    seats: Vec<Arc<Seat>>,
    /// Which of them are asked.
    roster: Arc<Roster>,
    wanted: Arc<[CurrencyPair]>,
    manners: Manners,
    stillness: Mutex<Stillness>,
    metrics: UpdaterMetrics,
}

impl Panel {
    /// Of `sources`, the first `active` ones are asked until others are switched on.
    pub(crate) fn new(sources: Vec<Box<dyn Source>>, active: usize, manners: Manners, metrics: UpdaterMetrics) -> Self {
        let known = sources.iter().map(|source| (source.name(), source.kind())).collect();
        let roster = Arc::new(Roster::new(known, active, manners.min_voting));
        let now = manners.clock.now();
        let wanted: BTreeSet<_> = sources.iter().flat_map(|source| source.directions().to_vec()).collect();
        let seats = sources.into_iter().map(|source| Arc::new(Seat::new(source, now))).collect();
        let wanted = wanted.into_iter().collect();
        Self { seats, roster, wanted, manners, stillness: Mutex::default(), metrics }
    }

    /// Asks each source whose turn it is in the slot that was due at `slot`, and waits until all have answered: at most four
    /// fifths of a slot, and not for one that made a slot wait the last time. One that answers later is heard in the next
    /// slot. `asked` are those that are being asked.
    pub(crate) async fn ask(&self, asked: &mut JoinSet<&'static str>, slot: Instant) {
        while asked.try_join_next().is_some() {}
        let now = self.manners.clock.now();
        let mut awaited = BTreeSet::new();
        for seat in self.active() {
            let Some(worth_waiting) = seat.begin(slot) else { continue };
            if worth_waiting {
                awaited.insert(seat.source.name());
            }
            let (seat, wanted, manners, metrics) =
                (Arc::clone(seat), Arc::clone(&self.wanted), self.manners, self.metrics.clone());
            asked.spawn(async move {
                let source = seat.source.name();
                let ask = Ask { wanted: &wanted, now, deadline: Instant::now() + manners.timeout };
                let (latency, faults) = seat.ask(ask, &manners).await;
                metrics.asked(source, latency);
                for (_, error) in &faults {
                    metrics.source_error(source, error.kind());
                }
                source
            });
        }
        let patience = Instant::now() + self.manners.patience();
        while !awaited.is_empty() {
            match timeout_at(patience, asked.join_next()).await {
                Ok(Some(Ok(source))) => drop(awaited.remove(source)),
                // It panicked, which is in the log: it is not known which one, so the others are still waited for.
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        for seat in self.active().filter(|seat| awaited.contains(seat.source.name())) {
            seat.kept_waiting();
        }
    }

    /// What each source says in the slot that was due at `slot`, and whether it is to be listened to.
    pub(crate) fn voices(&self, slot: Instant) -> Vec<Voice> {
        let all: Vec<_> = self.active().flat_map(|seat| self.kept(seat, slot)).collect();
        let mut stillness = self.stillness.lock().unwrap_or_else(PoisonError::into_inner);
        let live = all.iter().filter(|(_, _, kept, fresh)| *fresh && kept.quote.kind != CourseKind::Fixing);
        let seen: Vec<_> = live.map(|(seat, told, kept, _)| self.seen(seat, *told, kept)).collect();
        stillness.look(&seen, slot);
        let voice = |(seat, told, kept, fresh): &(&Seat, CurrencyPair, Kept, bool)| {
            let source = seat.source.name();
            let frozen = kept.quote.kind != CourseKind::Fixing && stillness.is_frozen(source, *told);
            let unfit = if *fresh { frozen.then_some(Rejection::Frozen) } else { Some(Rejection::Stale) };
            Voice {
                source,
                kind: kept.quote.kind,
                told: *told,
                value: kept.quote.vote(),
                book: kept.quote.book,
                observed_at: kept.quote.observed_at,
                simulated: kept.simulated,
                unfit,
            }
        };
        all.iter().map(voice).collect()
    }

    /// The newest course of each source and direction that is young enough to be shown.
    pub(crate) fn courses(&self, slot: Instant) -> Vec<Course> {
        let shown = |seat: &Arc<Seat>| {
            let longest = SNAPSHOT_TTL.max(seat.source.period() * 2);
            let all = self.kept(seat, slot).into_iter();
            let young = all.filter(move |(.., kept, fresh)| *fresh || age(kept, slot) < longest);
            young.map(|(seat, told, kept, _)| course(seat, told, &kept)).collect::<Vec<_>>()
        };
        self.active().flat_map(shown).collect()
    }

    /// What at least so many exchanges trade, whether they tell it right now or not.
    pub(crate) fn traded(&self, by: usize) -> BTreeSet<CurrencyPair> {
        let exchanges = self.active().filter(|seat| seat.source.kind() == CourseKind::Trade);
        let mut traded: BTreeMap<CurrencyPair, usize> = BTreeMap::new();
        for direction in exchanges.flat_map(|seat| seat.source.directions()) {
            *traded.entry(*direction).or_default() += 1;
        }
        traded.into_iter().filter(|(_, exchanges)| *exchanges >= by).map(|(direction, _)| direction).collect()
    }

    /// How many exchanges are asked.
    pub(crate) fn exchanges(&self) -> usize {
        self.active().filter(|seat| seat.source.kind() == CourseKind::Trade).count()
    }

    /// The sources whose requests can be held back.
    pub(crate) fn gated(&self) -> Vec<&'static str> {
        let gated = self.seats.iter().filter(|seat| seat.source.gate().is_some());
        gated.map(|seat| seat.source.name()).collect()
    }

    /// Those that are left alone now, and until when.
    pub(crate) fn paused(&self) -> Vec<Paused> {
        let paused = |seat: &Arc<Seat>| Some((seat.source.name(), seat.source.gate()?.paused_until()?));
        self.seats.iter().filter_map(paused).collect()
    }

    /// As the source asked another instance for.
    pub(crate) fn leave_alone(&self, source: &str, wait: Duration) {
        for gate in self.seats.iter().filter(|seat| seat.source.name() == source).filter_map(|seat| seat.source.gate())
        {
            let pause = gate.pause(Some(wait));
            tracing::info!(source, ?pause, "a source is left alone, as it asked for before");
        }
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster)
    }

    /// Those that are asked, in their order.
    fn active(&self) -> impl Iterator<Item = &Arc<Seat>> {
        let order = self.roster.order().to_vec();
        order.into_iter().filter_map(|place| self.seats.get(place))
    }

    /// Each quote of a source, and whether it is young enough to count.
    fn kept<'a>(&self, seat: &'a Seat, slot: Instant) -> Vec<(&'a Seat, CurrencyPair, Kept, bool)> {
        let (every, period) = (self.manners.slot, seat.source.period());
        let is_fresh = |kept: &Kept| match seat.source.kind() {
            CourseKind::Fixing => age(kept, slot) <= MAX_FIXING_AGE,
            // One ask may fail. What is told is older than the ask, as the price shows, and a record goes by that.
            CourseKind::Index => slot.saturating_duration_since(kept.asked) <= period * 2 + every,
            CourseKind::Trade => age(kept, slot) <= (every + every.max(period)).min(self.manners.oldest),
        };
        let quotes = seat.memory().quotes.clone();
        quotes.into_iter().map(|(told, kept)| (seat, told, kept, is_fresh(&kept))).collect()
    }

    fn seen(&self, seat: &Seat, told: CurrencyPair, kept: &Kept) -> Seen {
        Seen {
            source: seat.source.name(),
            told,
            numbers: (kept.quote.last, kept.quote.book),
            value: kept.quote.vote(),
            trades: kept.quote.kind == CourseKind::Trade,
            patience: self.manners.frozen_after.max(seat.source.period() * 3),
        }
    }
}

fn age(kept: &Kept, slot: Instant) -> Duration {
    slot.saturating_duration_since(kept.seen)
}

fn course(seat: &Seat, direction: CurrencyPair, kept: &Kept) -> Course {
    let (bid, ask) = kept.quote.book.unzip();
    Course {
        exchanger: seat.source.name().to_owned(),
        direction,
        kind: kept.quote.kind,
        value: kept.quote.course(),
        bid,
        ask,
        observed_at: kept.quote.observed_at,
        simulated: kept.simulated,
    }
}
