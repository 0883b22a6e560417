use super::*;

fn fields(filter: &OrderFilter) -> Vec<(String, String)> {
    let errors = check_order_filter(filter, &[Currency::EUR, Currency::USD]);
    errors.into_iter().map(|error| (error.field, error.message)).collect()
}

#[test]
fn empty_period_is_allowed_and_reversed_period_is_refused() {
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let (early, late) = (time("2026-01-01T00:00:00Z"), time("2026-01-02T00:00:00Z"));
    for (from, to) in [(early, late), (early, early), (None, early), (late, None), (None, None)] {
        assert_eq!(check_period(from, to), None);
    }
    assert_eq!(check_period(late, early), Some(FieldError::new("from", "must not be later than to")));
}

#[test]
fn every_invalid_parameter_of_an_order_filter_is_listed() {
    assert!(fields(&OrderFilter { currency: Some(Currency::EUR), ..OrderFilter::default() }).is_empty());
    let amount = |text: &str| text.parse().ok();
    let equal = OrderFilter { min_amount: amount("5"), max_amount: amount("5"), ..OrderFilter::default() };
    assert!(fields(&equal).is_empty());
    let wrong = OrderFilter {
        currency: "JPY".parse().ok(),
        from: "2026-01-02T00:00:00Z".parse().ok(),
        to: "2026-01-01T00:00:00Z".parse().ok(),
        min_amount: amount("5"),
        max_amount: amount("4"),
    };
    let expected = [
        ("currency", "must be one of EUR, USD"),
        ("from", "must not be later than to"),
        ("min_amount", "must not be greater than max_amount"),
    ];
    assert_eq!(fields(&wrong), expected.map(|(field, reason)| (field.to_owned(), reason.to_owned())));
}

#[test]
fn unknown_name_of_a_list_is_shown_with_the_known_names() {
    let reason = must_each_be_one_of(&["bitmex"], ["binance", "kraken"]);
    assert_eq!(reason, "contains the unknown name \"bitmex\"; each name must be one of binance, kraken");
    let many = must_be_one_of(0..MAX_LISTED_NAMES + 5);
    assert!(many.ends_with("199, and 5 more"), "{many}");
    assert_eq!(
        (must_be_one_of([0; 0]), must_each_be_one_of(&["x"], [0; 0])),
        (NO_NAMES.to_owned(), NO_NAMES.to_owned())
    );
}

#[test]
fn unknown_names_of_a_list_are_shown_up_to_a_limit_with_suggestions() {
    let reason = must_each_be_one_of(&["krakn", "bitmex"], ["binance", "kraken"]);
    let expected = "contains the unknown names \"krakn\" (did you mean kraken?), \"bitmex\"; each name must be one of binance, \
                    kraken";
    assert_eq!(reason, expected);
    let many = must_each_be_one_of(&["xyz"; MAX_SHOWN_NAMES + 3], ["binance"]);
    assert!(many.matches("xyz").count() == MAX_SHOWN_NAMES && many.contains("and 3 more;"), "{many}");
}
