//! Tests of the prices that may be used at a point in time. A course is the last price of one pair at one exchange. The
//! API calls the pair `direction` and the exchange `exchanger`.

use common::{
    api::courses::{CastVote, Course, MarketSnapshot, Rejection, SourcePairs},
    time::MAX_CLOCK_SKEW,
};
use proptest::prelude::*;

use super::*;
use crate::tests::fixtures::{agreed_price, course, snapshot, time_at};

const TTL: Duration = Duration::from_secs(60);

fn view(courses: Vec<Course>, prices: Vec<AgreedPrice>) -> MarketSnapshotView {
    MarketSnapshotView::new(snapshot(time_at(0), courses, prices), SnapshotOrigin::PriceCache, None)
}

fn pair(text: &str) -> CurrencyPair {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn expired_price_and_price_from_the_future_are_never_current(observed in 0..200_u64, read in 0..400_u64) {
        let price = AgreedPrice { as_of: Some(time_at(observed)), ..agreed_price("BTC-USD", "91000") };
        let view = view(vec![], vec![price]);
        match (CurrentPrices { view: &view, now: time_at(read), ttl: TTL }).price(pair("BTC-USD")) {
            Ok(current) => {
                prop_assert!(time_at(read) < current.as_of.plus(TTL));
                prop_assert!(current.as_of <= time_at(read).plus(MAX_CLOCK_SKEW));
            }
            Err(error) => {
                prop_assert_eq!(error, PriceError::Expired { pair: pair("BTC-USD"), as_of: time_at(observed), without_official_rate: None });
                prop_assert!(read >= observed + 60 || observed > read + MAX_CLOCK_SKEW.as_secs());
            }
        }
    }
}

#[test]
fn price_with_an_expiry_time_is_current_until_this_time() {
    for state in [PriceState::Fresh, PriceState::Prolonged] {
        let (state, expires_at) = (Some(state), Some(time_at(661)));
        let price = AgreedPrice { state, expires_at, ..agreed_price("BTC-USD", "91000") };
        let view = view(vec![], vec![price]);
        let price_at = |second| CurrentPrices { view: &view, now: time_at(second), ttl: TTL }.price(pair("BTC-USD"));
        assert_eq!(price_at(660).map(|price| Some(price.state)), Ok(state));
        let expired = PriceError::Expired { pair: pair("BTC-USD"), as_of: time_at(0), without_official_rate: None };
        assert_eq!(price_at(661), Err(expired));
    }
}

#[test]
fn refusal_lists_the_reason_and_each_rejected_vote() {
    let vote_of = |exchanger: &str, reported: &str, rejected| CastVote {
        exchanger: exchanger.to_owned(),
        pair: pair(reported),
        value: "1".parse().unwrap(),
        vote: None,
        observed_at: time_at(0),
        used: false,
        rejected: Some(rejected),
    };
    let vote = |exchanger, rejected| vote_of(exchanger, "BTC-USD", rejected);
    let refused = AgreedPrice {
        price: None,
        as_of: None,
        refused: Some("1 of 2 exchanges".to_owned()),
        votes: vec![
            vote("bitstamp", Rejection::Stale),
            vote("okx", Rejection::NoConversion),
            vote("kraken", Rejection::Stale),
            vote_of("binance", "BTC-USDT", Rejection::Stale),
        ],
        ..agreed_price("BTC-USD", "1")
    };
    let view = view(vec![course("kraken", "BTC-CHF", "1")], vec![refused]);
    let prices = CurrentPrices { view: &view, now: time_at(0), ttl: TTL };
    let error = |text: &str| prices.price(pair(text)).unwrap_err().to_string();
    assert_eq!(
        error("BTC-USD"),
        "BTC-USD has no price: 1 of 2 exchanges; stale: bitstamp, kraken, binance (BTC-USDT); no_conversion: okx"
    );
    assert!(error("BTC-CHF").starts_with("no price is agreed for BTC-CHF"));
    assert_eq!(error("BTC-JPY"), "no exchange reports BTC-JPY");
    for inverted in ["USD-BTC", "CHF-BTC"] {
        let (base, quote) = inverted.split_once('-').unwrap();
        let expected =
            format!("no exchange reports {inverted}; its price is the inverse of the price of {quote}-{base}");
        assert_eq!(error(inverted), expected);
    }
}

#[test]
fn asset_that_no_source_reports_at_the_moment_has_a_temporary_error() {
    let sources = vec![SourcePairs { exchanger: "cbr".to_owned(), directions: vec![pair("USD-RUB"), pair("EUR-RUB")] }];
    let bitcoin = agreed_price("BTC-USD", "91000");
    let snapshot = MarketSnapshot { sources, ..snapshot(time_at(0), vec![], vec![bitcoin]) };
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let prices = CurrentPrices { view: &view, now: time_at(0), ttl: TTL };
    for (missing, assets, expected) in [
        ("BTC-RUB", vec![Asset::RUB], "there is no price of RUB at the moment, because no price source reports one"),
        (
            "EUR-RUB",
            vec![Asset::EUR, Asset::RUB],
            "there is no price of EUR or RUB at the moment, because no price source reports one",
        ),
    ] {
        let error = prices.price(pair(missing)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_permanent()), (expected, false));
        assert_eq!(error, PriceError::NotReported(assets));
    }
    // No source has a price of this asset.
    assert_eq!(prices.price(pair("BTC-JPY")), Err(PriceError::UnknownPair(pair("BTC-JPY"))));
}

#[test]
fn expired_computed_price_names_its_missing_official_rate() {
    let computed = AgreedPrice {
        legs: vec![pair("BTC-USD"), pair("USD-RUB")],
        as_of: Some(time_at(0)),
        expires_at: Some(time_at(60)),
        ..agreed_price("BTC-RUB", "7000000")
    };
    let view = view(vec![], vec![computed]);
    let error = CurrentPrices { view: &view, now: time_at(60), ttl: TTL }.price(pair("BTC-RUB")).unwrap_err();
    let without_rate = ", and no source reports an official rate of RUB at the moment";
    assert!(error.to_string().ends_with(without_rate), "{error}");
}
