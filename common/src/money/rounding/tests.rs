use super::*;

#[test]
fn halves_are_rounded_to_the_even_neighbour() {
    for (numerator, denominator, expected) in
        [(0, 7, 0), (1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (49, 100, 0), (51, 100, 1), (1, 3, 0), (2, 3, 1)]
    {
        assert_eq!(divide_half_even(numerator, denominator), Some(expected), "{numerator}/{denominator}");
    }
    assert_eq!(divide_half_even(1, 0), None);
    assert_eq!(divide_half_even(u128::MAX, u128::MAX), Some(1));
    assert_eq!(divide_half_even(u128::MAX - 1, u128::MAX), Some(1));
    assert_eq!(round_half_even(u128::MAX, Ordering::Greater), None);
}

#[test]
fn rounded_price_keeps_two_decimals_and_six_significant_digits() {
    for (exact, rounded) in [
        ("91370.17693188", "91370.18"),
        ("91370.175", "91370.18"),
        ("91370.165", "91370.16"),
        ("99999.995", "100000.00"),
        ("84000.12", "84000.12"),
        ("84000", "84000.00"),
        ("8190045.123456", "8190045.12"),
        ("9999999999.99999999", "10000000000.00"),
        ("90.1234567", "90.1235"),
        ("1.0833", "1.0833"),
        ("0.9231", "0.9231"),
        ("0.92314567", "0.923146"),
        ("0.99999999", "1.00"),
        ("0.00001234", "0.00001234"),
        ("0.000011904744898", "0.0000119047"),
        ("0", "0.00"),
        ("-1.23456789", "-1.23457"),
    ] {
        assert_eq!(rounded_price(exact.parse().unwrap()), rounded, "{exact}");
    }
}
