use super::*;

#[test]
fn values_are_scaled_linearly_and_clamped() {
    let scale = Scale { first: 100, last: 200, pixels: (300, 50) };
    for (value, pixel) in [(100, 300), (200, 50), (150, 175), (0, 300), (i64::MAX, 50)] {
        assert_eq!(scale.pixel(value), pixel, "{value}");
    }
    assert_eq!(scale.multiples_of(30).collect::<Vec<_>>(), [120, 150, 180]);
    assert_eq!(Scale { first: 5, last: 5, pixels: (0, 10) }.pixel(5), 0);
}

#[test]
fn steps_are_round_numbers() {
    assert_eq!(price_step(100 * UNIT, 6), 20 * UNIT);
    assert_eq!(price_step(UNIT, 6), UNIT / 5);
    assert_eq!(price_step(0, 6), 1);
    assert_eq!(time_step(6 * 3600, 8), 3600);
    assert_eq!(time_step(3600, 8), 600);
    assert_eq!(time_step(168 * 3600, 8), 86_400);
}

#[test]
fn labels_have_thousands_separators_and_the_necessary_decimals() {
    assert_eq!(format_price_label(9_100_050_000_000, 50_000_000), "91,000.5");
    assert_eq!(format_price_label(9_100_000_000_000, 20 * UNIT), "91,000");
    assert_eq!(format_price_label(99_980_000, 10_000), "0.9998");
    assert_eq!(format_rate("1234567.891".parse().unwrap()), "1,234,567.891");
    assert_eq!(format_rate("999".parse().unwrap()), "999.00");
    assert_eq!(format_time_label(0, 3600), "1 Jan");
    assert_eq!(format_time_label(3600, 3600), "01:00");
}
