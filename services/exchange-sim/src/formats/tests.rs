use super::*;

fn json(shown: &WireValue) -> String {
    serde_json::to_string(shown).unwrap()
}

#[test]
fn prices_have_the_decimals_of_the_exchange() {
    assert_eq!(format_decimal(8_400_012_000_000, 2), "84000.12");
    assert_eq!(format_decimal(8_400_010_000_000, 5), "84000.10000");
    assert_eq!(format_decimal(5_000_000, 2), "0.05");
    assert_eq!(format_decimal(8_400_012_000_000, 0), "84000");
    assert_eq!(format_decimal(-5_000_000, 2), "-0.05");
}

#[test]
fn numbers_have_no_digit_too_many() {
    for (units, number) in [(8_400_012_000_000, "84000.12"), (8_400_000_000_000, "84000"), (-50_000_000, "-0.5")] {
        assert_eq!(json(&Price { units, form: PriceForm::Plain }.number(8)), number);
    }
    assert_eq!(json(&Price { units: 1, form: PriceForm::Null }.number(8)), "null");
    assert_eq!(json(&Price { units: 1, form: PriceForm::Null }.text(8)), "null");
}

#[test]
fn odd_numbers_are_odd_and_right() {
    let odd = |units, form| super::format_odd(units, 2, form);
    for (units, thousands, comma, exponent, integer) in [
        (8_400_012_000_000, "84,000.12", "84000,12", "8.400012e4", "84000"),
        (123_456_789_000_000, "1,234,567.89", "1234567,89", "1.23456789e6", "1234567"),
        (-12_300_000_000, "-123.00", "-123,00", "-1.23e2", "-123"),
        (8_400_000_000_000, "84,000.00", "84000,00", "8.4e4", "84000"),
        (5_000_000, "0.05", "0,05", "5e-2", "0"),
        (100_000_000, "1.00", "1,00", "1e0", "1"),
    ] {
        assert_eq!(odd(units, NumberForm::Thousands), thousands);
        assert_eq!(odd(units, NumberForm::DecimalComma), comma);
        assert_eq!(odd(units, NumberForm::Exponent), exponent);
        assert_eq!(odd(units, NumberForm::Integer), integer);
    }
    let price = Price { units: 8_400_012_000_000, form: PriceForm::Odd(NumberForm::Thousands) };
    assert_eq!(json(&price.number(2)), "\"84,000.12\"");
}

#[test]
fn a_time_has_many_forms() {
    let time = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let form = |form, quoted| format_time(time, form, quoted).as_ref().map(json);
    assert_eq!(form(TimeForm::Seconds, true).unwrap(), "\"1767323045\"");
    assert_eq!(form(TimeForm::Millis, false).unwrap(), "1767323045678");
    assert_eq!(form(TimeForm::Micros, false).unwrap(), "1767323045678901");
    assert_eq!(form(TimeForm::Iso, false).unwrap(), "\"2026-01-02T03:04:05.678901Z\"");
    assert_eq!(form(TimeForm::Date, false).unwrap(), "\"2026-01-02\"");
    assert_eq!(form(TimeForm::Absent, false), None);
}
