//! Detects sources whose prices do not change while the market moves.
//!
//! A halted exchange, or a proxy that serves an old page, still answers with a price and the current time. So the detector
//! ignores the times that a source reports. It measures by a monotonic clock how long the numbers of a pair at a source
//! have stayed the same. If that time is long enough, and the prices of most other exchanges have moved during it, the
//! pair is frozen at that source. If only a minority of the exchanges has moved, clearly and repeatedly, a freeze is
//! *suspected*: either the minority is faulty or the pair is frozen. If no price moves, the market is flat and no pair
//! is frozen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::money::{Asset, CurrencyPair, Rate};
use tokio::time::Instant;

use super::arithmetic::Tolerance;
use crate::sources::BidAsk;

/// A price has moved if its highest value exceeds its lowest value by more than this, in thousandths of the lowest value.
const MIN_MOVE: i128 = 1;
/// How often the price of one exchange must have changed before a freeze is suspected, if only a minority of the
/// exchanges has moved. A single wrong price is no evidence of a moving market.
const MIN_CHANGES: u32 = 3;
/// If only a minority of the exchanges has moved, a freeze is suspected only if a moving exchange had a price within this
/// distance of the unchanged price, in thousandths of the unchanged price.
const MAX_DISTANCE: i128 = 20;

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

/// Whether a series is frozen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Freeze {
    #[default]
    None,
    /// At most half of the other exchanges have moved. Neither the unchanged prices nor the moving ones are reliable.
    Suspected,
    /// Most of the other exchanges have moved.
    Confirmed,
}

#[derive(Debug, Default)]
pub(crate) struct FreezeDetector(BTreeMap<Series, UnchangedSpan>);

/// The time in which the numbers of a series have stayed the same.
#[derive(Debug)]
struct UnchangedSpan {
    numbers: Numbers,
    /// The price at the start of the span.
    value: Rate,
    since: Instant,
    freeze: Freeze,
    /// Series at other exchanges whose pairs move together with the pair of this series, and the ranges of their prices
    /// during this span.
    others: BTreeMap<Series, PriceRange>,
}

#[derive(Debug)]
struct PriceRange {
    low: Rate,
    high: Rate,
    last: Rate,
    /// How often the price has changed.
    changes: u32,
}

impl FreezeDetector {
    /// Records the observations of one poll. The span of a series without an observation continues: the moves of other
    /// exchanges during this time count.
    pub(crate) fn observe(&mut self, observations: &[Observation], now: Instant) {
        for observation in observations {
            let &Observation { numbers, value, .. } = observation;
            let start = || UnchangedSpan { numbers, value, since: now, freeze: Freeze::None, others: BTreeMap::new() };
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
                if unchanged {
                    span.freeze = span.freeze.max(span.evidence(&sources));
                }
            }
        }
    }

    /// Whether the series is frozen. A freeze ends when the numbers of the series change.
    pub(crate) fn freeze(&self, series: Series) -> Freeze {
        self.0.get(&series).map_or(Freeze::None, |span| span.freeze)
    }
}

impl UnchangedSpan {
    fn extend(&mut self, other: &Observation) {
        let value = other.value;
        let new = PriceRange { low: value, high: value, last: value, changes: 0 };
        let range = self.others.entry(other.series).or_insert(new);
        let changes = range.changes.saturating_add(u32::from(range.last != value));
        *range = PriceRange { low: range.low.min(value), high: range.high.max(value), last: value, changes };
    }

    /// Whether the prices of `sources` show that this span is a freeze. `sources` contains the source of the span, and
    /// the exchanges whose pairs in this poll move together with the pair of the span.
    fn evidence(&self, sources: &BTreeSet<&str>) -> Freeze {
        let moving = sources.iter().filter(|source| self.moves_of(source).next().is_some()).count();
        // Most of the other exchanges must have moved, so that moving prices of a faulty minority do not confirm the
        // freeze of a correct source.
        if moving > (sources.len() - 1) / 2 {
            Freeze::Confirmed
        } else if sources.iter().any(|source| self.moves_of(source).any(|range| range.is_evidence_against(self.value)))
        {
            Freeze::Suspected
        } else {
            Freeze::None
        }
    }

    /// The ranges of `source` that show that its price has moved while the numbers of this span stayed the same.
    fn moves_of(&self, source: &str) -> impl Iterator<Item = &PriceRange> {
        let of_source = self.others.iter().filter(move |(series, _)| series.source == source);
        of_source.map(|(_, range)| range).filter(|range| range.has_moved())
    }
}

impl PriceRange {
    fn has_moved(&self) -> bool {
        !Tolerance { center: self.low, per_mille: MIN_MOVE }.contains(self.high)
    }

    /// Whether this range suffices to suspect that the price `unchanged` is frozen.
    fn is_evidence_against(&self, unchanged: Rate) -> bool {
        let nearest = unchanged.clamp(self.low, self.high);
        self.changes >= MIN_CHANGES && Tolerance { center: unchanged, per_mille: MAX_DISTANCE }.contains(nearest)
    }
}

/// Whether the prices of two pairs move together. USDT counts as a dollar.
fn move_together(pair: CurrencyPair, other: CurrencyPair) -> bool {
    let quote = |pair: CurrencyPair| if pair.quote == Asset::USDT { Asset::USD } else { pair.quote };
    pair.base == other.base && quote(pair) == quote(other)
}

#[cfg(test)]
mod tests;
