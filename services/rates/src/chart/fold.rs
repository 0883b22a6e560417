//! Candles of every exchange, folded into one line and one band.

use std::{collections::BTreeMap, time::Duration};

use common::{api::courses::Candle, time::Timestamp};

/// For how many candles a course counts after the last one that began: it may stand still for a while, and an exchange that
/// has gone does not speak for ever.
const MAX_CARRIED_CANDLES: i64 = 10;
/// What is farther from the median than a twentieth is left out of the band, as it is of the agreed price: one exchange that
/// lies would make everything else a flat line.
const BAND_DIVISOR: i64 = 20;
/// Most points of the line: more than the picture has columns nobody sees.
const MAX_POINTS: i64 = 400;

/// What the exchanges told around one time, in hundred-millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) median: i64,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// The line, in pieces where nobody told anything in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) pieces: Vec<Vec<Point>>,
    pub(super) exchangers: usize,
    pub(super) simulated: bool,
}

impl Series {
    pub(super) fn last(&self) -> Option<Point> {
        self.pieces.last().and_then(|piece| piece.last()).copied()
    }

    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.pieces.iter().flatten()
    }
}

/// Where a course was last, and how far it went.
#[derive(Debug, Clone, Copy)]
struct ExchangeRange {
    slot: i64,
    low: i64,
    high: i64,
    close: i64,
}

/// Folds the candles of the `hours` before `now`; `width` is how long a candle is. They may come in any order.
pub(super) fn fold(candles: &[Candle], now: Timestamp, hours: u32, width: Duration) -> Series {
    let width = i64::try_from(width.as_secs()).unwrap_or(60).max(1);
    let slot_of = |time: Timestamp| time.micros() / 1_000_000 / width;
    let last = slot_of(now);
    let first = slot_of(now.minus(Duration::from_hours(hours.into())));
    // Several candles become one point where there are more than can be seen.
    let step = (last - first).div_euclid(MAX_POINTS) + 1;

    let mut exchangers: BTreeMap<&str, BTreeMap<i64, &Candle>> = BTreeMap::new();
    for candle in candles {
        let slot = slot_of(candle.start);
        if slot <= last {
            exchangers.entry(&candle.exchanger).or_default().insert(slot, candle);
        }
    }
    let mut series = Series {
        exchangers: exchangers.len(),
        simulated: candles.iter().any(|candle| candle.simulated),
        ..Series::default()
    };
    let mut piece = Vec::new();
    let mut begin = first;
    while begin <= last {
        let end = (begin + step - 1).min(last);
        let stands: Vec<_> = exchangers.values().filter_map(|candles| stand(candles, begin, end)).collect();
        match point(&stands, end * width) {
            Some(point) => piece.push(point),
            None if piece.is_empty() => {}
            None => series.pieces.push(std::mem::take(&mut piece)),
        }
        begin += step;
    }
    if !piece.is_empty() {
        series.pieces.push(piece);
    }
    series
}

/// What an exchange told in the slots from `begin` to `end`, or a little before where it told nothing new.
fn stand(candles: &BTreeMap<i64, &Candle>, begin: i64, end: i64) -> Option<ExchangeRange> {
    let mut stand: Option<ExchangeRange> = None;
    for (&slot, candle) in candles.range(begin..=end) {
        let [low, high, close] = [candle.low, candle.high, candle.close].map(common::money::Rate::hundred_millionths);
        stand = Some(match stand {
            Some(stand) => ExchangeRange { slot, low: stand.low.min(low), high: stand.high.max(high), close },
            None => ExchangeRange { slot, low, high, close },
        });
    }
    stand
        .or_else(|| {
            let (&slot, candle) = candles.range(..begin).next_back()?;
            let close = candle.close.hundred_millionths();
            Some(ExchangeRange { slot, low: close, high: close, close })
        })
        .filter(|stand| end - stand.slot <= MAX_CARRIED_CANDLES)
}

fn point(stands: &[ExchangeRange], at: i64) -> Option<Point> {
    let mut closes: Vec<_> = stands.iter().map(|stand| stand.close).collect();
    closes.sort_unstable();
    let median = match closes.len() {
        0 => return None,
        n if n % 2 == 1 => closes[n / 2],
        // For the eye alone: half of a hundred-millionth is no matter.
        n => closes[n / 2 - 1].midpoint(closes[n / 2]),
    };
    let spread = median / BAND_DIVISOR;
    let near = stands.iter().filter(|stand| stand.close.abs_diff(median) <= spread.unsigned_abs());
    let (low, high) = near.fold((median, median), |(low, high), stand| (low.min(stand.low), high.max(stand.high)));
    Some(Point { at, median, low: low.max(median - spread), high: high.min(median.saturating_add(spread)) })
}
