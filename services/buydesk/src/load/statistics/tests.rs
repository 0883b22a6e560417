use std::time::Duration;

use super::{format_count, format_duration, format_latency, format_rate, per_second, short_latency};

#[test]
fn numbers_have_units_and_separators() {
    assert_eq!([1, 999, 1000, 12_345, 1_234_567].map(format_count), ["1", "999", "1,000", "12,345", "1,234,567"]);
    assert_eq!([850, 2130, 1_204_000].map(format_latency), ["850 µs", "2.13 ms", "1.20 s"]);
    assert_eq!([12.54, 4980.4].map(format_rate), ["12.5", "4,980"]);
    assert_eq!([850, 2100, 10_000, 1_204_000].map(short_latency), ["850 µs", "2.1 ms", "10 ms", "1.2 s"]);
    let times = [Duration::from_secs(30), Duration::from_millis(500)];
    assert_eq!(times.map(format_duration), ["30 s", "0.5 s"]);
}

#[test]
fn rate_is_zero_if_no_time_has_passed() {
    assert!(per_second(5, Duration::ZERO) < f64::EPSILON);
    assert!((per_second(5, Duration::from_secs(2)) - 2.5).abs() < f64::EPSILON);
}
