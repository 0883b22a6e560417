//! Detects sources whose prices do not change while the market moves.
//!
//! A halted exchange, or a proxy that serves an old page, still answers with a price and the current time. So the detector
//! ignores the times that a source reports. By a monotonic clock it measures how long the prices of a source have stayed
//! the same. A source is frozen if its prices have stayed the same for long enough, and the prices of most other exchanges have
//! moved in that time. If no price moves, the market is flat and no source is frozen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::money::{Asset, CurrencyPair, Rate};
use tokio::time::Instant;

use super::arithmetic::Tolerance;
use crate::sources::BidAsk;

/// How far a price must move to show that the market moves, in thousandths of its lowest value.
const MIN_MOVE: i128 = 1;

/// One pair at one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) source: &'static str,
    pub(crate) pair: CurrencyPair,
}

/// The current numbers of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) series: Series,
    pub(crate) numbers: Numbers,
    /// The price that the source votes for.
    pub(crate) value: Rate,
    /// Whether the source is an exchange. Only exchanges show that the market moves.
    pub(crate) is_exchange: bool,
    /// How long the numbers may stay the same while the market moves.
    pub(crate) freeze_after: Duration,
}

/// The numbers of a series. A change of any of them shows that the series is not frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) last: Option<Rate>,
    pub(crate) bid_ask: Option<BidAsk>,
}

#[derive(Debug, Default)]
pub(crate) struct FreezeDetector(BTreeMap<Series, UnchangedSpan>);

/// The time in which the numbers of a series have stayed the same.
#[derive(Debug)]
struct UnchangedSpan {
    numbers: Numbers,
    since: Instant,
    frozen: bool,
    /// The range of each comparable series of another exchange in that time.
    others: BTreeMap<Series, PriceRange>,
}

#[derive(Debug)]
struct PriceRange {
    low: Rate,
    high: Rate,
}

impl FreezeDetector {
    /// Updates every series with the observations of one poll. A series without an observation keeps its state.
    pub(crate) fn observe(&mut self, observations: &[Observation], now: Instant) {
        for observation in observations {
            let numbers = observation.numbers;
            let start = || UnchangedSpan { numbers, since: now, frozen: false, others: BTreeMap::new() };
            let span = self.0.entry(observation.series).or_insert_with(start);
            if span.numbers != numbers {
                *span = start();
            }
        }
        let exchanges = || observations.iter().filter(|observation| observation.is_exchange);
        for (series, span) in &mut self.0 {
            let others = exchanges().filter(|other| other.series.source != series.source);
            for other in others.filter(|other| move_together(other.series.pair, series.pair)) {
                span.extend(other);
            }
        }
        for observation in observations {
            let Series { source, pair } = observation.series;
            let peers = exchanges().filter(|other| move_together(other.series.pair, pair));
            let sources: BTreeSet<_> = peers.map(|peer| peer.series.source).chain([source]).collect();
            if let Some(span) = self.0.get_mut(&observation.series) {
                let unchanged = now.saturating_duration_since(span.since) >= observation.freeze_after;
                let moving = sources.iter().filter(|source| span.has_moved(source)).count();
                // A majority must have moved, so that a faulty minority with moving prices cannot freeze a correct source.
                span.frozen |= unchanged && moving > (sources.len() - 1) / 2;
            }
        }
    }

    /// Whether the numbers of the series stayed the same while the market moved. The series is frozen until its numbers change.
    pub(crate) fn is_frozen(&self, series: Series) -> bool {
        self.0.get(&series).is_some_and(|span| span.frozen)
    }
}

impl UnchangedSpan {
    fn extend(&mut self, other: &Observation) {
        let value = other.value;
        let range = self.others.entry(other.series).or_insert(PriceRange { low: value, high: value });
        *range = PriceRange { low: range.low.min(value), high: range.high.max(value) };
    }

    /// Whether a price of `source` has moved while the numbers stayed the same.
    fn has_moved(&self, source: &str) -> bool {
        let moved = |range: &PriceRange| !Tolerance { center: range.low, per_mille: MIN_MOVE }.contains(range.high);
        self.others.iter().any(|(series, range)| series.source == source && moved(range))
    }
}

/// Whether the prices of two pairs move together. USDT counts as a dollar.
fn move_together(pair: CurrencyPair, other: CurrencyPair) -> bool {
    let quote = |pair: CurrencyPair| if pair.quote == Asset::USDT { Asset::USD } else { pair.quote };
    pair.base == other.base && quote(pair) == quote(other)
}

#[cfg(test)]
mod tests;
