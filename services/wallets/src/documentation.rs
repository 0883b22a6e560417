//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str = "Money on account: wallets, deposits, withdrawals and transfers. A response that confirms a movement is sent only \
    after the movement is stored durably. A balance is never negative. An API key in the header `Authorization: Bearer KEY` makes a \
    request act as a user. A user sees and changes only the user's own wallets, and a client without a key only wallets \
    that were created without a key. Any client may transfer money to any wallet. Operators read all wallets and change none. \
    Requests from one address, or with one key, are limited: every request counts, also one that fails, except for \
    requests that receive 429, OPTIONS, requests of operators, the documentation, /livez, /readyz and /metrics. The headers RateLimit-Limit and RateLimit-Remaining show the state of the limit. \
    RateLimit-Reset is the number of seconds until the next request is allowed.";

/// Errors that every operation can return, because db-proxy executes it.
const STORED: &[Code] = &[Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];
/// Errors of a movement.
const MOVING: &[Code] =
    &[Code::NotFound, Code::InsufficientFunds, Code::BalanceOutOfRange, Code::KeyReused, Code::OutcomeUnknown];

const WALLET_ID: &str = "019b7d5a-1f00-7000-8000-000000000005";
const OTHER_WALLET_ID: &str = "019b7d5a-1f00-7000-8000-000000000006";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::All, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Wallets).errors(STORED);
    let of_wallet = |id| operation(id).errors(&[Code::NotFound]).parameter("id", WALLET_ID);
    vec![
        operation("create_wallet").errors(&[Code::KeyReused, Code::OutcomeUnknown]).body(json!({ "currency": "USD" })),
        operation("list_wallets").parameter("limit", 50),
        of_wallet("get_wallet"),
        of_wallet("find_wallet"),
        of_wallet("create_operation").errors(MOVING).body(json!({ "operation_type": "DEPOSIT", "amount": "1000" })),
        of_wallet("list_operations").parameter("limit", 50),
        of_wallet("export_operations").parameter("format", "csv"),
        operation("create_transfer")
            .errors(MOVING)
            .body(json!({ "from": WALLET_ID, "to": OTHER_WALLET_ID, "amount": "25.50" })),
        operation("verify_journal"),
    ]
}
