use proptest::prelude::*;

use super::*;

fn rate(hundred_millionths: i64) -> Rate {
    Rate::from_hundred_millionths(hundred_millionths).unwrap()
}

fn any_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![1..1_000_000_000_000_000_000_i64, 1..1_000_000_i64, Just(100_000_000)].prop_map(rate)
}

#[test]
fn halves_are_rounded_to_the_even_neighbour() {
    let half = Ratio::ONE.multiplied_by(rate(50_000_000)).unwrap();
    for (amount, decimals, result) in [(1, 8, 0), (3, 8, 2), (5, 8, 2), (1_000_000, 2, 0), (3_000_000, 2, 2)] {
        assert_eq!(half.scale_rounded_half_even(amount, decimals), Some(result), "{amount}");
    }
    // A remainder below the eighth decimal also decides a tie.
    let third = Ratio::ONE.divided_by(rate(300_000_000)).unwrap();
    assert_eq!(third.scale_rounded_half_even(1_500_001, 2), Some(1));
    assert_eq!(third.scale_rounded_half_even(1_500_000, 2), Some(0));
    assert_eq!(third.scale_rounded_half_even(4_500_000, 2), Some(2));
}

#[test]
fn fractions_are_formatted_with_at_least_two_decimals() {
    let text = |ratio: Option<Ratio>| ratio.unwrap().text_rounded_half_even(16);
    assert_eq!(text(Ratio::ONE.multiplied_by(rate(8_400_012_000_000))), "84000.12");
    assert_eq!(text(Ratio::ONE.multiplied_by(rate(100_000_000))), "1.00");
    assert_eq!(text(Ratio::ONE.divided_by(rate(8_400_000_000_000))), "0.0000119047619048");
    assert_eq!(text(Ratio::ONE.divided_by(rate(1))), "100000000.00");
    assert_eq!(format_fixed_point(5, 2), "0.05");
    assert_eq!(format_fixed_point(12_345, 0), "12345");
}

proptest! {
    #[test]
    fn result_is_the_nearest_value_with_these_decimals(
        amount in 1..1_000_000_000_u128,
        a in 1..1_000_000_000_000_i64,
        b in 1..1_000_000_000_000_i64,
        decimals in 0..=8_u32,
    ) {
        let ratio = Ratio::ONE.multiplied_by(rate(a)).unwrap().divided_by(rate(b)).unwrap();
        let units = ratio.scale_rounded_half_even(amount, decimals).unwrap();
        // |units / 10^decimals - amount / 10^8 * a / b| is at most half a unit, computed in whole numbers.
        let (a, b) = (u128::try_from(a).unwrap(), u128::try_from(b).unwrap());
        let scale = 10_u128.pow(8 - decimals);
        let deviation = (units * scale * b).abs_diff(amount * a);
        prop_assert!(deviation * 2 <= scale * b);
    }

    #[test]
    fn division_undoes_multiplication(amount in 0..1_000_000_000_000_000_000_u128, rate in any_rate(), other in any_rate()) {
        let product = Ratio::ONE.multiplied_by(rate).unwrap();
        prop_assert_eq!(product.divided_by(rate).unwrap(), Ratio::ONE);
        prop_assert_eq!(product.divided_by(rate).unwrap().scale_rounded_half_even(amount, 8), Some(amount));
        // Every product and quotient of two rates is in range.
        prop_assert!(product.multiplied_by(other).is_some() && product.divided_by(other).is_some());
        let inverse = Ratio::ONE.divided_by(rate).unwrap();
        prop_assert!(inverse.multiplied_by(other).is_some() && inverse.divided_by(other).is_some());
    }

    #[test]
    fn long_division_is_exact(high in 0..1_u128 << 60, low in any::<u128>(), divisor in 1_u128 << 60..1 << 120) {
        let (quotient, remainder) = divide(high, low, divisor).unwrap();
        prop_assert!(remainder < divisor);
        let (product, carry) = quotient.carrying_mul(divisor, remainder);
        prop_assert_eq!((carry, product), (high, low));
    }
}
