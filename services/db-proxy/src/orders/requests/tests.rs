use common::{
    api::{
        Code, Problem,
        orders::{MarketOrder, OrderPrice, OrderedBy, Placed, RefusalReason, Refused, client_name},
        prices::PriceState,
        quotes::{ExceededCap, QuoteCap},
    },
    ids::{QuoteId, UserId, WalletId},
    money::{Currency, Sats},
};

use super::*;
use crate::error::Error;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn price(bitcoin_amount: &str) -> OrderPrice {
    OrderPrice {
        exchange_rate: "50000".parse().unwrap(),
        bitcoin_amount: bitcoin_amount.parse().unwrap(),
        as_of: now(),
        expires_at: now(),
        sources: Vec::new(),
        simulated: false,
        price_state: PriceState::Fresh,
    }
}

/// An order for 100 EUR, which is 0.002 bitcoin at 50000 EUR per bitcoin.
fn market(price: Option<OrderPrice>) -> MarketOrder {
    MarketOrder { currency: Currency::EUR, amount: "100".parse().ok(), bitcoin_amount: None, price }
}

fn request() -> PlaceOrderCommand {
    PlaceOrderCommand {
        client: "anonymous".to_owned(),
        key: "a".parse().unwrap(),
        requested_at: None,
        market: Some(market(Some(price("0.002")))),
        quote: None,
        client_reference: None,
        metadata: None,
        user_id: None,
        wallet_id: None,
        credit_wallet_id: None,
        traceparent: None,
    }
}

fn quote_request(hold_secs: u32) -> CreateQuoteCommand {
    CreateQuoteCommand {
        currency: Currency::EUR,
        amount: "100".parse().unwrap(),
        price: price("0.002"),
        hold_secs,
        client: None,
        ordered_by: OrderedBy::Amount,
        user_id: None,
    }
}

fn quote_command_of(request: CreateQuoteCommand) -> Result<QuoteCommand, String> {
    match quote_command(request, QuoteCaps::default(), Caller::CREATE_ORDER) {
        Ok(Command::Quote(command)) => Ok(command),
        Ok(Command::Place(_) | Command::ReleaseQuote(_)) => panic!("not the command of a quote"),
        Err(error) => Err(error.field),
    }
}

fn place_command_of(request: PlaceOrderCommand) -> Result<PlaceCommand, String> {
    match place_command(request, now(), Caller::CREATE_ORDER) {
        Ok(Command::Place(command)) => Ok(command),
        Ok(Command::Quote(_) | Command::ReleaseQuote(_)) => panic!("not the command of an order"),
        Err(error) => Err(error.field),
    }
}

#[test]
fn order_requires_either_market_or_quote() {
    let quote = Some(QuoteId(uuid::Uuid::from_u128(7)));
    assert!(matches!(place_command_of(request()).unwrap().terms, OrderTerms::Market(_)));
    let quoted = PlaceOrderCommand { market: None, quote, ..request() };
    assert!(matches!(place_command_of(quoted).unwrap().terms, OrderTerms::Quote(id) if Some(id) == quote));
    let both = PlaceOrderCommand { quote, ..request() };
    assert_eq!(place_command_of(both).unwrap_err(), "quote");
    let neither = PlaceOrderCommand { market: None, ..request() };
    assert_eq!(place_command_of(neither).unwrap_err(), "quote");
}

#[test]
fn conversion_is_checked_to_the_satoshi() {
    for bitcoin_amount in ["0.00200001", "0.00199999"] {
        let wrong = PlaceOrderCommand { market: Some(market(Some(price(bitcoin_amount)))), ..request() };
        assert_eq!(place_command_of(wrong).unwrap_err(), "price.bitcoin_amount");
        let wrong = CreateQuoteCommand { price: price(bitcoin_amount), ..quote_request(1) };
        assert_eq!(quote_command_of(wrong).unwrap_err(), "price.bitcoin_amount");
    }
    // An order without a price is valid, because it is possibly a replay of an earlier order.
    assert!(place_command_of(PlaceOrderCommand { market: Some(market(None)), ..request() }).is_ok());
}

#[test]
fn client_name_must_have_the_form_of_an_idempotency_key() {
    for client in ["", "two words", &"a".repeat(129)] {
        let request = PlaceOrderCommand { client: client.to_owned(), ..request() };
        assert_eq!(place_command_of(request).unwrap_err(), "client");
        let request = CreateQuoteCommand { client: Some(client.to_owned()), ..quote_request(1) };
        assert_eq!(quote_command_of(request).unwrap_err(), "client");
    }
    let request = CreateQuoteCommand { client: Some("ip:192.0.2.1".to_owned()), ..quote_request(1) };
    assert_eq!(quote_command_of(request).unwrap().client.as_deref(), Some("ip:192.0.2.1"));
}

#[test]
fn time_of_request_is_at_most_the_time_of_receipt() {
    let later = now().plus(Duration::from_secs(1));
    let earlier = now().minus(Duration::from_secs(1));
    for (stated, expected) in [(None, now()), (Some(later), now()), (Some(earlier), earlier)] {
        assert_eq!(
            place_command_of(PlaceOrderCommand { requested_at: stated, ..request() }).unwrap().requested_at,
            expected
        );
    }
}

#[test]
fn quote_lasts_from_a_second_to_an_hour() {
    for hold_secs in [1, MAX_HOLD_SECS] {
        let command = quote_command_of(quote_request(hold_secs)).unwrap();
        assert_eq!(command.duration, Duration::from_secs(hold_secs.into()));
    }
    for hold_secs in [0, MAX_HOLD_SECS + 1] {
        assert_eq!(quote_command_of(quote_request(hold_secs)).unwrap_err(), "hold_secs");
    }
}

#[test]
fn group_size_is_limited() {
    assert!(check_group_size("orders", 1).is_ok() && check_group_size("orders", MAX_ORDERS_PER_REQUEST).is_ok());
    for size in [0, MAX_ORDERS_PER_REQUEST + 1] {
        assert_eq!(check_group_size("orders", size).unwrap_err().field, "orders");
    }
}

#[test]
fn decision_converts_only_to_the_outcome_of_its_kind() {
    let refused = Refused::because(RefusalReason::LimitExceeded);
    let outcome = Outcome::try_from(Decision::Refused(refused.clone())).unwrap();
    assert_eq!(outcome, Outcome { placed: None, refused: Some(refused.clone()) });
    let outcome = QuoteOutcome::try_from(Decision::Refused(refused.clone())).unwrap();
    assert_eq!(
        outcome,
        QuoteOutcome { quote: None, refused: Some(refused.clone()), exceeded_cap: None, exceeded_caps: vec![] }
    );
    // The outcome also contains a refusal, because an older create-order ignores the exceeded caps.
    let exceeded_cap = |cap, satoshi| ExceededCap { cap, remaining: Sats::new(satoshi).unwrap() };
    let exceeded_caps = vec![exceeded_cap(QuoteCap::Client, 7), exceeded_cap(QuoteCap::AllQuotes, 9)];
    for (limit, remaining, exceeded_cap) in [(None, 7, Some(QuoteCap::Client)), (Some(8), 8, None)] {
        let remaining_limit = limit.map(|satoshi| Sats::new(satoshi).unwrap());
        let exceeded = Decision::QuoteCapExceeded(CapsExceeded { remaining_limit, caps: exceeded_caps.clone() });
        let outcome = QuoteOutcome::try_from(exceeded.clone()).unwrap();
        let refused = Some(Refused { remaining: Sats::new(remaining).ok(), ..refused.clone() });
        let exceeded_caps = exceeded_caps.clone();
        assert_eq!(outcome, QuoteOutcome { quote: None, refused, exceeded_cap, exceeded_caps });
        assert_eq!(Outcome::try_from(exceeded), Err(UnexpectedDecision));
    }

    let quote: common::api::quotes::Quote = serde_json::from_value(serde_json::json!({
        "id": "0190a6e2-7c1b-7c3a-9d5e-0123456789ab", "created_at": now(), "expires_at": now(), "currency": "EUR",
        "amount": "100.00", "exchange_rate": "50000.00", "bitcoin_amount": "0.00200000", "price_as_of": now(),
        "simulated": false
    }))
    .unwrap();
    assert_eq!(Outcome::try_from(Decision::Quoted(quote.clone())), Err(UnexpectedDecision));
    assert_eq!(QuoteOutcome::try_from(Decision::Quoted(quote.clone())).unwrap().quote, Some(quote));

    let order: common::api::orders::Order = serde_json::from_value(serde_json::json!({
        "id": "0190a6e2-7c1b-7c3a-9d5e-0123456789ab", "created_at": now(), "currency": "EUR", "amount": "100.00",
        "exchange_rate": "50000.00", "bitcoin_amount": "0.00200000", "price_as_of": now(), "simulated": false
    }))
    .unwrap();
    let placed = Placed { order, replayed: true };
    assert_eq!(QuoteOutcome::try_from(Decision::Placed(placed.clone())), Err(UnexpectedDecision));
    assert_eq!(Outcome::try_from(Decision::Placed(placed.clone())).unwrap().placed, Some(placed));
}

/// 0.00100001 bitcoin at 50000.01 EUR cost 50.0005100001 EUR.
#[test]
fn cost_of_ordered_bitcoin_is_checked_to_the_ten_thousandth() {
    let bitcoin: Sats = "0.00100001".parse().unwrap();
    let priced = |bitcoin: &str| OrderPrice { exchange_rate: "50000.01".parse().unwrap(), ..price(bitcoin) };
    let order = |amount: Option<&str>, price: Option<OrderPrice>| {
        let amount = amount.map(|amount| amount.parse().unwrap());
        let market = MarketOrder { currency: Currency::EUR, amount, bitcoin_amount: Some(bitcoin), price };
        place_command_of(PlaceOrderCommand { market: Some(market), ..request() })
    };
    let command = order(Some("50.0006"), Some(priced("0.00100001"))).unwrap();
    let OrderTerms::Market(MarketTerms { order: ordered, priced: Some(_) }) = command.terms else { panic!("no price") };
    assert_eq!(ordered.amount, OrderedAmount::Bitcoin(bitcoin));
    assert!(order(None, None).is_ok());
    assert_eq!(order(None, Some(priced("0.00100001"))).unwrap_err(), "market.amount");
    for (amount, bought) in [("50.0005", "0.00100001"), ("50.0007", "0.00100001"), ("50.0006", "0.00100002")] {
        assert_eq!(order(Some(amount), Some(priced(bought))).unwrap_err(), "amount");
    }
    let quote = |amount: &str| {
        let (amount, ordered_by) = (amount.parse().unwrap(), OrderedBy::BitcoinAmount);
        quote_command_of(CreateQuoteCommand { amount, ordered_by, price: priced("0.00100001"), ..quote_request(1) })
    };
    assert_eq!(quote("50.0006").unwrap().ordered_by, OrderedBy::BitcoinAmount);
    assert_eq!(quote("50.0005").unwrap_err(), "amount");
}

#[test]
fn order_without_an_amount_is_refused() {
    let market = MarketOrder { amount: None, ..market(None) };
    assert_eq!(place_command_of(PlaceOrderCommand { market: Some(market), ..request() }).unwrap_err(), "market.amount");
}

/// Without this rule, one client could use the idempotency keys of another client.
#[test]
fn client_must_be_the_name_of_the_user() {
    let (ada, bob) = (UserId(uuid::Uuid::from_u128(1)), UserId(uuid::Uuid::from_u128(2)));
    let place_as = |client: String, user_id| place_command_of(PlaceOrderCommand { client, user_id, ..request() });
    let quote_as = |client: String, user_id| {
        quote_command_of(CreateQuoteCommand { client: Some(client), user_id, ..quote_request(1) })
    };
    let name_of = |user| client_name(Some(user));
    assert_eq!(place_as(name_of(ada), Some(ada)).unwrap().user, Some(ada));
    assert_eq!(quote_as(name_of(ada), Some(ada)).unwrap().user, Some(ada));
    for (client, user) in [
        (name_of(ada), None),
        (name_of(ada), Some(bob)),
        ("anonymous".to_owned(), Some(ada)),
        ("ip:192.0.2.1".to_owned(), Some(ada)),
    ] {
        assert_eq!(place_as(client.clone(), user).unwrap_err(), "client", "{client}");
        assert_eq!(quote_as(client.clone(), user).unwrap_err(), "client", "{client}");
    }
}

#[test]
fn bitcoin_is_credited_only_if_a_wallet_pays() {
    let [paying, credited] = [1, 2].map(|number| Some(WalletId(uuid::Uuid::from_u128(number))));
    let wallets_of = |wallet_id, credit_wallet_id| {
        place_command_of(PlaceOrderCommand { wallet_id, credit_wallet_id, ..request() }).map(|command| command.wallets)
    };
    assert_eq!(wallets_of(None, None), Ok(None));
    assert_eq!(wallets_of(paying, credited), Ok(Some(OrderWallets { paying: paying.unwrap(), credited })));
    assert_eq!(wallets_of(None, credited), Err("wallet_id".to_owned()));
    assert_eq!(wallets_of(paying, paying), Err("credit_wallet_id".to_owned()));
}

#[test]
fn unexpected_decision_is_reported_as_an_unknown_outcome() {
    let problem = Problem::from(Error::from(UnexpectedDecision));
    assert_eq!((problem.code, problem.retry_after.is_some()), (Code::OutcomeUnknown, true));
}
