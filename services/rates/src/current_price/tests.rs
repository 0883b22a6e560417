use common::api::courses::{CastVote, Course, Rejection};
use proptest::prelude::*;

use super::*;
use crate::tests::fixtures::{at, course, price, snapshot};

const TTL: Duration = Duration::from_secs(60);

fn view(courses: Vec<Course>, prices: Vec<AgreedPrice>) -> MarketSnapshotView {
    MarketSnapshotView::new(snapshot(at(0), courses, prices), SnapshotOrigin::PriceCacheClient, None)
}

fn direction(text: &str) -> CurrencyPair {
    text.parse().unwrap()
}

proptest! {
    /// Whatever is on the board: a price that is shown is younger than its time to live.
    #[test]
    fn an_old_price_is_never_shown_as_current(observed in 0..200_u64, asked in 0..400_u64) {
        let view = view(vec![], vec![AgreedPrice { as_of: Some(at(observed)), ..price("BTC-USD", "91000") }]);
        match current_price(&view, direction("BTC-USD"), at(asked), TTL) {
            Ok(current) => prop_assert!(at(asked) < current.as_of.plus(TTL)),
            Err(error) => {
                prop_assert_eq!(error, PriceError::TooOld(direction("BTC-USD"), at(observed)));
                prop_assert!(asked >= observed + 60);
            }
        }
    }
}

#[test]
fn a_refused_price_says_why_and_what_became_of_each_vote() {
    let vote = |exchanger: &str, rejected| CastVote {
        exchanger: exchanger.to_owned(),
        told: direction("BTC-USD"),
        value: "1".parse().unwrap(),
        vote: None,
        observed_at: at(0),
        used: false,
        rejected: Some(rejected),
    };
    let refused = AgreedPrice {
        price: None,
        as_of: None,
        refused: Some("1 of 2 exchanges".to_owned()),
        votes: vec![vote("okx", Rejection::NoConversion), vote("kraken", Rejection::Stale)],
        ..price("BTC-USD", "1")
    };
    let view = view(vec![course("kraken", "BTC-CHF", "1")], vec![refused]);
    let error = |text: &str| current_price(&view, direction(text), at(0), TTL).unwrap_err().to_string();
    assert_eq!(
        error("BTC-USD"),
        "there is no price of BTC-USD: 1 of 2 exchanges; okx (BTC-USD): no_conversion, kraken (BTC-USD): stale"
    );
    assert!(error("BTC-CHF").starts_with("no price is agreed for BTC-CHF"));
    assert_eq!(error("BTC-JPY"), "nobody tells of BTC-JPY");
}
