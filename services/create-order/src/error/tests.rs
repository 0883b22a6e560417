use common::config::TokenRefusal;

use super::*;

const PUBLISH_INTERVAL: Duration = Duration::from_secs(7);

#[test]
fn missing_price_sets_retry_after_to_the_publish_interval() {
    let no_price = || Error::Price(PriceError::NoRecord);
    assert_eq!(no_price().into_order_problem(PUBLISH_INTERVAL).retry_after, Some(PUBLISH_INTERVAL));
    assert_eq!(no_price().into_quote_problem(PUBLISH_INTERVAL).retry_after, Some(PUBLISH_INTERVAL));
    assert_eq!(Error::KeyReused(None).into_order_problem(PUBLISH_INTERVAL).retry_after, None);
    // An unavailable cache has its own `Retry-After`.
    let problem = Problem::new(Code::CacheUnavailable, "The price cache is unavailable.");
    let unavailable = Error::Price(PriceError::Call(CallError::Problem("price-cache-proxy", Box::new(problem)).into()));
    assert_ne!(unavailable.into_order_problem(PUBLISH_INTERVAL).retry_after, Some(PUBLISH_INTERVAL));
}

#[test]
fn problem_names_the_field_of_a_reused_idempotency_key_or_unknown_quote() {
    let fields = |error: Error| Problem::from(error).errors.into_iter().map(|error| error.field).collect::<Vec<_>>();
    assert_eq!(fields(Error::KeyReused(None)), ["Idempotency-Key"]);
    let reused = Problem::from(Error::KeyReused("my-key".parse().ok()));
    assert_eq!(reused.errors[0].message, "\"my-key\" was used for a different order");
    assert!(reused.detail.starts_with("The Idempotency-Key \"my-key\" was used for"), "{}", reused.detail);
    assert_eq!(fields(Error::QuoteUnknown(None)), ["quote"]);
}

#[test]
fn refusal_states_the_remaining_bitcoin() {
    let remaining = Some(Sats::new(1_234).unwrap());
    let over_limit = Error::LimitExceeded { remaining, largest_quote: None };
    for error in [over_limit, Error::QuoteCapExceeded { caps: vec![QuoteCap::Client], remaining }] {
        let problem = Problem::from(error);
        assert_eq!(problem.remaining_bitcoin, remaining);
        assert!(problem.detail.contains("0.00001234 BTC"), "{}", problem.detail);
    }
    assert_eq!(Problem::from(Error::LimitExceeded { remaining: None, largest_quote: None }).remaining_bitcoin, None);
}

#[test]
fn refused_quote_is_not_called_an_order() {
    let remaining = Some("0.5".parse().unwrap());
    let problem = Error::LimitExceeded { remaining, largest_quote: None }.into_quote_problem(PUBLISH_INTERVAL);
    assert_eq!(
        problem.detail,
        "The quote exceeds the limit of all orders. 0.50000000 BTC remain; a smaller quote may still fit."
    );
    for error in [
        Error::Price(PriceError::NoRecord),
        Error::PriceOfOtherOrigin { database: OrderOrigin::Real },
        Error::Dispatch(DispatchError::OutcomeUnknown),
    ] {
        let problem = error.into_quote_problem(PUBLISH_INTERVAL);
        assert!(!problem.detail.contains("order was placed"), "{}", problem.detail);
        assert!(!problem.detail.contains("Send the order again"), "{}", problem.detail);
    }
}

#[test]
fn refusal_without_a_price_states_that_no_order_or_quote_was_created() {
    let errors: [fn() -> Error; 4] = [
        || {
            let problem = Problem::new(Code::CacheUnavailable, "The price cache is unavailable.");
            Error::Price(PriceError::Call(CallError::Problem("price-cache-proxy", Box::new(problem)).into()))
        },
        || Error::Price(PriceError::NoRecord),
        || Error::Price(PriceError::NotPriced { currency: "EUR".parse().unwrap(), last: None }),
        || Error::PriceOfOtherOrigin { database: OrderOrigin::Real },
    ];
    for error in errors {
        let (order, quote) = (Problem::from(error()).detail, error().into_quote_problem(PUBLISH_INTERVAL).detail);
        assert!(order.contains("No order was placed."), "{order}");
        assert!(quote.contains("No quote was created."), "{quote}");
    }
}

#[test]
fn failed_request_for_a_quote_states_that_no_quote_was_created_only_if_this_is_certain() {
    let detail = |error| Error::Call(error).into_quote_problem(PUBLISH_INTERVAL).detail;
    let refused = CallError::TokenRefused("db-proxy", "create-order", TokenRefusal::Unknown);
    assert!(detail(refused).ends_with(" No quote was created."));
    let problem_of_db_proxy = |code| CallError::Problem("db-proxy", Box::new(Problem::new(code, "It failed.")));
    assert_eq!(detail(problem_of_db_proxy(Code::DatabaseUnavailable)), "It failed. No quote was created.");
    let invalid = CallError::InvalidResponse("db-proxy", "no JSON".to_owned());
    for error in [problem_of_db_proxy(Code::OutcomeUnknown), invalid] {
        assert_eq!(detail(error), UNKNOWN_RESERVATION);
    }
}

#[test]
fn refusal_at_the_limit_offers_no_smaller_order() {
    let nothing = Some(Sats::ZERO);
    let order = Problem::from(Error::LimitExceeded { remaining: nothing, largest_quote: None });
    assert_eq!(order.detail, "The order exceeds the limit of all orders. Nothing remains of it, so no order fits now.");
    assert_eq!(order.remaining_bitcoin, nothing);
    let quote = Problem::from(Error::QuoteCapExceeded { caps: vec![QuoteCap::Client], remaining: nothing });
    assert_eq!(
        quote.detail,
        "The open quotes of one client may not reserve so much. A quote may reserve nothing now, until open quotes are taken, \
         released or expired. An order at the current price has no such cap."
    );
}

#[test]
fn refusal_of_a_quote_names_each_exceeded_cap_or_the_exceeded_limit() {
    let sats = |text: &str| Some(text.parse().unwrap());
    let caps = vec![QuoteCap::Quote, QuoteCap::Client];
    let problem = Error::QuoteCapExceeded { caps, remaining: sats("5") }.into_quote_problem(PUBLISH_INTERVAL);
    assert_eq!(
        problem.detail,
        "The amount exceeds what one quote may reserve. The open quotes of one client may not reserve so much. A quote may \
         reserve 5.00000000 BTC now. An order at the current price has no such cap."
    );
    let problem =
        Error::LimitExceeded { remaining: sats("60"), largest_quote: sats("10") }.into_quote_problem(PUBLISH_INTERVAL);
    assert_eq!(
        problem.detail,
        "The quote exceeds the limit of all orders. 60.00000000 BTC remain, of which a quote may reserve 10.00000000 BTC now."
    );
    let problem =
        Error::LimitExceeded { remaining: sats("3"), largest_quote: sats("10") }.into_quote_problem(PUBLISH_INTERVAL);
    assert!(problem.detail.ends_with("3.00000000 BTC remain; a smaller quote may still fit."), "{}", problem.detail);
}
