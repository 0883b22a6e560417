//! The machine against a plain model of what anybody may read, over every string of good and failed lifecycle, with something
//! that goes wrong beside them at every place.
//!
//! The model knows nothing of states or counts. It looks at the whole past each time: when the last good round was, how many
//! rounds failed since, and when what was written was lost.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, Price, PriceRecord, PriceState},
    money::Currency,
    time::Timestamp,
};

use super::super::{RecordLifecycle, RecordLifetimes};

/// RecordLifecycle in a string. Four in a row prolong, and at twelve the shortened hour is long over.
const ROUNDS: u32 = 12;
const REFRESH: u64 = 15;
const TTL: u64 = 60;
/// As an hour is to 240 rounds: shorter than a string, so that records expire in it.
const PROLONG: u64 = 130;

/// What goes wrong right before a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    /// price-updater starts anew.
    Updater,
    /// price-cache-proxy or Redis starts anew and has nothing.
    CacheLost,
    /// price-updater starts anew and finds nothing.
    Both,
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000_000_000).unwrap().plus(Duration::from_secs(second))
}

fn good(second: u64) -> NewPriceRecord {
    let price = Price { price: "84000.12".parse().unwrap(), sources: Vec::new() };
    let prices = [(Currency::EUR, price)].into();
    NewPriceRecord { state: PriceState::Fresh, as_of: at(second), simulated: false, prices }
}

/// So many seconds after each round it is read: right after it, somewhere between, and right before the next.
const LATER: [u64; 3] = [0, 7, REFRESH - 1];

/// What is read after each round, by driving the machine: the state, and the second it was observed at.
fn driven(string: u32, mishap: Option<(u32, Mishap)>) -> Vec<Option<(PriceState, u64)>> {
    let lifetimes = RecordLifetimes {
        refresh: Duration::from_secs(REFRESH),
        ttl: Duration::from_secs(TTL),
        prolong: Duration::from_secs(PROLONG),
    };
    let mut lifecycle = RecordLifecycle::new(lifetimes);
    let mut cache: Option<PriceRecord> = None;
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        let start = u64::from(round) * REFRESH;
        let read = |cache: &Option<PriceRecord>, second: u64| {
            let record = cache.as_ref().filter(|record| record.is_current(at(second)))?;
            let as_of = record.as_of.since(at(0)).as_secs();
            Some((record.state, as_of))
        };
        match mishap.filter(|(place, _)| *place == round).map(|(_, what)| what) {
            Some(Mishap::Updater) => {
                lifecycle = RecordLifecycle::new(lifetimes);
                lifecycle.resume(cache.clone().filter(|record| record.is_current(at(start))), at(start));
            }
            Some(Mishap::CacheLost) => cache = None,
            Some(Mishap::Both) => {
                cache = None;
                lifecycle = RecordLifecycle::new(lifetimes);
            }
            None => {}
        }
        let step = if string & (1 << round) == 0 { lifecycle.fail(at(start)) } else { lifecycle.succeed(good(start)) };
        if let Some(write) = step.write {
            cache = Some(write.record.into_record(write.ttl, at(start)).expect("nothing is written that has run out"));
        }
        seen.extend(LATER.map(|second| read(&cache, start + second)));
    }
    seen
}

/// What may be read `later` seconds after `round`, of the whole past.
fn expected(string: u32, mishap: Option<(u32, Mishap)>, round: u32, later: u64) -> Option<(PriceState, u64)> {
    let last_good = (0..=round).rev().find(|round| string & (1 << round) != 0)?;
    let failed = round - last_good;
    let as_of = u64::from(last_good) * REFRESH;
    let now = u64::from(round) * REFRESH;
    let (now, age) = (now + later, now - as_of);
    // What nobody remembers is gone: when both parts start anew, or when price-updater does and what is kept has run out.
    let forgotten = mishap.is_some_and(|(place, what)| {
        let since = last_good < place && place <= round;
        let then = (u64::from(place) * REFRESH).saturating_sub(as_of);
        // One second is added where the record is prolonged, for ages are cut to whole ones.
        let kept_until =
            |failed: u32| if failed > 3 { u64::from(failed) * REFRESH + 1 + TTL } else { TTL }.min(PROLONG);
        let run_out = since && then >= kept_until(place - last_good - 1);
        since && (what == Mishap::Both || (what == Mishap::Updater && run_out))
    });
    let (state, end) =
        if failed > 3 { (PriceState::Prolonged, (age + 1 + TTL).min(PROLONG)) } else { (PriceState::Fresh, TTL) };
    // Nothing is written of what is too old by the time of the round; what was written before ends by itself, no later.
    (!forgotten && age < PROLONG && now < as_of + end).then_some((state, as_of))
}

#[test]
fn what_is_read_is_what_the_plain_model_says_whatever_fails_and_starts_anew() {
    let mishaps = (0..ROUNDS)
        .flat_map(|place| [Mishap::Updater, Mishap::CacheLost, Mishap::Both].map(|what| Some((place, what))));
    let mishaps: Vec<_> = std::iter::once(None).chain(mishaps).collect();
    for string in 0..1 << ROUNDS {
        for &mishap in &mishaps {
            let seen = driven(string, mishap);
            for (round, seen) in (0..ROUNDS).zip(seen.chunks(LATER.len())) {
                let model = LATER.map(|later| expected(string, mishap, round, later));
                assert_eq!(seen, model, "{string:012b} read from the right, {mishap:?}, after round {round}");
            }
        }
    }
}
