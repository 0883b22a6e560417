use super::*;

mod faulty_minority;

const RULES: AgreementRules = AgreementRules { min_sources: 1, max_spread_percent: 5 };
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn vote(source: &'static str, told: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        told: told.parse().unwrap(),
        value: rate(value),
        book: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
    }
}

/// One vote each, of sources a, b and so on.
fn all(told: &str, values: &[&str]) -> Vec<Vote> {
    NAMES.iter().zip(values).map(|(name, value)| vote(name, told, value)).collect()
}

fn dollars(votes: &[Vote]) -> AgreedPrice {
    agree_on_price("BTC-USD".parse().unwrap(), votes, RULES, None)
}

/// The price and whose votes it is made of, or why there is none.
fn shown(agreed: &AgreedPrice) -> (String, String) {
    let used = agreed.votes.iter().filter(|vote| vote.used).map(|vote| vote.exchanger.as_str());
    let price = agreed.price.map(|price| price.to_string());
    (price.or(agreed.refused.clone()).unwrap(), used.collect::<Vec<_>>().join(","))
}

fn eur(values: &[&str], rules: AgreementRules, reference: Option<&str>) -> (String, String) {
    shown(&agree_on_price("BTC-EUR".parse().unwrap(), &all("BTC-EUR", values), rules, reference.map(rate)))
}

fn said(price: &str, sources: &str) -> (String, String) {
    (price.to_owned(), sources.to_owned())
}

fn refused(why: NoAgreement) -> (String, String) {
    (why.to_string(), String::new())
}

fn rejection(agreed: &AgreedPrice, source: &str, told: &str) -> Option<Rejection> {
    let told = told.parse().unwrap();
    agreed.votes.iter().find(|vote| vote.exchanger == source && vote.told == told).unwrap().rejected
}

#[test]
fn the_middle_one_is_agreed() {
    assert_eq!(eur(&["84000.12"], RULES, None), said("84000.12", "a"));
    assert_eq!(eur(&["84000.12", "84000.13"], RULES, None), said("84000.125", "a,b"));
    assert_eq!(eur(&["84002", "84000", "84001"], RULES, None), said("84001.00", "b,c,a"));
    assert_eq!(eur(&["84003", "84000", "84001", "84002"], RULES, None).0, "84001.50");
    assert_eq!(eur(&[], RULES, None), refused(NoAgreement::TooFew { votes: 0, needed: 1 }));
}

#[test]
fn a_liar_among_three_has_no_voice() {
    for lie in ["33600", "8400000", "0.00000001", "9999999999"] {
        let (price, sources) = eur(&["84000", lie, "84010"], RULES, None);
        assert!(price == "84000.00" || price == "84010.00", "{price}");
        assert_eq!(sources, "a,c");
    }
    let agreed = dollars(&all("BTC-USD", &["84000", "1", "84010"]));
    assert_eq!(rejection(&agreed, "b", "BTC-USD"), Some(Rejection::Outlier));
    assert_eq!((agreed.low, agreed.high), (Some(rate("84000")), Some(rate("84010"))));
    // With a fourth, the liar does not even move the middle.
    assert_eq!(eur(&["84000", "1", "84010", "84020"], RULES, None).0, "84010.00");
}

#[test]
fn of_two_halves_that_contradict_each_other_the_last_price_finds_the_right_one() {
    let apart = refused(NoAgreement::TooFarApart { votes: 2 });
    assert_eq!(eur(&["84000", "33600"], RULES, None), apart);
    assert_eq!(eur(&["84000", "33600"], RULES, Some("83900")), said("84000.00", "a"));
    assert_eq!(eur(&["84000", "33600"], RULES, Some("50000")), apart);
    // Of four, two may not both lie: the price is the one of the right half that is next to the others.
    assert_eq!(eur(&["100", "101", "200", "201"], RULES, Some("100")), said("101.00", "a,b"));
}

#[test]
fn a_liar_does_not_count_towards_those_that_are_needed() {
    let rules = AgreementRules { min_sources: 2, ..RULES };
    let too_few = refused(NoAgreement::TooFew { votes: 1, needed: 2 });
    assert_eq!(eur(&["84000"], rules, None), too_few);
    assert_eq!(eur(&["84000", "33600"], rules, Some("84000")), too_few);
    assert_eq!(eur(&["84000", "84001", "1"], rules, None).1, "a,b");
    assert_eq!(eur(&["84000", "94000", "104000"], rules, None), refused(NoAgreement::TooFarApart { votes: 3 }));
}

#[test]
fn a_quote_in_usdt_counts_in_dollars() {
    let mut votes = all("BTC-USD", &["90000", "90010"]);
    votes.extend(all("USDT-USD", &["0.99", "0.99"]));
    votes.push(Vote { book: Some((rate("90900"), rate("91000"))), ..vote("c", "BTC-USDT", "90950") });
    let agreed = dollars(&votes);
    assert_eq!(shown(&agreed), said("90010.00", "a,b,c"));
    let vote = agreed.votes.iter().find(|vote| vote.exchanger == "c").unwrap();
    assert_eq!((vote.value, vote.vote), (rate("90950"), Some(rate("90040.5"))));
    assert_eq!((agreed.bid, agreed.ask), (Some(rate("89991")), Some(rate("90090"))));
    // Where it is not known what USDT is worth, its vote is named and not used.
    let unknown: Vec<_> = votes.iter().filter(|vote| vote.told.base != Asset::USDT).copied().collect();
    let agreed = dollars(&unknown);
    assert_eq!(shown(&agreed), said("90005.00", "a,b"));
    assert_eq!(rejection(&agreed, "c", "BTC-USDT"), Some(Rejection::NoConversion));
    // It says nothing of euros.
    assert_eq!(agree_on_price("BTC-EUR".parse().unwrap(), &votes, RULES, None).votes, []);
}

#[test]
fn a_source_has_one_vote_however_many_quotes_it_tells() {
    let mut votes = all("BTC-USD", &["90000", "90010", "90020"]);
    votes.extend(all("USDT-USD", &["1", "1", "1"]));
    votes.push(vote("a", "BTC-USDT", "91000"));
    assert_eq!(dollars(&votes).votes.len(), 3);
    // Its second one counts where the first cannot.
    votes[0].ineligible = Some(Rejection::Stale);
    let agreed = dollars(&votes);
    assert_eq!(shown(&agreed), said("90020.00", "b,c,a"));
    assert_eq!(rejection(&agreed, "a", "BTC-USD"), Some(Rejection::Stale));
}

/// Seven exchanges as there are: five trade dollars, two only USDT.
fn seven(dollar: &[&str; 5], usdt: &[&str; 5], tethered: &[&str; 2]) -> (String, String) {
    let mut votes = all("BTC-USD", dollar);
    votes.extend(all("USDT-USD", usdt));
    votes.push(vote("f", "BTC-USDT", tethered[0]));
    votes.push(vote("g", "BTC-USDT", tethered[1]));
    shown(&dollars(&votes))
}

#[test]
fn three_of_seven_lie_and_the_price_stays() {
    let honest = ["1", "1.0001", "0.9999", "1", "1"];
    // In bitcoin alone.
    let lies = ["200000", "200000", "200000", "91000", "91010"];
    assert_eq!(seven(&lies, &honest, &["91000", "91005"]), said("91010.00", "d,f,g,e"));
    // All of their numbers by the same factor: the peg gives them away.
    let twice = ["2", "2", "2", "1", "1"];
    assert_eq!(seven(&lies, &twice, &["91000", "91005"]), said("91010.00", "d,f,g,e"));
    // By so little that the peg does not: then nobody can say who it is, and there is no price.
    let lies = ["92700", "92700", "92700", "91000", "91010"];
    let by_little = ["1.0187", "1.0187", "1.0187", "1", "1"];
    assert_eq!(seven(&lies, &by_little, &["91000", "91005"]), refused(NoAgreement::TooFewConverted { votes: 7 }));
}

#[test]
fn indices_count_among_themselves_where_exchanges_do_not_suffice() {
    let rules = AgreementRules { min_sources: 2, ..RULES };
    let index = |source, value| Vote { kind: CourseKind::Index, ..vote(source, "BTC-USD", value) };
    let decide = |votes: &[Vote]| agree_on_price("BTC-USD".parse().unwrap(), votes, rules, None);
    let mut votes = vec![vote("a", "BTC-USD", "91000"), index("x", "91500"), index("y", "91600")];
    let agreed = decide(&votes);
    assert_eq!(shown(&agreed), said("91550.00", "x,y"));
    assert_eq!(rejection(&agreed, "a", "BTC-USD"), Some(Rejection::Unlike));
    votes.push(vote("b", "BTC-USD", "91010"));
    let agreed = decide(&votes);
    assert_eq!(shown(&agreed), said("91005.00", "a,b"));
    assert_eq!(rejection(&agreed, "x", "BTC-USD"), Some(Rejection::Unlike));
    // Exchanges that contradict each other are not replaced by an index.
    votes[0].value = rate("120000");
    assert_eq!(shown(&decide(&votes)).0, NoAgreement::TooFarApart { votes: 2 }.to_string());
    // An official rate never votes.
    let fixing = Vote { kind: CourseKind::Fixing, ..vote("z", "BTC-USD", "91000") };
    let agreed = decide(&[fixing]);
    assert_eq!((rejection(&agreed, "z", "BTC-USD"), agreed.price), (Some(Rejection::Unlike), None));
}

#[test]
fn a_price_is_as_old_as_the_oldest_vote_that_is_in_it() {
    let mut votes = all("BTC-USD", &["91000", "91001", "1"]);
    for (micros, vote) in (1..).zip(&mut votes) {
        vote.observed_at = Timestamp::from_micros(10 - micros).unwrap();
    }
    assert_eq!(dollars(&votes).as_of, Some(Timestamp::from_micros(8).unwrap()));
}
