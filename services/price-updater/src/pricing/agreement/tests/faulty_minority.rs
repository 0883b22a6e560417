//! That no minority of liars spoils a price, tried on a million of markets with liars who work together.
//!
//! The loop is plain, seeded, and goes through [`tally`] alone, which is whole numbers and a few short lists: so it takes
//! seconds also where nothing is optimised.

use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, Rate},
    time::Timestamp,
};
use fastrand::Rng;

use super::super::{AgreementRules, Vote, tally};

const CASES: u32 = 1_000_000;
const BTC_USD: CurrencyPair = CurrencyPair::new(Asset::BTC, Asset::USD);
const BTC_USDT: CurrencyPair = CurrencyPair::new(Asset::BTC, Asset::USDT);
const UNIT: i64 = 100_000_000;
const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

/// What one source tells.
#[derive(Debug, Clone, Copy)]
struct Source {
    lies: bool,
    /// What it tells of bitcoin, in dollars or in USDT.
    bitcoin: Option<(CurrencyPair, i64)>,
    /// What it tells of USDT in dollars.
    usdt: Option<i64>,
}

/// A market of up to nine sources. Fewer than half of those who tell bitcoin lie, and nobody else does.
fn market(rng: &mut Rng) -> Vec<Source> {
    let truth = rng.i64(10_000..200_000) * UNIT;
    // From exchanges that agree to a hair to a market in turmoil.
    let noise = [1, 30, 300, 6_000][rng.usize(..4)];
    let near = |rng: &mut Rng, of: i64, millionths: i64| of + of / 1_000_000 * rng.i64(-millionths..=millionths);
    // As far from its peg as it can be for that still to count as kept, and as exchanges differ on it.
    let peg = near(rng, UNIT, 15_000);
    let dollars = rng.u32(0..=100);
    let knows_usdt = rng.u32(0..=100);
    let mut sources: Vec<_> = (0..rng.usize(1..=9))
        .map(|_| {
            let direct = rng.u32(0..100) < dollars;
            let (told, of) = if direct { (BTC_USD, truth) } else { (BTC_USDT, truth / (peg / 100) * (UNIT / 100)) };
            let bitcoin = (rng.u32(0..10) > 0).then(|| (told, near(rng, of, noise)));
            let usdt = (rng.u32(0..100) < knows_usdt).then(|| near(rng, peg, 2_000));
            Source { lies: false, bitcoin, usdt }
        })
        .collect();
    let voters = sources.iter().filter(|source| source.bitcoin.is_some()).count();
    let liars = rng.usize(0..=voters.saturating_sub(1) / 2);
    // One lie for all of them, in one or in all directions, or each its own.
    let factor = [999_000, 1_004_000, 1_006_000, 1_019_000, 970_000, 1_049_000, 2_000_000, 100_000][rng.usize(..8)];
    let manner = rng.usize(..4);
    for _ in 0..liars {
        let place = rng.usize(..sources.len());
        let source = &mut sources[place];
        source.lies = true;
        let each = if manner == 3 { rng.i64(1..3_000_000) } else { factor };
        let lie = |value: i64| (value / 1_000 * each / 1_000).max(1);
        if manner != 1 {
            source.bitcoin = source.bitcoin.map(|(told, value)| (told, lie(value)));
        }
        if manner != 0 {
            source.usdt = source.usdt.map(lie);
        }
        // Silence is a lie too.
        if rng.u32(0..8) == 0 {
            source.usdt = None;
        }
    }
    sources
}

fn vote(source: &'static str, told: CurrencyPair, value: i64) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        told,
        value: Rate::from_hundred_millionths(value).unwrap(),
        book: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
    }
}

/// From the least to the most that honest sources say a bitcoin is in dollars, and whether that is all that may be said.
fn honest_range(sources: &[Source]) -> (i128, i128) {
    let honest = || sources.iter().filter(|source| !source.lies);
    let usdt: Vec<_> = honest().filter_map(|source| source.usdt).map(i128::from).collect();
    let ends = honest().filter_map(|source| source.bitcoin).flat_map(|(told, value)| {
        let value = i128::from(value);
        if told == BTC_USD { vec![value] } else { usdt.iter().map(|usdt| value * usdt / i128::from(UNIT)).collect() }
    });
    let ends: Vec<_> = ends.collect();
    (ends.iter().min().copied().unwrap_or(i128::MAX), ends.iter().max().copied().unwrap_or(i128::MIN))
}

#[test]
fn no_minority_of_liars_moves_a_price_out_of_what_the_honest_say() {
    let mut rng = Rng::with_seed(20_260_102);
    let (mut priced, mut with_liars, mut converted) = (0_u32, 0_u32, 0_u32);
    for case in 0..CASES {
        let sources = market(&mut rng);
        let voters: Vec<_> = NAMES
            .iter()
            .zip(&sources)
            .filter_map(|(name, source)| source.bitcoin.map(|(told, value)| vote(name, told, value)))
            .collect();
        let rate = |units: i64| Rate::from_hundred_millionths(units).unwrap();
        let mut usdt: Vec<_> = sources.iter().filter_map(|source| source.usdt).map(rate).collect();
        usdt.sort_unstable();
        let rules = AgreementRules { min_sources: rng.usize(1..=2), max_spread_percent: 5 };
        // Whatever was agreed before, also if it was a lie.
        let before = sources.first().and_then(|source| source.bitcoin).map(|(_, value)| rate(value));
        let reference = before.filter(|_| rng.bool());

        let tally = tally(BTC_USD, &voters, &usdt, rules, reference);
        let Ok((price, used)) = tally.result else { continue };
        let (low, high) = honest_range(&sources);
        // Beyond it at all only where so few tell USDT that the liars may be as many of them: then by what exchanges differ.
        let liars = (voters.len() - 1) / 2;
        let exact = voters.iter().all(|voter| voter.told == BTC_USD) || usdt.len() > 2 * liars;
        let slack = if exact { 0 } else { 5 };
        let price = i128::from(price.hundred_millionths());
        assert!(
            price * 1000 >= (low - 1) * (1000 - slack) && price * (1000 - slack) <= (high + 1) * 1000,
            "case {case}: {price} is not within {low} and {high}: {sources:?}, reference {reference:?}"
        );
        priced += 1;
        with_liars += u32::from(sources.iter().any(|source| source.lies));
        converted += u32::from(used.iter().any(|vote| vote.usdt.is_some()));
    }
    // It is not by refusing that it is right.
    assert!(priced > CASES / 2 && with_liars > CASES / 5 && converted > CASES / 5, "{priced} {with_liars} {converted}");
}
