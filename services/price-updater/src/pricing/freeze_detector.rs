//! Who stands still while the market moves.
//!
//! An exchange that is halted, and a proxy that serves yesterday's page, go on answering with a price and a time of now. So no
//! time that a source tells is asked for here, only its numbers: how long ago they were last different, by a clock that only
//! goes forward, and how far others moved since. While all stand still the market is flat, and nobody is frozen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::money::{Asset, CurrencyPair, Rate};
use tokio::time::Instant;

use super::arithmetic::within;

/// How far, in thousandths of its lowest price, another one has to go to have moved.
const MOVED: i128 = 1;

/// The numbers of one source in one direction, as they are right now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) source: &'static str,
    pub(crate) told: CurrencyPair,
    pub(crate) numbers: Numbers,
    /// What it counts with.
    pub(crate) value: Rate,
    /// Whether it trades: only such ones show that the market moves.
    pub(crate) trades: bool,
    /// How long its numbers may stand still while the others move.
    pub(crate) freeze_after: Duration,
}

/// The last price, and both sides of the book.
pub(crate) type Numbers = (Option<Rate>, Option<(Rate, Rate)>);

/// What is remembered of every source and direction.
#[derive(Debug, Default)]
pub(crate) struct FreezeDetector(BTreeMap<(&'static str, CurrencyPair), PriceWatch>);

#[derive(Debug)]
struct PriceWatch {
    numbers: Numbers,
    /// When these numbers were first seen.
    since: Instant,
    frozen: bool,
    /// From where to where each of the others went since.
    others: BTreeMap<(&'static str, CurrencyPair), (Rate, Rate)>,
}

impl FreezeDetector {
    /// Looks at the tickers that are young enough to count. One that is missing now is compared again when it comes back.
    pub(crate) fn observe(&mut self, seen: &[Observation], now: Instant) {
        for one in seen {
            let new = || PriceWatch { numbers: one.numbers, since: now, frozen: false, others: BTreeMap::new() };
            let mark = self.0.entry((one.source, one.told)).or_insert_with(new);
            if mark.numbers != one.numbers {
                *mark = new();
            }
        }
        for (&(source, told), mark) in &mut self.0 {
            let others =
                seen.iter().filter(|other| other.trades && other.source != source && move_together(other.told, told));
            for other in others {
                let range = mark.others.entry((other.source, other.told)).or_insert((other.value, other.value));
                *range = (range.0.min(other.value), range.1.max(other.value));
            }
        }
        for one in seen {
            let peers = seen.iter().filter(|other| other.trades && move_together(other.told, one.told));
            let votes: BTreeSet<_> = peers.map(|other| other.source).chain([one.source]).collect();
            if let Some(mark) = self.0.get_mut(&(one.source, one.told)) {
                let still = now.saturating_duration_since(mark.since) >= one.freeze_after;
                let movers = votes.iter().filter(|source| mark.saw_move(source)).count();
                // One more than those who may lie about it, so that nobody is silenced by liars who pretend to move.
                mark.frozen |= still && movers > (votes.len() - 1) / 2;
            }
        }
    }

    /// Whether it stands still while the others move; until its numbers change.
    pub(crate) fn is_frozen(&self, source: &'static str, told: CurrencyPair) -> bool {
        self.0.get(&(source, told)).is_some_and(|mark| mark.frozen)
    }
}

impl PriceWatch {
    /// Whether another source moved since these numbers were first seen.
    fn saw_move(&self, source: &str) -> bool {
        self.others.iter().any(|((other, _), (low, high))| *other == source && !within(MOVED, *low, *high))
    }
}

/// Whether two directions move together: USDT is as good as a dollar for this.
fn move_together(one: CurrencyPair, other: CurrencyPair) -> bool {
    let quote = |at: CurrencyPair| if at.quote == Asset::USDT { Asset::USD } else { at.quote };
    one.base == other.base && quote(one) == quote(other)
}

#[cfg(test)]
mod tests;
