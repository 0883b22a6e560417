use super::*;

#[test]
fn amounts_are_parsed_and_displayed_exactly() {
    for (text, expected) in [
        ("69", "69.00"),
        ("600.00", "600.00"),
        ("0.1", "0.10"),
        ("0.0001", "0.0001"),
        ("12.345", "12.345"),
        ("999999999.9999", "999999999.9999"),
        ("1.00000", "1.00"),
    ] {
        assert_eq!(text.parse::<FiatAmount>().unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn invalid_amount_is_rejected_with_its_reason() {
    for (text, error) in [
        ("0", AmountError::NotPositive),
        ("-0.0", AmountError::NotPositive),
        ("-1", AmountError::NotPositive),
        ("-0.00001", AmountError::NotPositive),
        ("1000000000", AmountError::TooLarge),
        ("100000000000000000000", AmountError::TooLarge),
        ("1e3", AmountError::Number(NumberError::Exponent)),
        ("0.00001", AmountError::TooManyDecimals),
        ("1.00001", AmountError::TooManyDecimals),
        ("NaN", AmountError::Number(NumberError::Syntax)),
    ] {
        assert_eq!(text.parse::<FiatAmount>(), Err(error), "{text}");
    }
}

#[test]
fn ten_thousandths_outside_the_range_are_rejected() {
    assert_eq!(FiatAmount::from_ten_thousandths(1).map(FiatAmount::ten_thousandths), Ok(1));
    assert_eq!(FiatAmount::from_ten_thousandths(LIMIT - 1).map(FiatAmount::ten_thousandths), Ok(LIMIT - 1));
    for units in [i64::MIN, -1, 0] {
        assert_eq!(FiatAmount::from_ten_thousandths(units), Err(AmountError::NotPositive), "{units}");
    }
    for units in [LIMIT, i64::MAX] {
        assert_eq!(FiatAmount::from_ten_thousandths(units), Err(AmountError::TooLarge), "{units}");
    }
}
