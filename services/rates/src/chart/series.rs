//! Combines the candles of all exchanges into one line and one band. A candle aggregates the courses of one pair at one
//! exchange in a period, which is called a bucket here. A course is the last price of one pair at one exchange. The API
//! calls an exchange `exchanger`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{api::courses::Candle, money::Rate, time::Timestamp};

/// Maximum number of buckets over which the last course of an exchange is carried forward. An exchange has no candle while
/// its course stays the same. The limit excludes an exchange that no longer reports.
const MAX_CARRIED_CANDLES: i64 = 10;
/// A gap is shown where no exchange has a course for this many times the usual spacing. A spacing is the time between
/// two successive buckets with a course.
const GAP_FACTOR: i64 = 2;
/// Minimum number of spacings from which the usual spacing is computed.
const MIN_SPACINGS: usize = 10;
/// The band excludes a course whose distance from the median exceeds the median divided by this number. A single
/// wrong course would otherwise flatten the line.
const BAND_DIVISOR: i64 = 20;
/// Maximum number of points of the line.
const MAX_POINTS: i64 = 400;

/// The median and the band of the courses of all exchanges at one time, in hundred-millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// Seconds since 1970.
    pub(super) time: i64,
    pub(super) median: i64,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// The line of a chart. The line is split where no exchange reports a course for too long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) segments: Vec<Vec<Point>>,
    /// Number of exchanges with a candle that starts before the end of the period.
    pub(super) exchangers: usize,
    pub(super) simulated: bool,
}

/// The period that a chart shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) end: Timestamp,
    pub(super) hours: u32,
    pub(super) candle_width: Duration,
    /// Whether the last courses are carried forward to the end of the period. False if the pair has no current price,
    /// because a line up to the end would look like a current price.
    pub(super) carries_to_end: bool,
}

/// The range and the last course of one exchange in the buckets of one point.
#[derive(Debug, Clone, Copy)]
struct ExchangeRange {
    /// The bucket of the last course. It precedes the buckets of the point if the course is carried forward.
    last_bucket: i64,
    low: i64,
    high: i64,
    close: i64,
}

impl Series {
    pub(super) fn last_point(&self) -> Option<Point> {
        self.segments.last().and_then(|segment| segment.last()).copied()
    }

    /// The last point before each gap, and the first point after the gap.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (Point, Point)> {
        let neighbours = self.segments.iter().zip(self.segments.iter().skip(1));
        neighbours.filter_map(|(before, after)| Some((*before.last()?, *after.first()?)))
    }

    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.segments.iter().flatten()
    }

    /// Combines candles in any order.
    pub(super) fn from_candles(candles: &[Candle], period: Period) -> Self {
        let Period { end, hours, candle_width, carries_to_end } = period;
        let width = i64::try_from(candle_width.as_secs()).unwrap_or(60).max(1);
        let bucket_of = |time: Timestamp| time.micros() / 1_000_000 / width;
        let last = bucket_of(end);
        let first = bucket_of(end.minus(Duration::from_hours(hours.into())));
        // One point spans several buckets if there are more than `MAX_POINTS` buckets.
        let step = (last - first).div_euclid(MAX_POINTS) + 1;

        let mut exchangers: BTreeMap<&str, BTreeMap<i64, &Candle>> = BTreeMap::new();
        for candle in candles {
            let bucket = bucket_of(candle.start);
            if bucket <= last {
                exchangers.entry(&candle.exchanger).or_default().insert(bucket, candle);
            }
        }
        let mut series = Self {
            exchangers: exchangers.len(),
            simulated: candles.iter().any(|candle| candle.simulated),
            ..Self::default()
        };
        let all_buckets: BTreeSet<i64> = exchangers.values().flat_map(BTreeMap::keys).copied().collect();
        let max_empty_buckets = max_empty_buckets(&all_buckets);
        let is_in_gap = |bucket: i64| {
            let newest = all_buckets.range(..=bucket).next_back();
            newest.is_none_or(|newest| bucket - newest > max_empty_buckets)
        };
        let mut segment = Vec::new();
        let mut step_first = first;
        while step_first <= last {
            let step_last = (step_first + step - 1).min(last);
            let range_of = |candles| ExchangeRange::of_buckets(candles, step_first, step_last);
            let is_after_end = !carries_to_end && all_buckets.last().is_some_and(|&newest| newest < step_first);
            let is_empty = is_after_end || is_in_gap(step_last);
            let ranges: Vec<_> = if is_empty { Vec::new() } else { exchangers.values().filter_map(range_of).collect() };
            match Point::from_ranges(&ranges, step_last * width) {
                Some(point) => segment.push(point),
                None if segment.is_empty() => {}
                None => series.segments.push(std::mem::take(&mut segment)),
            }
            step_first += step;
        }
        if !segment.is_empty() {
            series.segments.push(segment);
        }
        series
    }
}

/// Maximum number of successive buckets without a course of any exchange that do not count as a gap. The courses of a
/// frequently traded pair change in each bucket, so even two buckets without a course are an outage. The courses of
/// other pairs can stay the same for longer.
fn max_empty_buckets(buckets: &BTreeSet<i64>) -> i64 {
    let mut spacings: Vec<_> =
        buckets.iter().zip(buckets.iter().skip(1)).map(|(earlier, later)| later - earlier).collect();
    if spacings.len() < MIN_SPACINGS {
        return MAX_CARRIED_CANDLES;
    }
    spacings.sort_unstable();
    // Nine of ten spacings are at most this long. A single long spacing, such as an outage, therefore has no influence.
    let usual = spacings[spacings.len() * 9 / 10];
    (usual * GAP_FACTOR - 1).min(MAX_CARRIED_CANDLES)
}

impl ExchangeRange {
    /// The range in the buckets from `first` to `last`. If the exchange has no candle in these buckets, its last course
    /// before `first` is carried forward. `None` if the last candle is more than [`MAX_CARRIED_CANDLES`] buckets before
    /// `last`, or if there is no candle.
    fn of_buckets(candles: &BTreeMap<i64, &Candle>, first: i64, last: i64) -> Option<Self> {
        let mut range: Option<Self> = None;
        for (&last_bucket, candle) in candles.range(first..=last) {
            let [low, high, close] = [candle.low, candle.high, candle.close].map(Rate::hundred_millionths);
            range = Some(match range {
                Some(range) => Self { last_bucket, low: range.low.min(low), high: range.high.max(high), close },
                None => Self { last_bucket, low, high, close },
            });
        }
        range
            .or_else(|| {
                let (&last_bucket, candle) = candles.range(..first).next_back()?;
                let close = candle.close.hundred_millionths();
                Some(Self { last_bucket, low: close, high: close, close })
            })
            .filter(|range| last - range.last_bucket <= MAX_CARRIED_CANDLES)
    }
}

impl Point {
    fn from_ranges(ranges: &[ExchangeRange], time: i64) -> Option<Self> {
        let mut closes: Vec<_> = ranges.iter().map(|range| range.close).collect();
        closes.sort_unstable();
        let median = match closes.len() {
            0 => return None,
            n if n % 2 == 1 => closes[n / 2],
            // Rounding half of a hundred-millionth is not visible in a chart.
            n => closes[n / 2 - 1].midpoint(closes[n / 2]),
        };
        let spread = median / BAND_DIVISOR;
        let near = ranges.iter().filter(|range| range.close.abs_diff(median) <= spread.unsigned_abs());
        let (low, high) = near.fold((median, median), |(low, high), range| (low.min(range.low), high.max(range.high)));
        Some(Self { time, median, low: low.max(median - spread), high: high.min(median.saturating_add(spread)) })
    }
}
