//! The one market that all simulated exchanges stand in: prices as a function of a seed and the time, in integers.

use common::{money::Currency, time::Timestamp};

/// Decimals of a [`Units`] number.
pub(crate) const DECIMALS: u32 = 8;
/// A price in hundred-millionths of the currency's unit.
pub(crate) type Units = i64;
const UNIT: Units = 10_i64.pow(DECIMALS);

/// What a coin costs on average, in whole units of the currency.
const AVERAGES: &[(&str, Currency, i64)] =
    &[("BTC", Currency::EUR, 84_000), ("BTC", Currency::GBP, 72_000), ("BTC", Currency::USD, 91_000)];

/// The swings that a price is the sum of: a period in seconds, and how far a swing goes to either side, in millionths of
/// the price. A longer swing goes further, as in a random walk; together they stay within 1.3 %.
const SWINGS: [(i64, i64); 7] = [(2, 40), (8, 80), (32, 160), (128, 320), (512, 640), (2048, 1_280), (8192, 10_000)];
/// The same for how far one exchange is from the others: within 2 hundredths of a percent.
const EXCHANGE_SWINGS: [(i64, i64); 2] = [(5, 80), (60, 120)];
/// Half of the distance between bid and ask, in millionths of the price.
const HALF_SPREAD: i64 = 20;
const MILLION: i64 = 1_000_000;
const MICROS: i64 = 1_000_000;

/// What one exchange says of one pair at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quote {
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

impl Market {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The quote of `exchange` for a coin in a currency, with prices in whole ticks of `tick`; nothing for a pair that is
    /// not traded.
    pub(crate) fn quote(
        &self,
        exchange: &str,
        (coin, currency): (&str, Currency),
        tick: Units,
        time: Timestamp,
    ) -> Option<Quote> {
        let (.., average) = AVERAGES.iter().find(|(c, fiat, _)| *c == coin && *fiat == currency)?;
        let average = average * UNIT;
        let coin_wide = self.swing(coin, &SWINGS, time);
        let own = self.swing(&format!("{exchange} {coin} {currency}"), &EXCHANGE_SWINGS, time);
        let middle = average + of_millionths(average, coin_wide + own);
        let half_spread = of_millionths(middle, HALF_SPREAD);
        let (bid, ask) = (to_tick(middle - half_spread, tick), to_tick(middle + half_spread, tick) + tick);
        // The last trade was with one of the two sides.
        let bought = self.draw(exchange, time.micros().div_euclid(2 * MICROS)) > 0;
        Some(Quote { last: if bought { ask } else { bid }, bid, ask, time })
    }

    /// How far a price is from its average, in millionths of it.
    fn swing(&self, name: &str, swings: &[(i64, i64)], time: Timestamp) -> i64 {
        let one = |(index, &(period, reach)): (usize, &(i64, i64))| {
            let (period, micros) = (period * MICROS, time.micros());
            let (step, within) = (micros.div_euclid(period), micros.rem_euclid(period));
            let draw = |step| i128::from(self.draw(&format!("{name} {index}"), step)) * i128::from(reach);
            // On the straight line from one draw to the next.
            let (from, to) = (draw(step), draw(step + 1));
            let now = from + (to - from) * i128::from(within) / i128::from(period);
            i64::try_from(now / i128::from(MILLION)).unwrap_or(0)
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

fn of_millionths(price: Units, millionths: i64) -> Units {
    i64::try_from(i128::from(price) * i128::from(millionths) / i128::from(MILLION)).unwrap_or(0)
}

fn to_tick(price: Units, tick: Units) -> Units {
    price - price % tick
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CENT: Units = UNIT / 100;
    const BTC_EUR: (&str, Currency) = ("BTC", Currency::EUR);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn the_same_seed_and_time_give_the_same_price_and_others_do_not() {
        let time = at(1_767_323_045_678_901);
        let quote = |seed, time| Market::new(seed).quote("coinbase", BTC_EUR, CENT, time).unwrap();
        assert_eq!(quote(1, time), quote(1, time));
        assert_ne!(quote(1, time).bid, quote(2, time).bid);
        assert_ne!(quote(1, time).bid, quote(1, at(time.micros() + 15_000_000)).bid);
        assert_eq!(Market::new(1).quote("coinbase", ("XYZ", Currency::EUR), CENT, time), None);
    }

    proptest! {
        #[test]
        fn prices_are_plausible_and_exchanges_are_close(seed: u64, micros in 0_i64..4_000_000_000_000_000) {
            let market = Market::new(seed);
            for &(coin, currency, average) in AVERAGES {
                let pair = (coin, currency);
                let [one, other] = ["coinbase", "kraken"].map(|name| market.quote(name, pair, CENT, at(micros)).unwrap());
                for quote in [one, other] {
                    prop_assert!(0 < quote.bid && quote.bid < quote.ask);
                    prop_assert!(quote.last == quote.bid || quote.last == quote.ask);
                    prop_assert!((quote.last - average * UNIT).abs() <= average * UNIT / 70);
                    prop_assert!(quote.last % CENT == 0);
                }
                prop_assert!((one.last - other.last).abs() <= average * UNIT / 10_000 * 6);
            }
        }

        #[test]
        fn a_price_walks_and_does_not_jump(micros in 0_i64..4_000_000_000_000_000) {
            let market = Market::new(1);
            let [now, soon] =
                [micros, micros + 1_000_000].map(|time| market.quote("kraken", BTC_EUR, CENT, at(time)).unwrap());
            prop_assert!((now.bid - soon.bid).abs() <= now.bid / 2_000);
        }
    }
}
