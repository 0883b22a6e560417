//! The market behind all simulated exchanges. Prices are integers. They are a pure function of the seed, the time and
//! the moves of the timeline.

mod base_prices;
pub(crate) mod calendar;
pub(crate) mod listed_pair;
pub(crate) mod moves;
pub(crate) mod units;

use base_prices::BITCOIN_USD;
use chrono::NaiveDate;
use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use moves::MarketMoves;
use units::{UNIT, Units};

/// One component of a price's deviation from its base price: linear interpolation between pseudo-random points, one for
/// each period. Longer periods have larger amplitudes, as in a random walk, with one exception in
/// [`COIN_OSCILLATIONS`].
struct Oscillation {
    period_secs: i64,
    /// The largest deviation to either side, in millionths of the price.
    amplitude_ppm: i64,
}

const fn oscillation(period_secs: i64, amplitude_ppm: i64) -> Oscillation {
    Oscillation { period_secs, amplitude_ppm }
}

/// The oscillations of a coin's price in dollars. Their sum stays within 1.3 %. The oscillation of 32 s has a large
/// amplitude, so that in almost every period of two minutes the price moves by more than 0.1 %, and a client can
/// distinguish a frozen exchange from a quiet market.
const COIN_OSCILLATIONS: &[Oscillation] = &[
    oscillation(2, 40),
    oscillation(8, 80),
    oscillation(32, 2_000),
    oscillation(128, 320),
    oscillation(512, 640),
    oscillation(2048, 1_280),
    oscillation(8192, 8_000),
];
/// The oscillations of the price of a coin that is pegged to the dollar. Their sum stays within 0.07 %; with
/// [`EXCHANGE_OSCILLATIONS`], within 0.1 %.
const PEGGED_COIN_OSCILLATIONS: &[Oscillation] =
    &[oscillation(32, 20), oscillation(512, 60), oscillation(8192, 200), oscillation(86_400, 420)];
/// The oscillations of a currency against the dollar. Their sum stays within 0.08 % and changes slowly.
const FIAT_OSCILLATIONS: &[Oscillation] =
    &[oscillation(3_600, 60), oscillation(86_400, 240), oscillation(604_800, 500)];
/// The oscillations of one exchange's price around the mid price of the market. Their sum stays within 0.02 %.
const EXCHANGE_OSCILLATIONS: &[Oscillation] = &[oscillation(5, 80), oscillation(60, 120)];
/// Half of the distance between bid and ask, in millionths of the price.
const HALF_SPREAD_PPM: i64 = 20;
const MILLION: i64 = 1_000_000;
/// Deviations are integers in ten-millionths of the price. For the price of a bitcoin in dollars, this unit is less than
/// a cent. With a unit ten times smaller, products in [`Market::mid_price`] could overflow an `i128`.
const DEVIATION_SCALE: i64 = 10_000_000;
const MICROS_PER_SEC: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SEC;
/// The time of day of a fixing: 14:15 UTC, in microseconds after midnight.
const FIXING_MICROS: i64 = (14 * 60 + 15) * 60 * MICROS_PER_SEC;

/// The prices of one pair at one exchange at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarketTicker {
    pub(crate) last: Units,
    pub(crate) bid: Units,
    pub(crate) ask: Units,
    pub(crate) time: Timestamp,
}

/// The price model. The moves of the timeline are its only state. A move that has started cannot be replaced, so the
/// price at a past time never changes.
#[derive(Debug)]
pub(crate) struct Market {
    seed: u64,
    pub(crate) moves: MarketMoves,
}

/// The value of one unit of an asset in dollars. It is a fraction, because a quotient would be rounded.
struct DollarValue {
    numerator: i128,
    denominator: i128,
}

impl Market {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, moves: MarketMoves::default() }
    }

    /// The ticker of a pair at `exchange`, with prices that are multiples of `tick`. `None` without a mid price.
    pub(crate) fn ticker(
        &self,
        exchange: &str,
        pair: CurrencyPair,
        tick: Units,
        time: Timestamp,
    ) -> Option<MarketTicker> {
        let market_mid = self.mid_price(pair, time)?;
        let deviation = self.deviation(&format!("{exchange} {pair}"), EXCHANGE_OSCILLATIONS, time);
        let mid = market_mid + fraction_of(market_mid, deviation, DEVIATION_SCALE);
        let half_spread = fraction_of(mid, HALF_SPREAD_PPM, MILLION);
        let bid = round_down_to_tick(mid - half_spread, tick);
        let ask = round_down_to_tick(mid + half_spread, tick) + tick;
        // The last trade was at the bid or at the ask.
        let bought = self.pseudo_random(exchange, time.micros().div_euclid(2 * MICROS_PER_SEC)) > 0;
        Some(MarketTicker { last: if bought { ask } else { bid }, bid, ask, time })
    }

    /// The fixing of a pair on a day: its mid price at 14:15 UTC. `None` without a mid price.
    pub(crate) fn fixing(&self, pair: CurrencyPair, day: NaiveDate) -> Option<Units> {
        let days = day.signed_duration_since(NaiveDate::default()).num_days();
        self.mid_price(pair, Timestamp::from_micros(days * MICROS_PER_DAY + FIXING_MICROS).ok()?)
    }

    /// The price of a pair in the whole market, from which the price of each exchange deviates. `None` for an unknown
    /// asset, and for a price that is rounded to zero or exceeds [`Units`].
    pub(crate) fn mid_price(&self, pair: CurrencyPair, time: Timestamp) -> Option<Units> {
        let (base, quote) = (self.dollar_value(pair.base, time)?, self.dollar_value(pair.quote, time)?);
        let price = base.numerator * quote.denominator * i128::from(UNIT) / (base.denominator * quote.numerator);
        i64::try_from(price).ok().filter(|price| *price > 0)
    }

    fn dollar_value(&self, asset: Asset, time: Timestamp) -> Option<DollarValue> {
        let scale = i128::from(DEVIATION_SCALE);
        let deviated = |oscillations| scale + i128::from(self.deviation(asset.as_str(), oscillations, time));
        if let Some(base_price) = base_prices::coin_in_usd(asset) {
            let oscillations = if asset == Asset::USDT { PEGGED_COIN_OSCILLATIONS } else { COIN_OSCILLATIONS };
            let value = i128::from(base_price) * deviated(oscillations);
            return Some(DollarValue {
                numerator: if asset == Asset::USDT { value } else { self.moves.apply(value, time) },
                denominator: scale,
            });
        }
        let base_price = i128::from(base_prices::bitcoin_in(asset)?);
        let factor = if asset == Asset::USD { scale } else { deviated(FIAT_OSCILLATIONS) };
        Some(DollarValue { numerator: i128::from(BITCOIN_USD) * scale, denominator: base_price * factor })
    }

    /// The sum of the oscillations at `time`, relative to the price, in units of 1 / [`DEVIATION_SCALE`]. `name`
    /// selects the pseudo-random points.
    fn deviation(&self, name: &str, oscillations: &[Oscillation], time: Timestamp) -> i64 {
        let component = |(index, oscillation): (usize, &Oscillation)| {
            let period = oscillation.period_secs * MICROS_PER_SEC;
            let (step, elapsed) = (time.micros().div_euclid(period), time.micros().rem_euclid(period));
            let point = |step| {
                let random = self.pseudo_random(&format!("{name} {index}"), step);
                i128::from(random) * i128::from(oscillation.amplitude_ppm)
            };
            let (from, to) = (point(step), point(step + 1));
            let interpolated = from + (to - from) * i128::from(elapsed) / i128::from(period);
            i64::try_from(interpolated / i128::from(MILLION * MILLION / DEVIATION_SCALE)).unwrap_or(0)
        };
        oscillations.iter().enumerate().map(component).sum()
    }

    /// A number from -1,000,000 to 1,000,000 that depends only on the seed, the name and the step.
    fn pseudo_random(&self, name: &str, step: i64) -> i64 {
        let hash = name.bytes().fold(mix(self.seed), |hash, byte| mix(hash ^ u64::from(byte)));
        let hash = mix(hash ^ u64::from_ne_bytes(step.to_ne_bytes()));
        i64::try_from(hash % 2_000_001).unwrap_or(0) - MILLION
    }
}

/// One step of `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// `price * part / whole`. The multiplication cannot overflow.
fn fraction_of(price: Units, part: i64, whole: i64) -> Units {
    i64::try_from(i128::from(price) * i128::from(part) / i128::from(whole)).unwrap_or(0)
}

fn round_down_to_tick(price: Units, tick: Units) -> Units {
    price - price % tick
}

#[cfg(test)]
mod tests;
