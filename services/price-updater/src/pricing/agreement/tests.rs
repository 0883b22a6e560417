use common::money::Asset;

use super::*;

mod faulty_minority;

const RULES: AgreementRules = AgreementRules { min_sources: 1, max_spread_percent: 5 };
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn vote(source: &'static str, pair: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        pair: pair.parse().unwrap(),
        value: rate(value),
        bid_ask: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
        freeze_suspected: false,
        official_day: None,
    }
}

/// One vote of each of the sources a, b and so on.
fn votes(pair: &str, values: &[&str]) -> Vec<Vote> {
    NAMES.iter().zip(values).map(|(name, value)| vote(name, pair, value)).collect()
}

fn agree_in_dollars(votes: &[Vote]) -> AgreedPrice {
    agree_on_price("BTC-USD".parse().unwrap(), votes, RULES, None)
}

/// The price and the sources whose votes were used, or why there is no price.
fn outcome(agreed: &AgreedPrice) -> (String, String) {
    let used = agreed.votes.iter().filter(|vote| vote.used).map(|vote| vote.exchanger.as_str());
    let price = agreed.price.map(|price| price.to_string());
    (price.or(agreed.refused.clone()).unwrap(), used.collect::<Vec<_>>().join(","))
}

fn agree_in_euros(values: &[&str], rules: AgreementRules, reference: Option<&str>) -> (String, String) {
    outcome(&agree_on_price("BTC-EUR".parse().unwrap(), &votes("BTC-EUR", values), rules, reference.map(rate)))
}

fn agreed(price: &str, sources: &str) -> (String, String) {
    (price.to_owned(), sources.to_owned())
}

fn refused(error: NoAgreement) -> (String, String) {
    (error.to_string(), String::new())
}

fn rejection(agreed: &AgreedPrice, source: &str, pair: &str) -> Option<Rejection> {
    let pair = pair.parse().unwrap();
    agreed.votes.iter().find(|vote| vote.exchanger == source && vote.pair == pair).unwrap().rejected
}

#[test]
fn price_is_the_median() {
    assert_eq!(agree_in_euros(&["84000.12"], RULES, None), agreed("84000.12", "a"));
    assert_eq!(agree_in_euros(&["84000.12", "84000.13"], RULES, None), agreed("84000.125", "a,b"));
    assert_eq!(agree_in_euros(&["84002", "84000", "84001"], RULES, None), agreed("84001.00", "b,c,a"));
    assert_eq!(agree_in_euros(&["84003", "84000", "84001", "84002"], RULES, None).0, "84001.50");
    assert_eq!(agree_in_euros(&[], RULES, None), refused(NoAgreement::NotEnough { agreeing: 0, needed: 1 }));
}

#[test]
fn one_faulty_source_of_three_is_an_outlier() {
    for faulty in ["33600", "8400000", "0.00000001", "9999999999"] {
        let (price, sources) = agree_in_euros(&["84000", faulty, "84010"], RULES, None);
        assert!(price == "84000.00" || price == "84010.00", "{price}");
        assert_eq!(sources, "a,c");
    }
    let price = agree_in_dollars(&votes("BTC-USD", &["84000", "1", "84010"]));
    assert_eq!(rejection(&price, "b", "BTC-USD"), Some(Rejection::Outlier));
    assert_eq!((price.low, price.high), (Some(rate("84000")), Some(rate("84010"))));
    // With a fourth source, the price is the median of the three correct sources.
    assert_eq!(agree_in_euros(&["84000", "1", "84010", "84020"], RULES, None).0, "84010.00");
}

#[test]
fn last_price_decides_between_two_halves_that_contradict_each_other() {
    let contradicting = refused(NoAgreement::Contradicting { voters: 2 });
    assert_eq!(agree_in_euros(&["84000", "33600"], RULES, None), contradicting);
    assert_eq!(agree_in_euros(&["84000", "33600"], RULES, Some("83900")), agreed("84000.00", "a"));
    assert_eq!(agree_in_euros(&["84000", "33600"], RULES, Some("50000")), contradicting);
    // The bounds of four votes are the second and the third rate, 101 and 200. The median of the agreeing votes is
    // 100.5. It is clamped to 101.
    assert_eq!(agree_in_euros(&["100", "101", "200", "201"], RULES, Some("100")), agreed("101.00", "a,b"));
}

#[test]
fn outlier_does_not_count_towards_min_sources() {
    let rules = AgreementRules { min_sources: 2, ..RULES };
    let too_few = refused(NoAgreement::NotEnough { agreeing: 1, needed: 2 });
    assert_eq!(agree_in_euros(&["84000"], rules, None), too_few);
    assert_eq!(agree_in_euros(&["84000", "33600"], rules, Some("84000")), too_few);
    assert_eq!(agree_in_euros(&["84000", "84001", "1"], rules, None).1, "a,b");
    let contradicting = refused(NoAgreement::Contradicting { voters: 3 });
    assert_eq!(agree_in_euros(&["84000", "94000", "104000"], rules, None), contradicting);
}

/// Votes for BTC-EUR. The first `frozen` of them are suspected to be frozen.
fn votes_with_suspected(values: &[&str], frozen: usize) -> Vec<Vote> {
    let mut votes = votes("BTC-EUR", values);
    for vote in &mut votes[..frozen] {
        *vote = Vote { ineligible: Some(Rejection::Frozen), freeze_suspected: true, ..*vote };
    }
    votes
}

#[test]
fn minority_of_moving_sources_makes_no_price_while_the_others_are_suspected_to_be_frozen() {
    let pair = "BTC-EUR".parse().unwrap();
    let rules = AgreementRules { min_sources: 2, ..RULES };
    let prices = ["84000", "84000", "84000", "84000", "83700", "83710", "83720"];
    for moving in 0..=7 {
        let frozen = 7 - moving;
        let price = agree_on_price(pair, &votes_with_suspected(&prices, frozen), rules, Some(rate("84000")));
        match moving {
            0..=3 => assert_eq!(outcome(&price), refused(NoAgreement::Frozen { frozen, voters: 7 }), "{moving} moving"),
            _ => assert_eq!((price.refused, price.price.is_some()), (None, true), "{moving} moving"),
        }
        let rejected = price.votes.iter().filter(|vote| vote.rejected == Some(Rejection::Frozen)).count();
        assert_eq!(rejected, frozen);
    }
}

#[test]
fn price_in_usdt_is_converted_to_dollars() {
    let mut all = votes("BTC-USD", &["90000", "90010"]);
    all.extend(votes("USDT-USD", &["0.99", "0.99"]));
    let bid_ask = Some(BidAsk { bid: rate("90900"), ask: rate("91000") });
    all.push(Vote { bid_ask, ..vote("c", "BTC-USDT", "90950") });
    let price = agree_in_dollars(&all);
    assert_eq!(outcome(&price), agreed("90010.00", "a,b,c"));
    let vote = price.votes.iter().find(|vote| vote.exchanger == "c").unwrap();
    assert_eq!((vote.value, vote.vote), (rate("90950"), Some(rate("90040.5"))));
    assert_eq!((price.bid, price.ask), (Some(rate("89991")), Some(rate("90090"))));
    // If the price of USDT is unknown, the vote is listed but not used.
    let without_usdt_rate: Vec<_> = all.iter().filter(|vote| vote.pair.base != Asset::USDT).copied().collect();
    let price = agree_in_dollars(&without_usdt_rate);
    assert_eq!(outcome(&price), agreed("90005.00", "a,b"));
    assert_eq!(rejection(&price, "c", "BTC-USDT"), Some(Rejection::NoConversion));
    // A price in euros never considers votes in USDT.
    assert_eq!(agree_on_price("BTC-EUR".parse().unwrap(), &all, RULES, None).votes, []);
}

#[test]
fn source_with_prices_in_dollars_and_usdt_has_one_vote() {
    let mut all = votes("BTC-USD", &["90000", "90010", "90020"]);
    all.extend(votes("USDT-USD", &["1", "1", "1"]));
    all.push(vote("a", "BTC-USDT", "91000"));
    assert_eq!(agree_in_dollars(&all).votes.len(), 3);
    // The price in USDT is used if the price in dollars is ineligible.
    all[0].ineligible = Some(Rejection::Stale);
    let price = agree_in_dollars(&all);
    assert_eq!(outcome(&price), agreed("90020.00", "b,c,a"));
    assert_eq!(rejection(&price, "a", "BTC-USD"), Some(Rejection::Stale));
}

/// The outcome with seven exchanges: a to e trade in dollars, f and g in USDT only.
fn agree_among_seven(bitcoin: &[&str; 5], usdt: &[&str; 5], bitcoin_in_usdt: &[&str; 2]) -> (String, String) {
    let mut all = votes("BTC-USD", bitcoin);
    all.extend(votes("USDT-USD", usdt));
    all.push(vote("f", "BTC-USDT", bitcoin_in_usdt[0]));
    all.push(vote("g", "BTC-USDT", bitcoin_in_usdt[1]));
    outcome(&agree_in_dollars(&all))
}

#[test]
fn three_faulty_sources_of_seven_do_not_move_the_price() {
    let correct_usdt = ["1", "1.0001", "0.9999", "1", "1"];
    // Only the prices of bitcoin are faulty.
    let faulty = ["200000", "200000", "200000", "91000", "91010"];
    assert_eq!(agree_among_seven(&faulty, &correct_usdt, &["91000", "91005"]), agreed("91010.00", "d,f,g,e"));
    // The faulty sources falsify their prices of USDT too. Prices too far from one dollar are ignored.
    let usdt_off_peg = ["2", "2", "2", "1", "1"];
    assert_eq!(agree_among_seven(&faulty, &usdt_off_peg, &["91000", "91005"]), agreed("91010.00", "d,f,g,e"));
    // The faulty prices of USDT are within the tolerance of the peg, so the faulty sources cannot be identified.
    let faulty = ["92700", "92700", "92700", "91000", "91010"];
    let usdt_within_tolerance = ["1.0187", "1.0187", "1.0187", "1", "1"];
    let too_few_converted = NoAgreement::Unconverted { unconverted: 2, voters: 7 };
    assert_eq!(agree_among_seven(&faulty, &usdt_within_tolerance, &["91000", "91005"]), refused(too_few_converted));
}

#[test]
fn indices_vote_instead_of_exchanges_if_too_few_exchanges_vote() {
    let rules = AgreementRules { min_sources: 2, ..RULES };
    let index = |source, value| Vote { kind: CourseKind::Index, ..vote(source, "BTC-USD", value) };
    let decide = |votes: &[Vote]| agree_on_price("BTC-USD".parse().unwrap(), votes, rules, None);
    let mut all = vec![vote("a", "BTC-USD", "91000"), index("x", "91500"), index("y", "91600")];
    let price = decide(&all);
    assert_eq!(outcome(&price), agreed("91550.00", "x,y"));
    assert_eq!(rejection(&price, "a", "BTC-USD"), Some(Rejection::OtherKind));
    all.push(vote("b", "BTC-USD", "91010"));
    let price = decide(&all);
    assert_eq!(outcome(&price), agreed("91005.00", "a,b"));
    assert_eq!(rejection(&price, "x", "BTC-USD"), Some(Rejection::OtherKind));
    // Enough exchanges vote, so indices do not replace them, even if the exchanges contradict each other.
    all[0].value = rate("120000");
    assert_eq!(outcome(&decide(&all)).0, NoAgreement::Contradicting { voters: 2 }.to_string());
    // An official rate never votes.
    let fixing = Vote { kind: CourseKind::Fixing, ..vote("z", "BTC-USD", "91000") };
    let price = decide(&[fixing]);
    assert_eq!((rejection(&price, "z", "BTC-USD"), price.price), (Some(Rejection::OtherKind), None));
}

#[test]
fn price_is_as_old_as_the_oldest_vote_used() {
    let mut all = votes("BTC-USD", &["91000", "91001", "1"]);
    for (micros, vote) in (1..).zip(&mut all) {
        vote.observed_at = Timestamp::from_micros(10 - micros).unwrap();
    }
    assert_eq!(agree_in_dollars(&all).as_of, Some(Timestamp::from_micros(8).unwrap()));
}
