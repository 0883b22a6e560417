//! Tests of the parameters of the course history. A course is the last price of one pair at one exchange. The API calls
//! the pair `direction` and the exchange `exchanger`.

use super::*;
use crate::tests::fixtures::{course, snapshot, time_at};

fn catalogue() -> Catalogue {
    let courses = vec![course("binance", "BTC-USDT", "1"), course("kraken", "BTC-EUR", "1")];
    Catalogue::default().extended_by(&snapshot(time_at(0), courses, vec![]))
}

fn parse(params: &HistoryParams) -> Result<Vec<String>, Vec<String>> {
    let filter = params.parse(&catalogue());
    filter.map(|filter| filter.exchangers).map_err(|errors| errors.into_iter().map(|error| error.field).collect())
}

#[test]
fn exchangers_are_a_list_under_the_new_and_the_old_name() {
    let names = Some("Kraken, binance".to_owned());
    let expected = Ok(vec!["binance".to_owned(), "kraken".to_owned()]);
    assert_eq!(parse(&HistoryParams { exchangers: names.clone(), ..HistoryParams::default() }), expected);
    assert_eq!(parse(&HistoryParams { old_exchangers: names.clone(), ..HistoryParams::default() }), expected);
    let both = HistoryParams { exchangers: names.clone(), old_exchangers: names, ..HistoryParams::default() };
    assert_eq!(parse(&both), Err(vec!["exchanger".to_owned()]));
    assert_eq!(parse(&HistoryParams::default()), Ok(vec![]));
}

#[test]
fn every_invalid_parameter_is_named() {
    let wrong = HistoryParams {
        exchangers: Some("kraken,bitmex".to_owned()),
        direction: "BTC-XYZ".parse().ok(),
        from: Some(time_at(5)),
        to: Some(time_at(4)),
        ..HistoryParams::default()
    };
    assert_eq!(parse(&wrong), Err(["exchangers", "direction", "from"].map(str::to_owned).into()));
    let old = HistoryParams { old_exchangers: Some("bitmex".to_owned()), ..HistoryParams::default() };
    assert_eq!(parse(&old), Err(vec!["exchanger".to_owned()]));
    let empty = HistoryParams { from: Some(time_at(5)), to: Some(time_at(5)), ..HistoryParams::default() };
    assert_eq!(parse(&empty), Ok(vec![]));
}
