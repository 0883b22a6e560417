use super::*;

#[test]
fn amounts_are_parsed_and_displayed_exactly() {
    for (text, expected) in [
        ("69", "69.00"),
        ("600.00", "600.00"),
        ("0.1", "0.10"),
        ("0.0001", "0.0001"),
        ("1e3", "1000.00"),
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
        ("1000000000", AmountError::TooLarge),
        ("1e20", AmountError::TooLarge),
        ("0.00001", AmountError::TooManyDecimals),
        ("1.00001", AmountError::TooManyDecimals),
        ("NaN", AmountError::Number(NumberError::Syntax)),
    ] {
        assert_eq!(text.parse::<FiatAmount>(), Err(error), "{text}");
    }
}
