//! Tests of the filters of courses. A course is the last price of one pair at one exchange. The API calls the pair `direction`
//! and the exchange `exchanger`.

use super::*;
use crate::tests::fixtures::{course, snapshot, time_at};

fn catalogue() -> Catalogue {
    let courses =
        vec![course("binance", "BTC-USDT", "1"), course("kraken", "BTC-EUR", "1"), course("ecb", "EUR-RUB", "1")];
    Catalogue::default().extended_by(&snapshot(time_at(0), courses, vec![]))
}

/// Parses the parameters, where `-` stands for an absent parameter. Fails with the names of the invalid fields.
fn parse(exchangers: &str, coins_from: &str, coins_to: &str) -> Result<SnapshotFilter, Vec<String>> {
    let param = |text: &str| (text != "-").then(|| text.to_owned());
    let params =
        FilterParams { exchangers: param(exchangers), coins_from: param(coins_from), coins_to: param(coins_to) };
    params.parse(&catalogue()).map_err(|errors| errors.into_iter().map(|error| error.field).collect())
}

#[test]
fn course_must_match_every_list() {
    let filter = parse(" Kraken,binance", "btc", "eur,USDT,eur").unwrap();
    assert!(filter.matches_course(&course("kraken", "BTC-EUR", "1")));
    assert!(filter.matches_course(&course("binance", "BTC-USDT", "1")));
    assert!(!filter.matches_course(&course("ecb", "BTC-EUR", "1")));
    assert!(!filter.matches_course(&course("kraken", "EUR-USDT", "1")));
    assert!(!filter.matches_course(&course("kraken", "BTC-RUB", "1")));
    assert_eq!(filter, parse("binance,kraken", "BTC", "USDT,EUR").unwrap());
}

#[test]
fn absent_and_blank_parameters_match_everything() {
    for blank in ["-", "", "  "] {
        assert!(parse(blank, blank, blank).unwrap().matches_everything());
    }
}

#[test]
fn unknown_names_are_reported_by_field() {
    assert_eq!(parse("bitmex", "-", "-"), Err(vec!["exchangers".to_owned()]));
    assert_eq!(parse("kraken,", "-", "-"), Err(vec!["exchangers".to_owned()]));
    // RUB is known as a quote asset only.
    assert_eq!(parse("kraken", "RUB", "€"), Err(vec!["coins_from".to_owned(), "coins_to".to_owned()]));
}

#[test]
fn every_unknown_name_is_reported_with_a_similar_known_name() {
    let params = FilterParams { exchangers: Some("krakn,kraken,bitmex,krakn".to_owned()), ..FilterParams::default() };
    let errors = params.parse(&catalogue()).unwrap_err();
    let start = "contains the unknown names \"krakn\" (did you mean kraken?), \"bitmex\"; each name must be one of ";
    assert!(errors.len() == 1 && errors[0].message.starts_with(start), "{errors:?}");
}

#[test]
fn exchange_stays_known_after_its_courses_disappear() {
    let later = catalogue().extended_by(&snapshot(time_at(5), vec![course("kraken", "BTC-EUR", "1")], vec![]));
    let params = FilterParams { exchangers: Some("binance".to_owned()), ..FilterParams::default() };
    assert!(params.parse(&later).is_ok());
}
