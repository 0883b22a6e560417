//! The responses of `FakeDbProxy`.

use std::sync::LazyLock;

use common::{
    api::{
        Code, Problem,
        orders::{Order, OrderedBy, Outcome, Outcomes, RefusalReason, Refused},
        prices::PriceState,
        quotes::{Quote, QuoteState},
    },
    clients::{CallError, CallOutcome, db_proxy::DbProxyClient, http_client},
    config::TokenRefusal,
    ids::{OrderId, QuoteId},
    money::{Currency, Sats},
    time::Timestamp,
};

use super::{QUOTE_ID, amount};

/// The order of these tests.
pub(super) fn order() -> Order {
    let now = Timestamp::now();
    Order {
        id: OrderId(QUOTE_ID.parse::<QuoteId>().unwrap().0),
        created_at: now,
        currency: Currency::EUR,
        amount: amount("69"),
        exchange_rate: "84000.12".parse().unwrap(),
        bitcoin_amount: Sats::new(82_143).unwrap(),
        price_as_of: now,
        simulated: false,
        price_state: PriceState::Fresh,
        ordered_by: OrderedBy::Amount,
        quote: None,
        client_reference: None,
        metadata: None,
        user_id: None,
        wallet_id: None,
        credit_wallet_id: None,
    }
}

/// A quote at the price of [`order`].
pub(super) fn quote(id: QuoteId, state: QuoteState) -> Quote {
    let Order { created_at, currency, amount, exchange_rate, bitcoin_amount, price_as_of, .. } = order();
    Quote {
        id,
        created_at,
        expires_at: created_at,
        currency,
        amount,
        exchange_rate,
        bitcoin_amount,
        price_as_of,
        simulated: false,
        price_state: PriceState::Fresh,
        state,
        order_id: None,
        ordered_by: OrderedBy::Amount,
        user_id: None,
    }
}

pub(super) fn refused(reason: RefusalReason) -> Outcome {
    Outcome { placed: None, refused: Some(Refused::because(reason)) }
}

pub(super) fn unreachable() -> CallError {
    CallError::Unreachable(DbProxyClient::SERVICE, transport_error())
}

pub(super) fn no_response() -> CallError {
    CallError::NoResponse(DbProxyClient::SERVICE, transport_error())
}

/// Some error of `reqwest`, which has no public constructor of errors.
fn transport_error() -> reqwest::Error {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(http_client);
    CLIENT.get("http://[").build().unwrap_err()
}

pub(super) fn invalid_response() -> CallError {
    CallError::InvalidResponse(DbProxyClient::SERVICE, "not JSON".to_owned())
}

pub(super) fn problem(code: Code) -> CallError {
    match code {
        Code::Unauthorized => CallError::TokenRefused(DbProxyClient::SERVICE, "create-order", TokenRefusal::Unknown),
        code => CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem::new(code, "a failure of db-proxy"))),
    }
}

pub(super) fn failed(error: CallError, unanswered: bool) -> CallOutcome<Outcomes> {
    CallOutcome { result: Err(error), unanswered }
}
