//! Making one price out of what several sources said. Pure.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    api::prices::{NewPriceRecord, Price},
    money::{Currency, Rate},
};
use rust_decimal::Decimal;

/// When sources count as agreeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How many sources have to agree on a currency.
    pub(crate) min_sources: usize,
    /// How far from the agreed price a source may be, in percent of it.
    pub(crate) max_spread_percent: i128,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) source: &'static str,
    pub(crate) simulated: bool,
    pub(crate) prices: BTreeMap<Currency, Rate>,
}

/// Why there is no price in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPrice {
    #[error("{votes} sources told a price that agrees, {needed} are needed")]
    TooFew { votes: usize, needed: usize },
    #[error("{votes} sources told prices that are too far apart")]
    Apart { votes: usize },
}

/// What came of the votes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) prices: BTreeMap<Currency, Price>,
    pub(crate) simulated: bool,
    /// Sources that were passed over because they are simulated and others are real.
    pub(crate) passed_over: Vec<&'static str>,
    /// Sources whose price in some currency is too far from the one that was agreed.
    pub(crate) outvoted: BTreeSet<&'static str>,
    pub(crate) left_out: BTreeMap<Currency, NoPrice>,
}

/// One price in each currency, as far as the sources agree.
///
/// Real and simulated prices are never mixed: as soon as one vote is real, only real ones count.
///
/// `last_good` decides where no majority is found, such as between two sources of which one lies: the price of the last
/// round is no vote, but it says which side is the likelier one.
pub(crate) fn agree(
    votes: &[Vote],
    currencies: &[Currency],
    rules: Rules,
    last_good: Option<&NewPriceRecord>,
) -> Agreement {
    let any_real = votes.iter().any(|vote| !vote.simulated && !vote.prices.is_empty());
    let (counted, passed_over): (Vec<_>, Vec<_>) = votes.iter().partition(|vote| vote.simulated != any_real);
    let passed_over = passed_over.iter().filter(|vote| vote.simulated && !vote.prices.is_empty());
    let mut agreement = Agreement {
        simulated: counted.iter().any(|vote| vote.simulated),
        passed_over: passed_over.map(|vote| vote.source).collect(),
        ..Agreement::default()
    };
    let last_good = last_good.filter(|record| record.simulated == agreement.simulated);
    for &currency in currencies {
        let told = counted.iter().filter_map(|vote| Some((vote.source, *vote.prices.get(&currency)?)));
        let told = told.collect::<Vec<_>>();
        let reference = last_good.and_then(|record| record.prices.get(&currency)).map(|price| price.price);
        match agree_on_one(&told, rules, reference) {
            Ok(price) => {
                let others = told.iter().map(|(source, _)| *source).filter(|&s| !price.sources.iter().any(|p| p == s));
                agreement.outvoted.extend(others);
                agreement.prices.insert(currency, price);
            }
            Err(why) => drop(agreement.left_out.insert(currency, why)),
        }
    }
    agreement
}

fn agree_on_one(votes: &[(&'static str, Rate)], rules: Rules, reference: Option<Rate>) -> Result<Price, NoPrice> {
    let too_few = |votes: usize| NoPrice::TooFew { votes, needed: rules.min_sources.max(1) };
    let all = votes.len();
    let price = median(votes.iter().map(|(_, price)| *price)).ok_or(too_few(all))?;
    let near = |price: Rate| votes.iter().filter(move |(_, vote)| is_near(*vote, price, rules)).collect::<Vec<_>>();

    let (mut price, mut agreeing) = (price, near(price));
    if agreeing.len() * 2 <= all {
        let reference = reference.ok_or(NoPrice::Apart { votes: all })?;
        agreeing = near(reference);
        if agreeing.len() * 2 < all {
            return Err(NoPrice::Apart { votes: all });
        }
        price = median(agreeing.iter().map(|(_, price)| *price)).ok_or(too_few(0))?;
    }
    if agreeing.len() < rules.min_sources {
        return Err(too_few(agreeing.len()));
    }
    Ok(Price { price, sources: agreeing.into_iter().map(|(source, _)| (*source).to_owned()).collect() })
}

fn is_near(vote: Rate, price: Rate, rules: Rules) -> bool {
    let (vote, price) = (i128::from(vote.hundred_millionths()), i128::from(price.hundred_millionths()));
    // Far from overflow: a rate is below 2^60.
    (vote - price).abs() * 100 <= price * rules.max_spread_percent
}

/// The middle one; of an even number, the mean of the two in the middle, rounded half to even.
///
/// While fewer than half of the votes are wrong, whatever they say, the median lies within the range of the right ones.
fn median(votes: impl Iterator<Item = Rate>) -> Option<Rate> {
    let mut sorted: Vec<Rate> = votes.collect();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get((sorted.len() / 2).checked_sub(1)?)?;
    let mean = lower.to_decimal().checked_add(upper.to_decimal())?.checked_div(Decimal::TWO)?;
    Rate::rounded_half_even(mean).ok()
}

#[cfg(test)]
mod tests {
    use common::{api::prices::PriceState, time::Timestamp};
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { min_sources: 1, max_spread_percent: 5 };
    const EUR: Currency = Currency::EUR;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn vote(source: &'static str, simulated: bool, eur: &str) -> Vote {
        Vote { source, simulated, prices: [(EUR, rate(eur))].into() }
    }

    fn real(prices: &[&str]) -> Vec<Vote> {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        NAMES.iter().zip(prices).map(|(name, price)| vote(name, false, price)).collect()
    }

    fn eur(votes: &[Vote], rules: Rules, last_good: Option<&NewPriceRecord>) -> Result<(String, String), NoPrice> {
        let agreement = agree(votes, &[EUR], rules, last_good);
        match agreement.left_out.get(&EUR) {
            Some(why) => Err(*why),
            None => Ok((agreement.prices[&EUR].price.to_string(), agreement.prices[&EUR].sources.join(","))),
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "it is compared with a result")]
    fn agreed(price: &str, sources: &str) -> Result<(String, String), NoPrice> {
        Ok((price.to_owned(), sources.to_owned()))
    }

    fn last_good(price: &str, simulated: bool) -> NewPriceRecord {
        let price = Price { price: rate(price), sources: vec!["a".to_owned()] };
        NewPriceRecord { state: PriceState::Fresh, as_of: Timestamp::now(), simulated, prices: [(EUR, price)].into() }
    }

    #[test]
    fn the_middle_one_is_agreed() {
        assert_eq!(eur(&real(&["84000.12"]), RULES, None), agreed("84000.12", "a"));
        assert_eq!(eur(&real(&["84000.12", "84000.13"]), RULES, None), agreed("84000.125", "a,b"));
        assert_eq!(eur(&real(&["84002", "84000", "84001"]), RULES, None), agreed("84001.00", "a,b,c"));
        assert_eq!(
            eur(&real(&["0.00000001", "0.00000002"]), Rules { max_spread_percent: 50, ..RULES }, None).unwrap().0,
            "0.00000002"
        );
        assert_eq!(eur(&[], RULES, None), Err(NoPrice::TooFew { votes: 0, needed: 1 }));
    }

    #[test]
    fn a_liar_among_three_has_no_voice() {
        for lie in ["33600", "8400000", "0.00000001", "9999999999"] {
            let (price, sources) = eur(&real(&["84000", lie, "84010"]), RULES, None).unwrap();
            assert!(price == "84000.00" || price == "84010.00", "{price}");
            assert_eq!(sources, "a,c");
            let agreement = agree(&real(&["84000", lie, "84010"]), &[EUR], RULES, None);
            assert_eq!(agreement.outvoted, BTreeSet::from(["b"]));
        }
    }

    #[test]
    fn of_two_that_contradict_each_other_the_last_price_finds_the_liar() {
        let votes = real(&["84000", "33600"]);
        assert_eq!(eur(&votes, RULES, None), Err(NoPrice::Apart { votes: 2 }));
        assert_eq!(eur(&votes, RULES, Some(&last_good("83900", false))), agreed("84000.00", "a"));
        assert_eq!(eur(&votes, RULES, Some(&last_good("50000", false))), Err(NoPrice::Apart { votes: 2 }));
        // A made-up price says nothing about real ones.
        assert_eq!(eur(&votes, RULES, Some(&last_good("84000", true))), Err(NoPrice::Apart { votes: 2 }));
    }

    #[test]
    fn a_liar_does_not_count_towards_those_that_are_needed() {
        let rules = Rules { min_sources: 2, ..RULES };
        assert_eq!(eur(&real(&["84000"]), rules, None), Err(NoPrice::TooFew { votes: 1, needed: 2 }));
        let reference = last_good("84000", false);
        let two = real(&["84000", "33600"]);
        assert_eq!(eur(&two, rules, Some(&reference)), Err(NoPrice::TooFew { votes: 1, needed: 2 }));
        assert!(eur(&real(&["84000", "84001", "1"]), rules, None).is_ok());
    }

    #[test]
    fn real_and_simulated_prices_are_never_mixed() {
        let made_up = vote("sim", true, "84100");
        let all = agree(std::slice::from_ref(&made_up), &[EUR], RULES, None);
        assert!(all.simulated && all.passed_over.is_empty());
        assert_eq!(all.prices[&EUR].sources, ["sim"]);

        let both = agree(&[made_up.clone(), vote("real", false, "84000")], &[EUR], RULES, None);
        assert_eq!((both.simulated, both.passed_over), (false, vec!["sim"]));
        assert_eq!(both.prices[&EUR].sources, ["real"]);

        // Not even currency by currency.
        let usd_only = Vote { prices: [(Currency::USD, rate("91000"))].into(), ..vote("real", false, "1") };
        let split = agree(&[made_up.clone(), usd_only], &[EUR, Currency::USD], RULES, None);
        assert!(!split.simulated && split.left_out.contains_key(&EUR));

        // A real source that told nothing is no reason to pass over the others.
        let silent = Vote { prices: BTreeMap::new(), ..vote("real", false, "1") };
        let agreement = agree(&[made_up, silent], &[EUR], RULES, None);
        assert!(agreement.simulated && agreement.passed_over.is_empty());
    }

    proptest! {
        #[test]
        fn while_liars_are_fewer_than_half_the_price_is_within_what_the_others_said(
            honest in prop::collection::vec(8_300_000_i64..8_500_000, 1..9),
            lies in prop::collection::vec(1_i64..900_000_000_000_000_000, 0..8),
            turn in 0_usize..20,
        ) {
            let lies = &lies[..lies.len().min(honest.len() - 1)];
            let to_rate = |units: i64| Rate::from_hundred_millionths(units).unwrap();
            let honest: Vec<_> = honest.into_iter().map(|cents| to_rate(cents * 1_000_000)).collect();
            let (low, high) = (*honest.iter().min().unwrap(), *honest.iter().max().unwrap());
            let mut votes: Vec<_> = honest.into_iter().chain(lies.iter().copied().map(to_rate)).collect();
            let turn = turn % votes.len();
            votes.rotate_left(turn);
            let middle = median(votes.iter().copied()).unwrap();
            prop_assert!(low <= middle && middle <= high, "{middle} is not within {low} and {high}");

            let told: Vec<_> = votes.into_iter().map(|price| Vote {
                source: "x", simulated: false, prices: [(EUR, price)].into(),
            }).collect();
            let agreement = agree(&told, &[EUR], RULES, None);
            let price = agreement.prices[&EUR].price;
            prop_assert!(low <= price && price <= high, "{price} is not within {low} and {high}");
        }
    }
}
