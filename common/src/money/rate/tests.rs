use super::*;

#[test]
fn rates_are_parsed_and_displayed_exactly() {
    for (text, expected) in [
        ("84000.12", "84000.12"),
        ("61234.50000", "61234.50"),
        ("0.00000001", "0.00000001"),
        ("9999999999", "9999999999.00"),
    ] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!(rate.to_string(), expected);
        assert_eq!(rate.to_decimal(), expected.parse().unwrap());
    }
}

#[test]
fn invalid_rate_is_rejected_with_its_reason() {
    for (text, error) in [
        ("0", RateError::NotPositive),
        ("-84000", RateError::NotPositive),
        ("-0.000000001", RateError::NotPositive),
        ("10000000000", RateError::TooLarge),
        ("1.000000001", RateError::TooManyDecimals),
    ] {
        assert_eq!(text.parse::<Rate>(), Err(error));
    }
    assert_eq!(Rate::from_hundred_millionths(i64::MAX), Err(RateError::TooLarge));
}

#[test]
fn computed_rate_is_rounded_half_to_even() {
    let round = |text: &str| Rate::rounded_half_even(text.parse().unwrap()).unwrap().hundred_millionths();
    assert_eq!(round("0.000000015"), 2);
    assert_eq!(round("0.000000025"), 2);
    assert_eq!(round("0.0000000250001"), 3);
}

#[test]
fn distance_is_in_millionths_of_the_rate_and_rounded_up() {
    let distance =
        |center: &str, other: &str| center.parse::<Rate>().unwrap().distance_millionths(other.parse().unwrap());
    assert_eq!((distance("200", "201"), distance("201", "200")), (5_000, 4_976));
    assert_eq!((distance("3", "3"), distance("0.00000001", "9999999999")), (0, 999_999_999_899_999_999_000_000));
}
