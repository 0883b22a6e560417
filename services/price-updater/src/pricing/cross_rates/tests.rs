use common::time::Timestamp;

use super::*;

fn fixing(source: &'static str, pair: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Fixing,
        pair: pair.parse().unwrap(),
        value: value.parse().unwrap(),
        bid_ask: None,
        observed_at: Timestamp::from_micros(0).unwrap(),
        simulated: false,
        ineligible: None,
        freeze_suspected: false,
        official_day: None,
    }
}

fn in_dollars(price: &str) -> AgreedPrice {
    let now = Timestamp::from_micros(1).unwrap();
    let price = Some(price.parse().unwrap());
    AgreedPrice { price, bid: price, as_of: Some(now), ..without_price("BTC-USD".parse().unwrap(), Vec::new()) }
}

/// The price of a bitcoin in `currency` and the pairs from which it is computed.
fn convert(fixings: &[Vote], currency: &str) -> Option<(String, String)> {
    let cross = OfficialRates::from_votes(fixings).convert(&in_dollars("91000"), currency.parse().unwrap())?;
    assert_eq!((cross.method, cross.as_of, cross.bid), (Method::Cross, in_dollars("1").as_of, cross.price));
    let legs = cross.legs.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some((cross.price?.to_string(), legs.join(" ")))
}

/// The rates of three banks in the pairs that each publishes.
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

/// The rates of [`banks`], with one wrong rate.
fn with_wrong_rate(source: &str, pair: &str, value: &str) -> Vec<Vote> {
    let mut all = banks();
    let wrong = all.iter_mut().find(|vote| vote.source == source && vote.pair.to_string() == pair).unwrap();
    wrong.value = value.parse().unwrap();
    all
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with an Option")]
fn converted(price: &str, legs: &str) -> Option<(String, String)> {
    Some((price.to_owned(), legs.to_owned()))
}

#[test]
fn dollar_is_converted_directly_or_through_euros_or_roubles() {
    let all = banks();
    assert_eq!(convert(&all, "EUR"), converted("84002.58469491", "BTC-USD EUR-USD"));
    assert_eq!(convert(&all, "CHF"), converted("78962.42961322", "BTC-USD EUR-USD EUR-CHF"));
    assert_eq!(convert(&all[3..], "CHF"), converted("78988.00", "BTC-USD USD-CHF"));
    assert_eq!(convert(&all[6..], "CHF"), converted("78959.73154362", "BTC-USD USD-RUB CHF-RUB"));
    assert_eq!(convert(&all, "RUB"), converted("8226400.00", "BTC-USD USD-RUB"));
    assert_eq!(convert(&all, "AMD"), converted("35806521.73913043", "BTC-USD USD-RUB AMD-RUB"));
    for unknown in ["USD", "NOK"] {
        assert_eq!(convert(&all, unknown), None, "{unknown}");
    }
    // Without the euro's rate in dollars, a rate in euros cannot be converted. The rate of another bank is not used
    // instead.
    assert_eq!(convert(&all[1..], "SEK"), None);
    let currencies: BTreeSet<_> = OfficialRates::from_votes(&all).currencies().collect();
    assert_eq!(currencies, ["EUR", "RUB", "CHF", "SEK", "AMD"].map(|code| code.parse().unwrap()).into());
}

#[test]
fn official_rates_list_their_legs_in_the_order_of_use_and_the_spread_of_the_banks() {
    let official = OfficialRates::from_votes(&banks()).into_wire();
    let shown = |currency: &str| {
        let rate = official.iter().find(|rate| rate.currency.as_str() == currency).unwrap();
        let legs = rate.legs.iter().map(|leg| {
            let operation = if leg.inverse { '/' } else { '*' };
            format!("{operation}{} {} {}", leg.direction, leg.price, leg.exchanger)
        });
        (legs.collect::<Vec<_>>().join(", "), rate.spread_millionths)
    };
    // 1 / 1.0833 is 0.92310533; the other banks report 0.92302 and 0.92252803.
    assert_eq!(shown("EUR"), ("/EUR-USD 1.0833 ecb".to_owned(), Some(626)));
    assert_eq!(shown("SEK"), ("/EUR-USD 1.0833 ecb, *EUR-SEK 11.50 ecb".to_owned(), None));
    assert_eq!(shown("AMD"), ("*USD-RUB 90.50 cbr, /AMD-RUB 0.23 cbr".to_owned(), None));
    // A bank that is far from the others does not count towards the spread.
    let official = OfficialRates::from_votes(&with_wrong_rate("cbr", "EUR-RUB", "1")).into_wire();
    let euro = official.iter().find(|rate| rate.currency.as_str() == "EUR").unwrap();
    assert_eq!(euro.spread_millionths, Some(93));
}

#[test]
fn one_wrong_bank_of_three_has_no_effect() {
    for (source, pair) in [("ecb", "EUR-CHF"), ("frankfurter", "USD-CHF"), ("cbr", "CHF-RUB")] {
        for wrong in ["0.0001", "1.8", "1000000"] {
            let (price, _) = convert(&with_wrong_rate(source, pair, wrong), "CHF").unwrap();
            let price: Rate = price.parse().unwrap();
            let [low, high]: [Rate; 2] = ["78900", "79000"].map(|rate| rate.parse().unwrap());
            assert!(low < price && price < high, "{source} reports {wrong}: {price}");
        }
    }
    // A wrong rate of the dollar falsifies every rate of the same bank.
    assert_eq!(convert(&with_wrong_rate("ecb", "EUR-USD", "2.1"), "CHF"), converted("78988.00", "BTC-USD USD-CHF"));
}

#[test]
fn two_banks_agree_only_if_their_rates_differ_by_at_most_two_percent() {
    assert_eq!(convert(&with_wrong_rate("cbr", "USD-RUB", "93"), "RUB"), None);
    assert!(convert(&with_wrong_rate("cbr", "USD-RUB", "92"), "RUB").is_some());
    assert_eq!(convert(&with_wrong_rate("ecb", "EUR-CHF", "2")[..6], "CHF"), None);
    // A rate that only one bank publishes is not contradicted.
    assert!(convert(&with_wrong_rate("cbr", "AMD-RUB", "0.5"), "AMD").is_some());
}

#[test]
fn sole_rate_is_rejected_if_its_bank_contradicts_the_others() {
    assert!(convert(&banks(), "AMD").is_some());
    // A wrong rate of the dollar falsifies all rates of a bank, including the rates that no other bank publishes.
    assert_eq!(convert(&with_wrong_rate("cbr", "USD-RUB", "14074"), "AMD"), None);
    // One wrong rate of many does not discredit the bank.
    assert!(convert(&with_wrong_rate("cbr", "CHF-RUB", "0.7"), "AMD").is_some());
    // Without other banks to compare with, a bank is trusted.
    assert!(convert(&[fixing("cbr", "USD-RUB", "90.5"), fixing("cbr", "AMD-RUB", "0.23")], "AMD").is_some());
}

#[test]
fn simulated_leg_makes_the_price_simulated() {
    let mut all = banks();
    all[0].simulated = true;
    let simulated = |currency: &str| {
        OfficialRates::from_votes(&all).convert(&in_dollars("1"), currency.parse().unwrap()).unwrap().simulated
    };
    assert!(simulated("CHF") && !simulated("RUB"));
}

#[test]
fn converted_price_names_the_earliest_day_of_its_official_rates() {
    let of_day = |vote: Vote, day: &str| Vote { official_day: day.parse().ok(), ..vote };
    let votes = [
        of_day(fixing("ecb", "EUR-USD", "1.0833"), "2026-01-02"),
        of_day(fixing("ecb", "EUR-CHF", "0.94"), "2026-01-05"),
    ];
    let rates = OfficialRates::from_votes(&votes);
    for (currency, day) in [("CHF", "2026-01-02"), ("EUR", "2026-01-02")] {
        let price = rates.convert(&in_dollars("91000"), currency.parse().unwrap()).unwrap();
        assert_eq!(price.official_day, day.parse().ok(), "{currency}");
    }
    let days: Vec<_> = rates.into_wire().into_iter().flat_map(|rate| rate.legs).map(|leg| leg.official_day).collect();
    assert!(days.iter().all(Option::is_some), "{days:?}");
}
