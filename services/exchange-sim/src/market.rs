//! The one market that all simulated exchanges stand in: prices as a function of a seed and the time, in integers.

mod base_prices;
pub(crate) mod calendar;
pub(crate) mod exchange_view;

use chrono::NaiveDate;
use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};

use base_prices::BITCOIN_USD;

/// Decimals of a [`Units`] number.
pub(crate) const DECIMALS: u32 = 8;
/// A price in hundred-millionths of the unit of what it is told in.
pub(crate) type Units = i64;
pub(crate) const UNIT: Units = 10_i64.pow(DECIMALS);

/// Swings that a price is the sum of: a period in seconds, and how far a swing goes to either side, in millionths of the
/// price. A longer swing goes further, as in a random walk.
type Swings = &'static [(i64, i64)];
/// Of a coin: together within 1.3 %.
const COIN_SWINGS: Swings = &[(2, 40), (8, 80), (32, 160), (128, 320), (512, 640), (2048, 1_280), (8192, 10_000)];
/// Of a coin that is held to the dollar: within 0.07 %, and within 0.1 % with what an exchange adds.
const PEGGED_SWINGS: Swings = &[(32, 20), (512, 60), (8192, 200), (86_400, 420)];
/// Of a currency against the dollar: within 0.08 %, and slow.
const FIAT_SWINGS: Swings = &[(3_600, 60), (86_400, 240), (604_800, 500)];
/// How far one exchange is from the others: within 2 hundredths of a percent.
const EXCHANGE_SWINGS: Swings = &[(5, 80), (60, 120)];
/// Half of the distance between bid and ask, in millionths of the price.
const HALF_SPREAD: i64 = 20;
const MILLION: i64 = 1_000_000;
/// Swings are added up in ten-millionths of a price: finer than a cent of a bitcoin, and no product of three overflows.
const SWUNG: i64 = 10_000_000;
const MICROS: i64 = 1_000_000;
/// When a day's fixing is taken: a quarter past two in the afternoon, in UTC.
const FIXED_AT: i64 = (14 * 60 + 15) * 60 * MICROS;
const DAY: i64 = 86_400 * MICROS;

/// What one exchange says of one direction at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarketTicker {
    pub(crate) last: Units,
    pub(crate) bid: Units,
    pub(crate) ask: Units,
    pub(crate) time: Timestamp,
}

/// A market that has no state: every moment can be asked for, and asking changes nothing.
#[derive(Debug)]
pub(crate) struct Market {
    seed: u64,
}

/// What something is worth in dollars, as a fraction, so that nothing is rounded before the end.
struct DollarValue {
    numerator: i128,
    denominator: i128,
}

impl Market {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The quote of `exchange` for a direction, with prices in whole ticks of `tick`; nothing for what is not known.
    pub(crate) fn ticker(
        &self,
        exchange: &str,
        of: CurrencyPair,
        tick: Units,
        time: Timestamp,
    ) -> Option<MarketTicker> {
        let everywhere = self.mid_price(of, time)?;
        let own = self.swing(&format!("{exchange} {of}"), EXCHANGE_SWINGS, time);
        let middle = everywhere + share(everywhere, own, SWUNG);
        let half_spread = share(middle, HALF_SPREAD, MILLION);
        let (bid, ask) = (to_tick(middle - half_spread, tick), to_tick(middle + half_spread, tick) + tick);
        // The last trade was with one of the two sides.
        let bought = self.draw(exchange, time.micros().div_euclid(2 * MICROS)) > 0;
        Some(MarketTicker { last: if bought { ask } else { bid }, bid, ask, time })
    }

    /// What a day's fixing says of a direction: the price in the middle of that day's afternoon.
    pub(crate) fn fixing(&self, of: CurrencyPair, day: NaiveDate) -> Option<Units> {
        let days = day.signed_duration_since(NaiveDate::default()).num_days();
        self.mid_price(of, Timestamp::from_micros(days * DAY + FIXED_AT).ok()?)
    }

    /// What a direction costs at the moment, before any exchange has its own way.
    pub(crate) fn mid_price(&self, of: CurrencyPair, time: Timestamp) -> Option<Units> {
        let (base, quote) = (self.dollar_value(of.base, time)?, self.dollar_value(of.quote, time)?);
        let price = base.numerator * quote.denominator * i128::from(UNIT) / (base.denominator * quote.numerator);
        i64::try_from(price).ok().filter(|price| *price > 0)
    }

    fn dollar_value(&self, asset: Asset, time: Timestamp) -> Option<DollarValue> {
        let swung = |swings| i128::from(SWUNG + self.swing(asset.as_str(), swings, time));
        if let Some(average) = base_prices::coin_usd(asset) {
            let swings = if asset == Asset::USDT { PEGGED_SWINGS } else { COIN_SWINGS };
            return Some(DollarValue {
                numerator: i128::from(average) * swung(swings),
                denominator: i128::from(SWUNG),
            });
        }
        let average = i128::from(base_prices::bitcoin_price(asset)?);
        let swung = if asset == Asset::USD { i128::from(SWUNG) } else { swung(FIAT_SWINGS) };
        Some(DollarValue { numerator: i128::from(BITCOIN_USD) * i128::from(SWUNG), denominator: average * swung })
    }

    /// How far a price is from its average, in parts of [`SWUNG`].
    fn swing(&self, name: &str, swings: Swings, time: Timestamp) -> i64 {
        let one = |(index, &(period, reach)): (usize, &(i64, i64))| {
            let (period, micros) = (period * MICROS, time.micros());
            let (step, within) = (micros.div_euclid(period), micros.rem_euclid(period));
            let draw = |step| i128::from(self.draw(&format!("{name} {index}"), step)) * i128::from(reach);
            // On the straight line from one draw to the next.
            let (from, to) = (draw(step), draw(step + 1));
            let now = from + (to - from) * i128::from(within) / i128::from(period);
            i64::try_from(now / i128::from(MILLION * MILLION / SWUNG)).unwrap_or(0)
        };
        swings.iter().enumerate().map(one).sum()
    }

    /// A number from -1000000 to 1000000 that depends on nothing but the seed, the name and the step.
    fn draw(&self, name: &str, step: i64) -> i64 {
        let hash = name.bytes().fold(mix(self.seed), |hash, byte| mix(hash ^ u64::from(byte)));
        let hash = mix(hash ^ u64::from_ne_bytes(step.to_ne_bytes()));
        i64::try_from(hash % 2_000_001).unwrap_or(0) - MILLION
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn share(price: Units, part: i64, whole: i64) -> Units {
    i64::try_from(i128::from(price) * i128::from(part) / i128::from(whole)).unwrap_or(0)
}

fn to_tick(price: Units, tick: Units) -> Units {
    price - price % tick
}

#[cfg(test)]
mod tests;
