use super::*;

#[test]
fn unusable_key_and_unknown_quote_are_named() {
    let named = |error: Error| Problem::from(error).errors.into_iter().map(|error| error.field).collect::<Vec<_>>();
    assert_eq!(named(Error::KeyReused), ["Idempotency-Key"]);
    assert_eq!(named(Error::QuoteUnknown), ["quote"]);
}

#[test]
fn refusal_states_what_remains() {
    let remaining = Some(Sats::new(1_234).unwrap());
    for error in [Error::LimitExceeded { remaining }, Error::QuoteCapExceeded { cap: QuoteCap::Client, remaining }] {
        let problem = Problem::from(error);
        assert_eq!(problem.remaining_bitcoin.as_deref(), Some("0.00001234"));
        assert!(problem.detail.contains("0.00001234 BTC"), "{}", problem.detail);
    }
    assert_eq!(Problem::from(Error::LimitExceeded { remaining: None }).remaining_bitcoin, None);
}
