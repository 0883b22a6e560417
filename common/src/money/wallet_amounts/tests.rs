use proptest::prelude::*;

use super::*;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn units(text: &str, code: &str) -> Result<i64, OperationAmountError> {
    text.parse::<OperationAmount>()?.units_of(currency(code))
}

#[test]
fn amount_is_converted_to_the_smallest_unit_of_the_currency() {
    for (text, code, expected) in [
        ("1000", "USD", 10_000_000),
        ("0.0001", "RUB", 1),
        ("999999999.9999", "EUR", 9_999_999_999_999),
        ("1.50000000", "EUR", 15_000),
        ("0.00000001", "BTC", 1),
        ("999999999.99999999", "BTC", 99_999_999_999_999_999),
    ] {
        assert_eq!(units(text, code), Ok(expected), "{text} {code}");
    }
}

#[test]
fn invalid_operation_amount_is_refused_with_its_reason() {
    use OperationAmountError::{NotPositive, Number, TooLarge, TooManyDecimals};
    let (syntax, digits) = (Number(NumberError::Syntax), Number(NumberError::TooManyDigits));
    let exponent = Number(NumberError::Exponent);
    for (text, expected) in [
        ("1e3", exponent),
        ("1E3", exponent),
        ("1e400", exponent),
        ("1e-99999999999", exponent),
        ("NaN", syntax),
        ("Infinity", syntax),
        ("01", Number(NumberError::LeadingZeros)),
        ("\u{967}\u{968}", syntax),
        ("\u{ff11}", syntax),
        ("", syntax),
        (" 1", syntax),
        ("+1", syntax),
        ("1,5", syntax),
        (".5", syntax),
        ("1.", syntax),
        ("0x10", syntax),
        ("1_000", syntax),
        ("1e", syntax),
        ("-0", NotPositive),
        ("0", NotPositive),
        ("0.00000000", NotPositive),
        ("-5", NotPositive),
        ("123456789012345678901234567890", digits),
        ("1000000000", TooLarge),
        ("12345678901234567890", TooLarge),
        ("0.000000001", TooManyDecimals(8)),
    ] {
        assert_eq!(text.parse::<OperationAmount>(), Err(expected), "{text}");
    }
    assert_eq!(units("0.00001", "USD"), Err(TooManyDecimals(4)));
    assert_eq!(units("0.00001", "BTC"), Ok(1_000));
}

#[test]
fn text_has_2_to_4_decimals_or_8_for_bitcoin() {
    for (code, units, text) in [
        ("USD", 0, "0.00"),
        ("USD", 15_000, "1.50"),
        ("USD", 1, "0.0001"),
        ("BTC", 0, "0.00000000"),
        ("BTC", 150_000_000, "1.50000000"),
        ("EUR", Money::MAX_UNITS, "99999999999999.9999"),
        ("BTC", Money::MAX_UNITS, "9999999999.99999999"),
    ] {
        let money = Money::new(currency(code), units).unwrap();
        assert_eq!(money.to_string(), text);
        assert_eq!(text.parse(), Ok(money));
    }
}

#[test]
fn amounts_outside_the_range_and_malformed_texts_are_refused() {
    let eur = currency("EUR");
    assert_eq!(Money::new(eur, -1), Err(MoneyError::Negative));
    assert_eq!(Money::new(eur, Money::MAX_UNITS + 1), Err(MoneyError::TooLarge));
    for text in ["1", "1.0", "1.00000", "-1.00", "01.00", "1.500", "", ".00", "1e3.00", "+1.00"] {
        assert_eq!(text.parse::<Money>(), Err(MoneyError::Syntax), "{text}");
    }
    assert_eq!("100000000000000.00".parse::<Money>(), Err(MoneyError::TooLarge));
    assert_eq!("99999999999999999999.00".parse::<Money>(), Err(MoneyError::TooLarge));
}

#[test]
fn amount_is_stored_in_the_smallest_unit_of_the_currency() {
    assert_eq!(Money::new(currency("EUR"), 15_000).unwrap().units(), 15_000);
    assert_eq!("1.50".parse::<Money>().unwrap().units(), 15_000);
    assert_eq!("0.00000015".parse::<Money>().unwrap().units(), 15);
}

proptest! {
    #[test]
    fn texts_are_parsed_to_the_same_value(units in 0..=Money::MAX_UNITS, is_bitcoin: bool, amount in 1..AMOUNT_LIMIT) {
        let money = Money::new(currency(if is_bitcoin { "BTC" } else { "USD" }), units).unwrap();
        prop_assert_eq!(money.to_string().parse(), Ok(money));
        let amount = OperationAmount(amount);
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
    }

    #[test]
    fn parsing_never_panics(text in ".*") {
        let _ = (text.parse::<OperationAmount>(), text.parse::<Money>());
    }
}
