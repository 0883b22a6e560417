use super::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn median_is_rounded_half_to_even() {
    let median = |texts: &[&str]| {
        let sorted: Vec<_> = texts.iter().map(|text| rate(text)).collect();
        median(&sorted).map(|rate| rate.to_string())
    };
    assert_eq!(median(&[]), None);
    assert_eq!(median(&["7"]).unwrap(), "7.00");
    assert_eq!(median(&["84000.12", "84000.13"]).unwrap(), "84000.125");
    assert_eq!(median(&["1", "2", "9"]).unwrap(), "2.00");
    assert_eq!(median(&["0.00000001", "0.00000002"]).unwrap(), "0.00000002");
    assert_eq!(median(&["0.00000002", "0.00000003"]).unwrap(), "0.00000002");
}

#[test]
fn largest_rates_do_not_overflow() {
    let (large, small) = (rate("9999999999.99999999"), rate("0.00000001"));
    let convert = |rate: Rate, numerator: Rate, denominator: Rate| Ratio { numerator, denominator }.convert(rate);
    assert_eq!(convert(large, large, large), Some(large));
    assert_eq!(convert(large, large, small), None);
    assert_eq!(convert(small, small, large), None);
    assert_eq!(convert(rate("91000"), rate("0.999"), rate("1")), Some(rate("90909")));
    let contains = |per_mille: i128| Tolerance { center: large, per_mille }.contains(small);
    assert!(contains(1000) && !contains(999));
}
