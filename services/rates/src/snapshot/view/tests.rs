//! Tests of the responses prepared from a snapshot. A course is the last price of one pair at one exchange. The API calls the
//! pair `direction` and the exchange `exchanger`.

use common::api::{courses::Course, rates::ExchangerCourses};

use super::*;
use crate::{
    snapshot::FilterParams,
    tests::fixtures::{agreed_price, course, snapshot, time_at},
};

fn view(courses: Vec<Course>) -> MarketSnapshotView {
    let snapshot = snapshot(time_at(0), courses, vec![agreed_price("BTC-USD", "91000")]);
    MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None)
}

#[test]
fn courses_are_grouped_by_exchange_in_the_documented_format() {
    let courses = vec![
        course("kraken", "BTC-USD", "91000.5"),
        Course { bid: Some("84000".parse().unwrap()), ..course("binance", "BTC-USDT", "84000.12") },
        course("kraken", "BTC-EUR", "84000"),
    ];
    let json = view(courses).courses_json(SnapshotFilter::default());
    let time = "\"observed_at\":\"2026-01-02T03:04:05.000000Z\",\"simulated\":false";
    assert_eq!(
        std::str::from_utf8(&json.body).unwrap(),
        format!(
            "[{{\"exchanger\":\"binance\",\"courses\":[{{\"direction\":\"BTC-USDT\",\"value\":\"84000.12\",\"kind\":\"trade\",\
                 \"bid\":\"84000.00\",{time}}}]}},{{\"exchanger\":\"kraken\",\"courses\":[{{\"direction\":\"BTC-EUR\",\
                 \"value\":\"84000.00\",\"kind\":\"trade\",{time}}},{{\"direction\":\"BTC-USD\",\"value\":\"91000.50\",\
                 \"kind\":\"trade\",{time}}}]}}]\n"
        )
    );
}

#[test]
fn equal_bodies_have_equal_etags() {
    let etag =
        |value: &str| view(vec![course("kraken", "BTC-USD", value)]).courses_json(SnapshotFilter::default()).etag;
    assert_eq!(etag("1"), etag("1"));
    assert_ne!(etag("1"), etag("2"));
}

#[test]
fn cache_of_filtered_responses_is_bounded() {
    let view = view((0..20).map(|n| course(&format!("e{n}"), "BTC-USD", "1")).collect());
    // One filter for each of the 511 nonempty subsets of nine exchanges. The cache holds fewer responses.
    for bits in 1..512_u32 {
        let names = (0..9).filter(|n| bits >> n & 1 == 1).map(|n| format!("e{n}")).collect::<Vec<_>>();
        let params = FilterParams { exchangers: Some(names.join(",")), ..FilterParams::default() };
        let filter = params.parse(&view.catalogue).unwrap();
        let first = view.courses_json(filter.clone());
        assert_eq!(first.body, view.courses_json(filter).body);
        let groups: Vec<ExchangerCourses> = serde_json::from_slice(&first.body).unwrap();
        assert_eq!(groups.into_iter().map(|group| group.exchanger).collect::<Vec<_>>(), names);
    }
    assert_eq!(view.lock_filtered_courses().len(), MAX_FILTERED_RESPONSES);
}
