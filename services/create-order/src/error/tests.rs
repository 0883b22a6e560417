use super::*;

#[test]
fn problem_names_the_field_of_a_reused_key_and_of_an_unknown_quote() {
    let named = |error: Error| Problem::from(error).errors.into_iter().map(|error| error.field).collect::<Vec<_>>();
    assert_eq!(named(Error::KeyReused), ["Idempotency-Key"]);
    assert_eq!(named(Error::QuoteUnknown), ["quote"]);
}

#[test]
fn refusal_states_the_remaining_amount() {
    let remaining = Some(Sats::new(1_234).unwrap());
    for error in [Error::LimitExceeded { remaining }, Error::QuoteCapExceeded { cap: QuoteCap::Client, remaining }] {
        let problem = Problem::from(error);
        assert_eq!(problem.remaining_bitcoin, remaining);
        assert!(problem.detail.contains("0.00001234 BTC"), "{}", problem.detail);
    }
    assert_eq!(Problem::from(Error::LimitExceeded { remaining: None }).remaining_bitcoin, None);
}

#[test]
fn refused_quote_is_not_called_an_order() {
    let remaining = Some("0.5".parse().unwrap());
    let problem = Error::LimitExceeded { remaining }.into_quote_problem();
    assert_eq!(
        problem.detail,
        "The quote exceeds the limit of all orders. 0.50000000 BTC remain; a smaller quote may still fit."
    );
    for error in [
        Error::Price(PriceError::NoRecord),
        Error::PriceOfOtherOrigin { database: OrderOrigin::Real },
        Error::Dispatch(DispatchError::OutcomeUnknown),
    ] {
        let problem = error.into_quote_problem();
        assert!(!problem.detail.contains("order was placed"), "{}", problem.detail);
        assert!(!problem.detail.contains("Send the order again"), "{}", problem.detail);
    }
}

#[test]
fn response_without_a_price_states_what_was_not_made() {
    let errors: [fn() -> Error; 3] = [
        || Error::Price(PriceError::NoRecord),
        || Error::Price(PriceError::NotPriced("EUR".parse().unwrap())),
        || Error::PriceOfOtherOrigin { database: OrderOrigin::Real },
    ];
    for error in errors {
        let (order, quote) = (Problem::from(error()).detail, error().into_quote_problem().detail);
        assert!(order.contains("No order was placed."), "{order}");
        assert!(quote.contains("No quote was created."), "{quote}");
    }
}
