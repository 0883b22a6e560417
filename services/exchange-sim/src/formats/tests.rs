use super::{numbers::format_unusual, *};

fn json(value: &JsonValue) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn price_text_has_requested_decimals() {
    assert_eq!(format_price(8_400_012_000_000, 2), "84000.12");
    assert_eq!(format_price(8_400_010_000_000, 5), "84000.10000");
    assert_eq!(format_price(5_000_000, 2), "0.05");
    assert_eq!(format_price(8_400_012_000_000, 0), "84000");
    assert_eq!(format_price(-5_000_000, 2), "-0.05");
}

#[test]
fn price_number_has_no_trailing_zeros() {
    for (units, number) in [(8_400_012_000_000, "84000.12"), (8_400_000_000_000, "84000"), (-50_000_000, "-0.5")] {
        assert_eq!(json(&Price { units, format: PriceFormat::Plain }.number(8)), number);
    }
    assert_eq!(json(&Price { units: 1, format: PriceFormat::Null }.number(8)), "null");
    assert_eq!(json(&Price { units: 1, format: PriceFormat::Null }.text(8)), "null");
}

#[test]
fn price_is_written_in_every_unusual_format() {
    for (units, thousands, comma, exponent, integer) in [
        (8_400_012_000_000, "84,000.12", "84000,12", "8.400012e4", "84000"),
        (123_456_789_000_000, "1,234,567.89", "1234567,89", "1.23456789e6", "1234567"),
        (-12_300_000_000, "-123.00", "-123,00", "-1.23e2", "-123"),
        (8_400_000_000_000, "84,000.00", "84000,00", "8.4e4", "84000"),
        (5_000_000, "0.05", "0,05", "5e-2", "0"),
        (100_000_000, "1.00", "1,00", "1e0", "1"),
    ] {
        let text = |format| format_unusual(units, 2, format);
        assert_eq!(text(NumberFormat::Thousands), thousands);
        assert_eq!(text(NumberFormat::DecimalComma), comma);
        assert_eq!(text(NumberFormat::Exponent), exponent);
        assert_eq!(text(NumberFormat::Integer), integer);
    }
    let price = Price { units: 8_400_012_000_000, format: PriceFormat::Unusual(NumberFormat::Thousands) };
    assert_eq!(json(&price.number(2)), "\"84,000.12\"");
}

#[test]
fn time_is_written_in_every_format() {
    let time = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let format = |format, json_type| format_time(time, format, json_type).as_ref().map(json);
    assert_eq!(format(TimeFormat::Seconds, JsonType::Text).unwrap(), "\"1767323045\"");
    assert_eq!(format(TimeFormat::Millis, JsonType::Number).unwrap(), "1767323045678");
    assert_eq!(format(TimeFormat::Micros, JsonType::Number).unwrap(), "1767323045678901");
    assert_eq!(format(TimeFormat::Iso, JsonType::Number).unwrap(), "\"2026-01-02T03:04:05.678901Z\"");
    assert_eq!(format(TimeFormat::Date, JsonType::Number).unwrap(), "\"2026-01-02\"");
    assert_eq!(format(TimeFormat::Absent, JsonType::Number), None);
}
