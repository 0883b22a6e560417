//! Checks in a million random markets that a minority of faulty sources cannot falsify the price, even if these sources
//! collude, and even if correct sources do not vote because a freeze is suspected. The price must lie in the range of
//! the correct prices. If half or more of the remaining votes may be faulty, the price may leave that range by a small
//! tolerance. The same tolerance applies to converted prices if half or more of the rates of USDT may be faulty.
//!
//! The random numbers have a fixed seed, so that a failure can be reproduced. The test calls only [`tally`], which works
//! on whole numbers and short lists. The test takes only seconds even in a build without optimisation.

use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, Rate},
    time::Timestamp,
};
use fastrand::Rng;

use super::super::{AgreementRules, Vote, Voters, bounds::MAX_UNCERTAINTY_PER_MILLE, tally};

const CASES: u32 = 1_000_000;
const BTC_USD: CurrencyPair = CurrencyPair::new(Asset::BTC, Asset::USD);
const BTC_USDT: CurrencyPair = CurrencyPair::new(Asset::BTC, Asset::USDT);
/// The value of the rate 1. Rates are stored in hundred-millionths.
const UNIT: i64 = 100_000_000;
const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

/// The prices that one source reports, in hundred-millionths.
#[derive(Debug, Clone, Copy)]
struct Source {
    faulty: bool,
    /// The price of bitcoin, in dollars or in USDT.
    bitcoin: Option<(CurrencyPair, i64)>,
    /// The price of USDT in dollars.
    usdt: Option<i64>,
}

/// A market of up to nine sources. The number of faulty sources is less than half the number of sources with a price of
/// bitcoin.
fn random_market(rng: &mut Rng) -> Vec<Source> {
    let bitcoin_price = rng.i64(10_000..200_000) * UNIT;
    // The largest deviation of a source from the market, in millionths. The market may be calm or volatile.
    let noise_millionths = [1, 30, 300, 6_000][rng.usize(..4)];
    let near =
        |rng: &mut Rng, center: i64, millionths: i64| center + center / 1_000_000 * rng.i64(-millionths..=millionths);
    // The price of USDT is at most 1.5 % off one dollar. Each exchange deviates from this price by at most 0.2 %, so
    // that every correct source is within the 2 % that the agreement tolerates.
    let usdt_price = near(rng, UNIT, 15_000);
    let percent_in_dollars = rng.u32(0..=100);
    let percent_with_usdt = rng.u32(0..=100);
    let mut sources: Vec<_> = (0..rng.usize(1..=9))
        .map(|_| {
            let in_dollars = rng.u32(0..100) < percent_in_dollars;
            let (pair, price) = if in_dollars {
                (BTC_USD, bitcoin_price)
            } else {
                (BTC_USDT, bitcoin_price / (usdt_price / 100) * (UNIT / 100))
            };
            let bitcoin = (rng.u32(0..10) > 0).then(|| (pair, near(rng, price, noise_millionths)));
            let usdt = (rng.u32(0..100) < percent_with_usdt).then(|| near(rng, usdt_price, 2_000));
            Source { faulty: false, bitcoin, usdt }
        })
        .collect();
    corrupt_a_minority(&mut sources, rng);
    sources
}

/// The prices that the faulty sources of a market falsify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CorruptionMode {
    /// The price of bitcoin, by one factor for all faulty sources.
    Bitcoin,
    /// The price of USDT, by one factor for all faulty sources.
    Usdt,
    /// Both prices, by one factor for all faulty sources.
    Both,
    /// Both prices, by a random factor for each source.
    BothAtRandom,
}

impl CorruptionMode {
    fn random(rng: &mut Rng) -> Self {
        [Self::Bitcoin, Self::Usdt, Self::Both, Self::BothAtRandom][rng.usize(..4)]
    }
}

fn corrupt_a_minority(sources: &mut [Source], rng: &mut Rng) {
    let voter_count = sources.iter().filter(|source| source.bitcoin.is_some()).count();
    let faulty_count = rng.usize(0..=voter_count.saturating_sub(1) / 2);
    let shared_factor_millionths =
        [999_000, 1_004_000, 1_006_000, 1_019_000, 970_000, 1_049_000, 2_000_000, 100_000][rng.usize(..8)];
    let mode = CorruptionMode::random(rng);
    for _ in 0..faulty_count {
        let index = rng.usize(..sources.len());
        let source = &mut sources[index];
        source.faulty = true;
        let factor_millionths = match mode {
            CorruptionMode::BothAtRandom => rng.i64(1..3_000_000),
            CorruptionMode::Bitcoin | CorruptionMode::Usdt | CorruptionMode::Both => shared_factor_millionths,
        };
        let corrupt = |value: i64| (value / 1_000 * factor_millionths / 1_000).max(1);
        if mode != CorruptionMode::Usdt {
            source.bitcoin = source.bitcoin.map(|(pair, value)| (pair, corrupt(value)));
        }
        if mode != CorruptionMode::Bitcoin {
            source.usdt = source.usdt.map(corrupt);
        }
        // A missing number is a fault too.
        if rng.u32(0..8) == 0 {
            source.usdt = None;
        }
    }
}

/// In a quarter of the markets, removes the bitcoin prices of some correct sources, as if a freeze were suspected.
/// Returns the number of removed prices.
fn suspect_correct_sources(sources: &mut [Source], rng: &mut Rng) -> usize {
    let mut suspected = 0;
    if rng.u32(0..4) == 0 {
        for source in sources.iter_mut().filter(|source| !source.faulty && source.bitcoin.is_some()) {
            if rng.u32(0..3) == 0 {
                source.bitcoin = None;
                suspected += 1;
            }
        }
    }
    suspected
}

fn rate(hundred_millionths: i64) -> Rate {
    Rate::from_hundred_millionths(hundred_millionths).unwrap()
}

fn vote(source: &'static str, pair: CurrencyPair, value: i64) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        pair,
        value: rate(value),
        bid_ask: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
        freeze_suspected: false,
        official_day: None,
    }
}

struct Range {
    low: i128,
    high: i128,
}

/// The lowest and the highest price of a bitcoin in dollars that follows from the correct sources. A price in USDT is
/// converted at each correct USDT rate.
fn correct_range(sources: &[Source]) -> Range {
    let correct = || sources.iter().filter(|source| !source.faulty);
    let usdt_rates: Vec<_> = correct().filter_map(|source| source.usdt).map(i128::from).collect();
    let prices = correct().filter_map(|source| source.bitcoin).flat_map(|(pair, value)| {
        let value = i128::from(value);
        if pair == BTC_USD {
            vec![value]
        } else {
            usdt_rates.iter().map(|rate| value * rate / i128::from(UNIT)).collect()
        }
    });
    let prices: Vec<_> = prices.collect();
    Range {
        low: prices.iter().min().copied().unwrap_or(i128::MAX),
        high: prices.iter().max().copied().unwrap_or(i128::MIN),
    }
}

#[test]
fn faulty_minority_cannot_move_the_price_beyond_the_correct_range_and_the_tolerance() {
    let mut rng = Rng::with_seed(20_260_102);
    let (mut priced, mut with_faulty, mut converted, mut with_suspected) = (0_u32, 0_u32, 0_u32, 0_u32);
    for case in 0..CASES {
        let mut sources = random_market(&mut rng);
        let frozen = suspect_correct_sources(&mut sources, &mut rng);
        let votes: Vec<_> = NAMES
            .iter()
            .zip(&sources)
            .filter_map(|(name, source)| source.bitcoin.map(|(pair, value)| vote(name, pair, value)))
            .collect();
        let mut usdt_rates: Vec<_> = sources.iter().filter_map(|source| source.usdt).map(rate).collect();
        usdt_rates.sort_unstable();
        let rules = AgreementRules { min_sources: rng.usize(1..=2), max_spread_percent: 5 };
        // The reference is the price of the first source, which may be faulty.
        let first = sources.first().and_then(|source| source.bitcoin).map(|(_, value)| rate(value));
        let reference = first.filter(|_| rng.bool());
        let all_votes = Voters { votes: &votes, frozen };

        let Ok(agreement) = tally(BTC_USD, all_votes, &usdt_rates, rules, reference).result else { continue };
        let Range { low, high } = correct_range(&sources);
        let max_faulty = (votes.len() + frozen - 1) / 2;
        let certain_rates = votes.iter().all(|vote| vote.pair == BTC_USD) || usdt_rates.len() > 2 * max_faulty;
        let certain_votes = votes.len() > 2 * max_faulty || frozen == 0;
        let uncertain = i128::from(!certain_rates) + i128::from(!certain_votes);
        let tolerance_per_mille = uncertain * MAX_UNCERTAINTY_PER_MILLE;
        let price = i128::from(agreement.price.hundred_millionths());
        assert!(
            price * 1000 >= (low - 1) * (1000 - tolerance_per_mille)
                && price * (1000 - tolerance_per_mille) <= (high + 1) * 1000,
            "case {case}: {price} is not within {low} and {high}: {sources:?}, reference {reference:?}"
        );
        priced += 1;
        with_faulty += u32::from(sources.iter().any(|source| source.faulty));
        with_suspected += u32::from(frozen > 0);
        converted += u32::from(agreement.used.iter().any(|vote| vote.usdt.is_some()));
    }
    // The test is meaningful only if many cases have a price.
    let covered = priced > CASES / 2 && with_faulty > CASES / 5 && converted > CASES / 5 && with_suspected > CASES / 20;
    assert!(
        covered,
        "too few cases: {priced} with a price, {with_faulty} with faulty sources, {converted} with converted votes, \
         {with_suspected} with suspected sources"
    );
}
