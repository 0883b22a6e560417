use super::*;
use crate::{
    snapshot::FilterParams,
    snapshot::SnapshotOrigin,
    tests::fixtures::{at, course, price, snapshot},
};

fn read(event: &Bytes) -> (String, SnapshotChanges) {
    let text = std::str::from_utf8(event).unwrap();
    let lines: Vec<_> = text.strip_suffix("\n\n").unwrap().lines().collect();
    let [name, id, data] = lines[..] else { panic!("{text}") };
    assert!(id.starts_with("id: "));
    let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    (name.strip_prefix("event: ").unwrap().to_owned(), data)
}

fn view(
    secs: u64,
    courses: &[(&str, &str, &str)],
    prices: &[(&str, &str)],
    before: Option<&MarketSnapshotView>,
) -> MarketSnapshotView {
    let courses = courses.iter().map(|(exchanger, direction, value)| course(exchanger, direction, value));
    let courses = courses.map(|course| Course { observed_at: at(secs), ..course }).collect();
    let prices = prices.iter().map(|(direction, value)| price(direction, value)).collect();
    MarketSnapshotView::new(snapshot(at(secs), courses, prices), SnapshotOrigin::PriceCacheClient, before)
}

#[test]
fn the_first_event_is_everything_and_a_later_one_what_differs() {
    let first = view(
        0,
        &[("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000"), ("okx", "BTC-USDT", "91001")],
        &[("BTC-EUR", "84000"), ("BTC-USD", "91000"), ("BTC-RUB", "7000000")],
        None,
    );
    let (name, all) = read(&changes_event(None, &first, &SnapshotFilter::default()).unwrap());
    assert_eq!((name.as_str(), all.courses.len(), all.prices.len(), all.gone.len()), ("courses", 2, 3, 0));

    let second = view(
        5,
        &[("binance", "BTC-USDT", "91002"), ("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000.01")],
        &[("BTC-EUR", "84000"), ("BTC-USD", "91000.01")],
        Some(&first),
    );
    let news = changes_event(Some(&first), &second, &SnapshotFilter::default()).unwrap();
    assert_eq!(second.changes.as_ref(), Some(&news));
    let (name, changed) = read(&news);
    assert_eq!((name.as_str(), changed.as_of), ("changes", at(5)));
    let shown = changed.courses.iter().flat_map(|group| group.courses.iter().map(|c| (group.exchanger.as_str(), c)));
    let shown: Vec<_> = shown.map(|(exchanger, c)| format!("{exchanger} {} {}", c.direction, c.value)).collect();
    assert_eq!(shown, ["binance BTC-USDT 91002.00", "kraken BTC-USD 91000.01"]);
    assert_eq!(changed.gone, [RemovedCourse { exchanger: "okx".to_owned(), direction: "BTC-USDT".parse().unwrap() }]);
    let prices: Vec<_> = changed.prices.iter().map(|p| (p.direction.to_string(), p.price)).collect();
    assert_eq!(prices, [("BTC-RUB".to_owned(), None), ("BTC-USD".to_owned(), Some("91000.01".parse().unwrap()))]);
}

#[test]
fn a_time_alone_is_no_change_and_neither_is_what_a_filter_leaves_out() {
    let courses = [("kraken", "BTC-EUR", "84000"), ("okx", "BTC-USDT", "91001")];
    let first = view(0, &courses, &[], None);
    let second = view(5, &courses, &[], Some(&first));
    assert_eq!(second.changes, None);
    let third = view(10, &[("kraken", "BTC-EUR", "84001"), courses[1]], &[], Some(&second));
    let params = FilterParams { exchangers: Some("okx".to_owned()), ..FilterParams::default() };
    let filter = params.check(&third.catalogue).unwrap();
    assert_eq!(changes_event(Some(&first), &third, &filter), None);
    assert!(changes_event(Some(&first), &third, &SnapshotFilter::default()).is_some());
}
