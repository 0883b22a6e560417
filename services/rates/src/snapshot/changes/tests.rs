//! Tests of the differences between two snapshots. A course is the last price of one pair at one exchange. The API
//! calls the pair `direction` and the exchange `exchanger`.

use super::*;
use crate::{
    snapshot::{FilterParams, MarketSnapshotView, SnapshotOrigin},
    tests::fixtures::{agreed_price, course, snapshot, time_at},
};

fn parse_event(event: &Bytes) -> (String, SnapshotChanges) {
    let text = std::str::from_utf8(event).unwrap();
    let lines: Vec<_> = text.strip_suffix("\n\n").unwrap().lines().collect();
    let [event_type, id, data] = lines[..] else { panic!("{text}") };
    assert!(id.starts_with("id: "));
    let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    (event_type.strip_prefix("event: ").unwrap().to_owned(), data)
}

/// Each course is a tuple of exchange, pair and value. Each price is a tuple of pair and value.
fn view(
    time: u64,
    courses: &[(&str, &str, &str)],
    prices: &[(&str, &str)],
    previous: Option<&MarketSnapshotView>,
) -> MarketSnapshotView {
    let courses = courses.iter().map(|(exchanger, pair, value)| course(exchanger, pair, value));
    let courses = courses.map(|course| Course { observed_at: time_at(time), ..course }).collect();
    let prices = prices.iter().map(|(pair, value)| agreed_price(pair, value)).collect();
    MarketSnapshotView::new(snapshot(time_at(time), courses, prices), SnapshotOrigin::PriceCache, previous)
}

#[test]
fn first_event_lists_everything_and_later_events_list_differences() {
    let first = view(
        0,
        &[("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000"), ("okx", "BTC-USDT", "91001")],
        &[("BTC-EUR", "84000"), ("BTC-USD", "91000"), ("BTC-RUB", "7000000")],
        None,
    );
    let (event_type, all) = parse_event(&changes_event(None, &first.snapshot, &SnapshotFilter::default()).unwrap());
    assert_eq!((event_type.as_str(), all.courses.len(), all.prices.len(), all.removed.len()), ("courses", 2, 3, 0));

    let second = view(
        5,
        &[("binance", "BTC-USDT", "91002"), ("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000.01")],
        &[("BTC-EUR", "84000"), ("BTC-USD", "91000.01")],
        Some(&first),
    );
    let event = changes_event(Some(&first.snapshot), &second.snapshot, &SnapshotFilter::default()).unwrap();
    assert_eq!(second.changes.as_ref(), Some(&event));
    let (event_type, changed) = parse_event(&event);
    assert_eq!((event_type.as_str(), changed.as_of), ("changes", time_at(5)));
    let courses = changed.courses.iter().flat_map(|group| group.courses.iter().map(|c| (group.exchanger.as_str(), c)));
    let courses: Vec<_> = courses.map(|(exchanger, c)| format!("{exchanger} {} {}", c.direction, c.value)).collect();
    assert_eq!(courses, ["binance BTC-USDT 91002.00", "kraken BTC-USD 91000.01"]);
    assert_eq!(
        changed.removed,
        [RemovedCourse { exchanger: "okx".to_owned(), direction: "BTC-USDT".parse().unwrap() }]
    );
    let prices: Vec<_> = changed.prices.iter().map(|p| (p.direction.to_string(), p.price)).collect();
    assert_eq!(prices, [("BTC-RUB".to_owned(), None), ("BTC-USD".to_owned(), Some("91000.01".parse().unwrap()))]);
}

#[test]
fn new_times_and_excluded_courses_are_not_changes() {
    let courses = [("kraken", "BTC-EUR", "84000"), ("okx", "BTC-USDT", "91001")];
    let first = view(0, &courses, &[], None);
    let second = view(5, &courses, &[], Some(&first));
    assert_eq!(second.changes, None);
    let third = view(10, &[("kraken", "BTC-EUR", "84001"), courses[1]], &[], Some(&second));
    let params = FilterParams { exchangers: Some("okx".to_owned()), ..FilterParams::default() };
    let filter = params.parse(&third.catalogue).unwrap();
    assert_eq!(changes_event(Some(&first.snapshot), &third.snapshot, &filter), None);
    assert!(changes_event(Some(&first.snapshot), &third.snapshot, &SnapshotFilter::default()).is_some());
}
