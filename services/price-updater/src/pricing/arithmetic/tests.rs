use super::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn the_middle_is_found_and_rounded_half_to_even() {
    let middle = |texts: &[&str]| {
        let sorted: Vec<_> = texts.iter().map(|text| rate(text)).collect();
        median(&sorted).map(|rate| rate.to_string())
    };
    assert_eq!(middle(&[]), None);
    assert_eq!(middle(&["7"]).unwrap(), "7.00");
    assert_eq!(middle(&["84000.12", "84000.13"]).unwrap(), "84000.125");
    assert_eq!(middle(&["1", "2", "9"]).unwrap(), "2.00");
    assert_eq!(middle(&["0.00000001", "0.00000002"]).unwrap(), "0.00000002");
    assert_eq!(middle(&["0.00000002", "0.00000003"]).unwrap(), "0.00000002");
}

#[test]
fn the_largest_rates_do_not_overflow() {
    let (large, small) = (rate("9999999999.99999999"), rate("0.00000001"));
    assert_eq!(scaled(large, large, large), Some(large));
    assert_eq!(scaled(large, large, small), None);
    assert_eq!(scaled(small, small, large), None);
    assert_eq!(scaled(rate("91000"), rate("0.999"), rate("1")), Some(rate("90909")));
    assert!(within(1000, large, small) && !within(999, large, small));
}
