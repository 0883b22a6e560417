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
