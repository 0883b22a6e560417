use super::*;
use crate::tests::fixtures::{at, course, snapshot};

fn catalogue() -> Catalogue {
    let courses =
        vec![course("binance", "BTC-USDT", "1"), course("kraken", "BTC-EUR", "1"), course("ecb", "EUR-RUB", "1")];
    Catalogue::default().with(&snapshot(at(0), courses, vec![]))
}

fn check(exchangers: &str, from: &str, to: &str) -> Result<SnapshotFilter, Vec<String>> {
    let text = |text: &str| (text != "-").then(|| text.to_owned());
    let params = FilterParams { exchangers: text(exchangers), coins_from: text(from), coins_to: text(to) };
    params.check(&catalogue()).map_err(|errors| errors.into_iter().map(|error| error.field).collect())
}

#[test]
fn courses_pass_that_are_named_in_every_list() {
    let filter = check(" Kraken,binance", "btc", "eur,USDT,eur").unwrap();
    assert!(filter.passes(&course("kraken", "BTC-EUR", "1")));
    assert!(filter.passes(&course("binance", "BTC-USDT", "1")));
    assert!(!filter.passes(&course("ecb", "BTC-EUR", "1")));
    assert!(!filter.passes(&course("kraken", "EUR-USDT", "1")));
    assert!(!filter.passes(&course("kraken", "BTC-RUB", "1")));
    assert_eq!(filter, check("binance,kraken", "BTC", "USDT,EUR").unwrap());
}

#[test]
fn no_filter_and_an_empty_one_let_all_pass() {
    for none in ["-", "", "  "] {
        assert!(check(none, none, none).unwrap().is_everything());
    }
}

#[test]
fn what_nobody_tells_of_is_named() {
    assert_eq!(check("bitmex", "-", "-"), Err(vec!["exchangers".to_owned()]));
    assert_eq!(check("kraken,", "-", "-"), Err(vec!["exchangers".to_owned()]));
    // Known as what something is priced in, and never as what is priced.
    assert_eq!(check("kraken", "RUB", "€"), Err(vec!["coins_from".to_owned(), "coins_to".to_owned()]));
}

#[test]
fn an_exchange_that_is_silent_stays_known() {
    let later = catalogue().with(&snapshot(at(5), vec![course("kraken", "BTC-EUR", "1")], vec![]));
    let params = FilterParams { exchangers: Some("binance".to_owned()), ..FilterParams::default() };
    assert!(params.check(&later).is_ok());
}
