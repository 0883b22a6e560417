use super::*;

const CURRENCIES: [Currency; 2] = [Currency::EUR, Currency::USD];

fn bounds(smallest: &str, largest: &str) -> Result<AmountBounds, String> {
    let mut env = Env::from_pairs([("ORDER_MIN_AMOUNT", smallest), ("ORDER_MAX_AMOUNT", largest)]);
    let bounds = AmountBounds::from_env(&mut env, &CURRENCIES);
    env.finish().map(|()| bounds).map_err(|error| error.to_string())
}

fn check(bounds: &AmountBounds, currency: Currency, amount: &str) -> Result<(), String> {
    bounds.check(currency, amount.parse().unwrap())
}

#[test]
fn bounds_are_inclusive_and_apply_to_their_currency_alone() {
    let bounds = bounds("EUR:1.5", "eur:100, USD:7").unwrap();
    assert_eq!(check(&bounds, Currency::EUR, "1.5"), Ok(()));
    assert_eq!(check(&bounds, Currency::EUR, "100"), Ok(()));
    assert_eq!(check(&bounds, Currency::EUR, "1.4999"), Err("must be at least 1.50 EUR".to_owned()));
    assert_eq!(check(&bounds, Currency::EUR, "100.0001"), Err("must be at most 100.00 EUR".to_owned()));
    assert_eq!(check(&bounds, Currency::USD, "0.0001"), Ok(()));
    assert_eq!(check(&bounds, Currency::USD, "7.01"), Err("must be at most 7.00 USD".to_owned()));
}

#[test]
fn without_settings_every_valid_amount_is_allowed() {
    let bounds = bounds("", "").unwrap();
    for amount in ["0.0001", "999999999.9999"] {
        assert_eq!(check(&bounds, Currency::EUR, amount), Ok(()));
    }
}

#[test]
fn invalid_bounds_are_refused_with_the_name_of_the_setting() {
    for invalid in ["1", "EUR", "EUR:0", "EUR:1.00001", "GBP:1", "EUR:1,EUR:2", "EUR=1"] {
        for (smallest, largest, variable) in [(invalid, "", "ORDER_MIN_AMOUNT"), ("", invalid, "ORDER_MAX_AMOUNT")] {
            let error = bounds(smallest, largest).unwrap_err();
            assert!(error.contains(variable) && error.contains("EUR, USD"), "{invalid}: {error}");
        }
    }
    let error = bounds("USD:10,EUR:1", "USD:9.99").unwrap_err();
    assert!(error.contains("USD:10.00") && error.contains("USD:9.99") && !error.contains("EUR"), "{error}");
}
