use super::*;

#[test]
fn number_of_fitting_orders_is_exact() {
    // The sums of the first orders, over more than one period.
    let mut sum = 0;
    for number in 0..400 {
        let next = sum + terms_of(number).unwrap().bitcoin_amount.get();
        for (remaining, expected) in [(sum, number), (next - 1, number), (next, number + 1)] {
            assert_eq!(fitting_orders(Sats::new(remaining).unwrap()).unwrap(), expected, "{remaining} satoshi");
        }
        sum = next;
    }
}
