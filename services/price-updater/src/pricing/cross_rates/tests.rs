use common::time::Timestamp;

use super::*;

fn fixing(source: &'static str, told: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Fixing,
        told: told.parse().unwrap(),
        value: value.parse().unwrap(),
        book: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
    }
}

fn dollars(price: &str) -> AgreedPrice {
    let now = Timestamp::from_micros(1).unwrap();
    let price = Some(price.parse().unwrap());
    AgreedPrice { price, bid: price, as_of: Some(now), ..unpriced("BTC-USD".parse().unwrap(), Vec::new()) }
}

fn cross(fixings: &[Vote], currency: &str) -> Option<(String, String)> {
    let cross = OfficialRates::of(fixings).cross(&dollars("91000"), currency.parse().unwrap())?;
    assert_eq!((cross.method, cross.as_of, cross.bid), (Method::Cross, dollars("1").as_of, cross.price));
    let legs = cross.legs.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some((cross.price?.to_string(), legs.join(" ")))
}

/// As each of them tells it.
fn banks() -> Vec<Vote> {
    vec![
        fixing("ecb", "EUR-USD", "1.0833"),
        fixing("ecb", "EUR-CHF", "0.94"),
        fixing("ecb", "EUR-SEK", "11.5"),
        fixing("frankfurter", "USD-EUR", "0.92302"),
        fixing("frankfurter", "USD-CHF", "0.868"),
        fixing("frankfurter", "USD-RUB", "90.4"),
        fixing("cbr", "USD-RUB", "90.5"),
        fixing("cbr", "EUR-RUB", "98.1"),
        fixing("cbr", "CHF-RUB", "104.3"),
        fixing("cbr", "AMD-RUB", "0.23"),
    ]
}

/// The same, where one bank tells something else of one direction.
fn with_a_lie(source: &str, told: &str, value: &str) -> Vec<Vote> {
    let mut all = banks();
    let lie = all.iter_mut().find(|vote| vote.source == source && vote.told.to_string() == told).unwrap();
    lie.value = value.parse().unwrap();
    all
}

#[allow(clippy::unnecessary_wraps, reason = "it is what it is compared with")]
fn is(price: &str, legs: &str) -> Option<(String, String)> {
    Some((price.to_owned(), legs.to_owned()))
}

#[test]
fn a_dollar_is_converted_as_it_is_told_or_through_euros_or_roubles() {
    let all = banks();
    assert_eq!(cross(&all, "EUR"), is("84002.58469491", "BTC-USD EUR-USD"));
    assert_eq!(cross(&all, "CHF"), is("78962.42961322", "BTC-USD EUR-CHF EUR-USD"));
    assert_eq!(cross(&all[3..], "CHF"), is("78988.00", "BTC-USD USD-CHF"));
    assert_eq!(cross(&all[6..], "CHF"), is("78959.73154362", "BTC-USD USD-RUB CHF-RUB"));
    assert_eq!(cross(&all, "RUB"), is("8226400.00", "BTC-USD USD-RUB"));
    assert_eq!(cross(&all, "AMD"), is("35806521.73913043", "BTC-USD USD-RUB AMD-RUB"));
    for unknown in ["USD", "NOK"] {
        assert_eq!(cross(&all, unknown), None, "{unknown}");
    }
    // A rate in euros alone says nothing of dollars, nor does another bank's of euros.
    assert_eq!(cross(&all[1..], "SEK"), None);
    let known: BTreeSet<_> = OfficialRates::of(&all).currencies().collect();
    assert_eq!(known, ["EUR", "RUB", "CHF", "SEK", "AMD"].map(|code| code.parse().unwrap()).into());
}

#[test]
fn one_bank_of_three_that_lies_moves_nothing() {
    for (source, told) in [("ecb", "EUR-CHF"), ("frankfurter", "USD-CHF"), ("cbr", "CHF-RUB")] {
        for lie in ["0.0001", "1.8", "1000000"] {
            let (price, _) = cross(&with_a_lie(source, told, lie), "CHF").unwrap();
            let price: Rate = price.parse().unwrap();
            let [low, high]: [Rate; 2] = ["78900", "79000"].map(|rate| rate.parse().unwrap());
            assert!(low < price && price < high, "{source} says {lie}: {price}");
        }
    }
    // A lie about dollars is one about everything that the bank tells.
    assert_eq!(cross(&with_a_lie("ecb", "EUR-USD", "2.1"), "CHF"), is("78988.00", "BTC-USD USD-CHF"));
}

#[test]
fn two_banks_that_contradict_each_other_are_not_believed_and_a_day_apart_they_agree() {
    assert_eq!(cross(&with_a_lie("cbr", "USD-RUB", "93"), "RUB"), None);
    assert!(cross(&with_a_lie("cbr", "USD-RUB", "92"), "RUB").is_some());
    assert_eq!(cross(&with_a_lie("ecb", "EUR-CHF", "2")[..6], "CHF"), None);
    // What only one of them tells, nobody can contradict.
    assert!(cross(&with_a_lie("cbr", "AMD-RUB", "0.5"), "AMD").is_some());
}

#[test]
fn what_a_bank_alone_tells_is_not_believed_where_it_contradicts_the_others() {
    assert!(cross(&banks(), "AMD").is_some());
    // Every rate of a dollar that is in truth something else is wrong, and so are those that nobody else tells.
    assert_eq!(cross(&with_a_lie("cbr", "USD-RUB", "14074"), "AMD"), None);
    // One wrong rate of many is no reason.
    assert!(cross(&with_a_lie("cbr", "CHF-RUB", "0.7"), "AMD").is_some());
    // With nobody to compare with, a bank is believed.
    assert!(cross(&[fixing("cbr", "USD-RUB", "90.5"), fixing("cbr", "AMD-RUB", "0.23")], "AMD").is_some());
}

#[test]
fn a_part_that_is_simulated_makes_the_price_so() {
    let mut all = banks();
    all[0].simulated = true;
    let simulated =
        |currency: &str| OfficialRates::of(&all).cross(&dollars("1"), currency.parse().unwrap()).unwrap().simulated;
    assert!(simulated("CHF") && !simulated("RUB"));
}
