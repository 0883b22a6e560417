use super::*;

fn rates(texts: &[&str]) -> Vec<Rate> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn usdt(texts: &[&str], liars: usize) -> Option<String> {
    dollars(&rates(texts), liars).map(|rate| rate.to_string())
}

#[test]
fn a_majority_of_honest_ones_says_where() {
    let bounds = |texts: &[&str], liars| Bounds::of(&rates(texts), liars).map(|b| (b.low, b.high));
    let range = |low: &str, high: &str| Some((low.parse().unwrap(), high.parse().unwrap()));
    assert_eq!(bounds(&["1", "100", "102"], 1), range("100", "100"));
    assert_eq!(bounds(&["1", "100", "102", "103"], 1), range("100", "102"));
    assert_eq!(bounds(&["100", "104"], 0), range("100", "104"));
    // As many liars as honest ones: only what agrees narrowly.
    assert_eq!(bounds(&["100", "100.5"], 1), range("100", "100.5"));
    assert_eq!(bounds(&["100", "100.51"], 1), None);
    assert_eq!(bounds(&["100"], 1), None);
    assert_eq!(bounds(&[], 0), None);
}

#[test]
fn who_is_far_from_the_peg_has_told_that_it_lies() {
    assert_eq!(usdt(&["0.999", "1.001", "2", "2", "2"], 3).unwrap(), "1.00");
    assert_eq!(usdt(&["0.999", "1", "1.001", "1.019", "1.019"], 3), None);
    assert_eq!(usdt(&["0.999", "1", "1.001", "1.019", "1.019"], 2).unwrap(), "1.001");
    assert_eq!(usdt(&["2"], 1), None);
}

#[test]
fn a_peg_that_is_lost_is_followed_where_enough_tell_so() {
    assert_eq!(usdt(&["0.90", "0.901"], 1).unwrap(), "0.9005");
    assert_eq!(usdt(&["0.90"], 0).unwrap(), "0.90");
    assert_eq!(usdt(&["0.90", "0.95"], 1), None);
}
