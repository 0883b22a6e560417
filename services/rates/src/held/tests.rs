use super::*;
use crate::{
    filter::Wishes,
    given::{at, board, course, price},
};

fn held(courses: Vec<Course>) -> Held {
    Held::new(board(at(0), courses, vec![price("BTC-USD", "91000")]), Origin::Board, None)
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn courses_are_shown_by_exchange_as_it_is_agreed() {
    let courses = vec![
        course("kraken", "BTC-USD", "91000.5"),
        Course { bid: Some("84000".parse().unwrap()), ..course("binance", "BTC-USDT", "84000.12") },
        course("kraken", "BTC-EUR", "84000"),
    ];
    let held = held(courses);
    let shown = held.courses(Filter::default());
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
    let (one, other) = (held(vec![course("kraken", "BTC-USD", "1")]), held(vec![course("kraken", "BTC-USD", "1")]));
    let etag = |held: &Held| held.courses(Filter::default()).etag;
    assert_eq!(etag(&one), etag(&other));
    assert_ne!(etag(&one), etag(&held(vec![course("kraken", "BTC-USD", "2")])));
}

#[test]
fn filters_are_answered_from_a_bounded_map() {
    let courses = (0..20).map(|n| course(&format!("e{n}"), "BTC-USD", "1")).collect();
    let held = held(courses);
    // Every subset of nine exchanges: more than are kept.
    for bits in 1..512_u32 {
        let names = (0..9).filter(|n| bits >> n & 1 == 1).map(|n| format!("e{n}")).collect::<Vec<_>>();
        let wishes = Wishes { exchangers: Some(names.join(",")), ..Wishes::default() };
        let filter = wishes.check(&held.known).unwrap();
        let first = held.courses(filter.clone());
        assert_eq!(first.body, held.courses(filter).body);
        let shown: Vec<ExchangerCourses> = serde_json::from_slice(&first.body).unwrap();
        assert_eq!(shown.into_iter().map(|group| group.exchanger).collect::<Vec<_>>(), names);
    }
    assert_eq!(held.filtered().len(), MAX_FILTERED);
}
