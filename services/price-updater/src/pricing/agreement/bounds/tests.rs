use super::*;

fn rates(texts: &[&str]) -> Vec<Rate> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn usdt(texts: &[&str], max_faulty: usize) -> Option<String> {
    UsdtRate::from_sorted(&rates(texts), max_faulty).map(|rate| rate.0.to_string())
}

#[test]
fn bounds_lie_within_the_correct_rates_if_these_are_a_majority() {
    let bounds = |texts: &[&str], max_faulty| Bounds::from_sorted(&rates(texts), max_faulty).map(|b| (b.low, b.high));
    let range = |low: &str, high: &str| Some((low.parse().unwrap(), high.parse().unwrap()));
    assert_eq!(bounds(&["1", "100", "102"], 1), range("100", "100"));
    assert_eq!(bounds(&["1", "100", "102", "103"], 1), range("100", "102"));
    assert_eq!(bounds(&["100", "104"], 0), range("100", "104"));
    // Half of the rates may be faulty, so only close rates have bounds.
    assert_eq!(bounds(&["100", "100.5"], 1), range("100", "100.5"));
    assert_eq!(bounds(&["100", "100.51"], 1), None);
    assert_eq!(bounds(&["100"], 1), None);
    assert_eq!(bounds(&[], 0), None);
}

#[test]
fn rate_far_from_the_peg_is_faulty() {
    assert_eq!(usdt(&["0.999", "1.001", "2", "2", "2"], 3).unwrap(), "1.00");
    assert_eq!(usdt(&["0.999", "1", "1.001", "1.019", "1.019"], 3), None);
    assert_eq!(usdt(&["0.999", "1", "1.001", "1.019", "1.019"], 2).unwrap(), "1.001");
    assert_eq!(usdt(&["2"], 1), None);
}

#[test]
fn lost_peg_is_recognised_if_enough_sources_report_it() {
    assert_eq!(usdt(&["0.90", "0.901"], 1).unwrap(), "0.9005");
    assert_eq!(usdt(&["0.90"], 0).unwrap(), "0.90");
    assert_eq!(usdt(&["0.90", "0.95"], 1), None);
}
