use super::*;

fn errors_of(filter: &OrderFilter, currency_text: Option<&str>) -> Vec<(String, String)> {
    let errors = check_order_filter(filter, currency_text, &[Currency::EUR, Currency::USD]);
    errors.into_iter().map(|error| (error.field, error.message)).collect()
}

#[test]
fn empty_period_is_allowed_and_reversed_period_is_refused() {
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let (early, late) = (time("2026-01-01T00:00:00Z"), time("2026-01-02T00:00:00Z"));
    for (from, to) in [(early, late), (early, early), (None, early), (late, None), (None, None)] {
        assert_eq!(check_period(from, to), None);
    }
    let reversed = "must not be later than to (\"2026-01-01T00:00:00Z\"), but is \"2026-01-02T00:00:00Z\"";
    assert_eq!(check_period(late, early), Some(FieldError::new("from", reversed)));
}

#[test]
fn every_invalid_parameter_of_an_order_filter_is_listed() {
    assert!(errors_of(&OrderFilter::default(), Some("eur")).is_empty());
    let amount = |text: &str| text.parse().ok();
    let equal = OrderFilter { min_amount: amount("5"), max_amount: amount("5"), ..OrderFilter::default() };
    assert!(errors_of(&equal, None).is_empty());
    let wrong = OrderFilter {
        currency: "JPY".parse().ok(),
        from: "2026-01-02T00:00:00Z".parse().ok(),
        to: "2026-01-01T00:00:00Z".parse().ok(),
        min_amount: amount("5"),
        max_amount: amount("4"),
    };
    let expected = [
        ("currency", "must be one of EUR, USD, but is \"jPy\""),
        ("from", "must not be later than to (\"2026-01-01T00:00:00Z\"), but is \"2026-01-02T00:00:00Z\""),
        ("min_amount", "must not be greater than max_amount (\"4.00\"), but is \"5.00\""),
    ];
    assert_eq!(errors_of(&wrong, Some("jPy")), expected.map(|(field, reason)| (field.to_owned(), reason.to_owned())));
}

#[test]
fn reversed_ranges_are_quoted_as_they_were_sent() {
    let errors = |sent: &[(&str, &'static str)]| {
        let value_of = |name: &str| sent.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        check_ranges_as_sent(value_of).into_iter().map(|error| (error.field, error.message)).collect::<Vec<_>>()
    };
    let reversed = errors(&[
        ("from", "2026-01-02T01:00:00+01:00"),
        ("to", "2026-01-01T00:00:00Z"),
        ("min_amount", "5"),
        ("max_amount", "4.5"),
    ]);
    let expected = [
        ("from", r#"must not be later than to ("2026-01-01T00:00:00Z"), but is "2026-01-02T01:00:00+01:00""#),
        ("min_amount", r#"must not be greater than max_amount ("4.5"), but is "5""#),
    ];
    assert_eq!(reversed, expected.map(|(field, reason)| (field.to_owned(), reason.to_owned())));
    assert_eq!(errors(&[("from", "BTC"), ("to", "EUR"), ("min_amount", "5"), ("max_amount", "5.00")]), []);
    assert_eq!(errors(&[("from", "2026-01-02T00:00:00Z"), ("min_amount", "5"), ("max_amount", "x")]), []);
}
