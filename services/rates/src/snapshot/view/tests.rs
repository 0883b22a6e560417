use super::*;
use crate::{
    snapshot::FilterParams,
    tests::fixtures::{at, course, price, snapshot},
};

fn view(courses: Vec<Course>) -> MarketSnapshotView {
    MarketSnapshotView::new(
        snapshot(at(0), courses, vec![price("BTC-USD", "91000")]),
        SnapshotOrigin::PriceCacheClient,
        None,
    )
}

fn text(answer: &TaggedJson) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn courses_are_shown_by_exchange_as_it_is_agreed() {
    let courses = vec![
        course("kraken", "BTC-USD", "91000.5"),
        Course { bid: Some("84000".parse().unwrap()), ..course("binance", "BTC-USDT", "84000.12") },
        course("kraken", "BTC-EUR", "84000"),
    ];
    let view = view(courses);
    let shown = view.courses(SnapshotFilter::default());
    let time = "\"observed_at\":\"2026-01-02T03:04:05.000000Z\",\"simulated\":false";
    assert_eq!(
        text(&shown),
        format!(
            "[{{\"exchanger\":\"binance\",\"courses\":[{{\"direction\":\"BTC-USDT\",\"value\":\"84000.12\",\"kind\":\"trade\",\
                 \"bid\":\"84000.00\",{time}}}]}},{{\"exchanger\":\"kraken\",\"courses\":[{{\"direction\":\"BTC-EUR\",\
                 \"value\":\"84000.00\",\"kind\":\"trade\",{time}}},{{\"direction\":\"BTC-USD\",\"value\":\"91000.50\",\
                 \"kind\":\"trade\",{time}}}]}}]"
        )
    );
}

#[test]
fn an_answer_is_named_by_what_it_says() {
    let (one, other) = (view(vec![course("kraken", "BTC-USD", "1")]), view(vec![course("kraken", "BTC-USD", "1")]));
    let etag = |view: &MarketSnapshotView| view.courses(SnapshotFilter::default()).etag;
    assert_eq!(etag(&one), etag(&other));
    assert_ne!(etag(&one), etag(&view(vec![course("kraken", "BTC-USD", "2")])));
}

#[test]
fn filters_are_answered_from_a_bounded_map() {
    let courses = (0..20).map(|n| course(&format!("e{n}"), "BTC-USD", "1")).collect();
    let view = view(courses);
    // Every subset of nine exchanges: more than are kept.
    for bits in 1..512_u32 {
        let names = (0..9).filter(|n| bits >> n & 1 == 1).map(|n| format!("e{n}")).collect::<Vec<_>>();
        let params = FilterParams { exchangers: Some(names.join(",")), ..FilterParams::default() };
        let filter = params.check(&view.catalogue).unwrap();
        let first = view.courses(filter.clone());
        assert_eq!(first.body, view.courses(filter).body);
        let shown: Vec<ExchangerCourses> = serde_json::from_slice(&first.body).unwrap();
        assert_eq!(shown.into_iter().map(|group| group.exchanger).collect::<Vec<_>>(), names);
    }
    assert_eq!(view.filtered().len(), MAX_FILTERED_RESPONSES);
}
