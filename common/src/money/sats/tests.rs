use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn bought(amount: &str, rate: &str) -> String {
    Sats::bought_rounded_up(amount.parse().unwrap(), rate.parse().unwrap()).unwrap().to_string()
}

#[test]
fn purchase_is_rounded_up_to_the_next_satoshi() {
    assert_eq!(bought("69", "84000.12"), "0.00082143");
    assert_eq!(bought("84000.12", "84000.12"), "1.00000000");
    assert_eq!(bought("0.0001", "84000.12"), "0.00000001");
    assert_eq!(bought("1", "3"), "0.33333334");
}

#[test]
fn amount_above_the_supply_is_rejected() {
    let tiny = "0.00000001".parse().unwrap();
    assert_eq!(Sats::bought_rounded_up("999999999.9999".parse().unwrap(), tiny), Err(SatsError::TooLarge));
    assert_eq!("21000000.00000001".parse::<Sats>(), Err(SatsError::TooLarge));
    assert_eq!("9999999999999999999999999999".parse::<Sats>(), Err(SatsError::TooLarge));
}

#[test]
fn amount_is_parsed_in_bitcoin() {
    assert_eq!("100".parse::<Sats>().unwrap().get(), 10_000_000_000);
    assert_eq!("0.00000001".parse::<Sats>().unwrap().get(), 1);
    assert_eq!("0.000000001".parse::<Sats>(), Err(SatsError::TooManyDecimals));
    assert_eq!("-1".parse::<Sats>(), Err(SatsError::Negative));
    assert_eq!("-0.000000001".parse::<Sats>(), Err(SatsError::Negative));
    assert_eq!("-0".parse::<Sats>(), Ok(Sats::ZERO));
}

#[test]
fn amounts_are_added_up_to_the_supply_and_subtracted_down_to_zero() {
    let sats = |satoshi| Sats::new(satoshi).unwrap();
    assert_eq!(sats(3).checked_add(sats(4)), Ok(sats(7)));
    assert_eq!(sats(MAX).checked_add(sats(1)), Err(SatsError::TooLarge));
    assert_eq!(sats(7).saturating_sub(sats(4)), sats(3));
    assert_eq!(sats(4).saturating_sub(sats(7)), Sats::ZERO);
}

#[test]
fn cost_is_rounded_up_to_four_decimals() {
    let cost = |bitcoin: &str, rate: &str| {
        let cost = bitcoin.parse::<Sats>().unwrap().cost_rounded_up(rate.parse().unwrap());
        cost.map(|amount| amount.to_string())
    };
    assert_eq!(cost("0.001", "84000.12"), Ok("84.0002".to_owned()));
    assert_eq!(cost("0.001", "84000"), Ok("84.00".to_owned()));
    assert_eq!(cost("0.00000001", "84000.12"), Ok("0.0009".to_owned()));
    assert_eq!(cost("0.00000001", "0.00000001"), Ok("0.0001".to_owned()));
    assert_eq!(cost("1", "999999999.9999"), Ok("999999999.9999".to_owned()));
    assert_eq!(cost("1", "999999999.99990001"), Err(AmountError::TooLarge));
    assert_eq!(cost("21000000", "9999999999.99999999"), Err(AmountError::TooLarge));
}

proptest! {
    #[test]
    fn rounded_up_cost_is_the_smallest_that_covers_the_bitcoin(satoshi in 1..10_i64.pow(9), rate in 1..10_i64.pow(16)) {
        let cost = Sats::new(satoshi).unwrap().cost_rounded_up(Rate::from_hundred_millionths(rate).unwrap());
        let (cost, worth) = (i128::from(cost.unwrap().ten_thousandths()), i128::from(satoshi) * i128::from(rate));
        prop_assert!(cost * 10_i128.pow(12) >= worth);
        prop_assert!((cost - 1) * 10_i128.pow(12) < worth);
    }

    #[test]
    fn rounded_up_amount_is_the_smallest_that_covers_the_payment(amount in 1_i64..10_i64.pow(13), rate in 10_i64.pow(8)..10_i64.pow(17)) {
        let paid = Decimal::new(amount, 4);
        let rate = Rate::from_hundred_millionths(rate).unwrap();
        let sats = Sats::bought_rounded_up(FiatAmount::from_ten_thousandths(amount).unwrap(), rate);
        prop_assume!(sats.is_ok());
        let sats = i128::from(sats.unwrap().get());
        let (paid, rate) = (paid.mantissa() * 10_i128.pow(12), i128::from(rate.hundred_millionths()));
        prop_assert!(sats * rate >= paid);
        prop_assert!((sats - 1) * rate < paid);
    }
}
