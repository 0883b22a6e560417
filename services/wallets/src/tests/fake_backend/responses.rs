//! The responses of the fake, and errors of the HTTP client.

use std::sync::LazyLock;

use bytes::Bytes;
use common::{
    api::{
        Code, Problem,
        wallets::{MoveOutcome, MoveOutcomes},
    },
    clients::{CallError, CallOutcome, db_proxy::DbProxyClient, http_client},
};
use serde::Serialize;

pub fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap().into()
}

/// Any error of the HTTP client.
fn transport_error() -> reqwest::Error {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(http_client);
    CLIENT.get("http://[").build().unwrap_err()
}

pub fn problem(code: Code) -> CallError {
    CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem::new(code, "a failure of db-proxy")))
}

pub fn unreachable() -> CallError {
    CallError::Unreachable(DbProxyClient::SERVICE, transport_error())
}

pub fn no_response() -> CallError {
    CallError::NoResponse(DbProxyClient::SERVICE, transport_error())
}

pub fn failed(error: CallError, unanswered: bool) -> CallOutcome<MoveOutcomes> {
    CallOutcome { result: Err(error), unanswered }
}

pub fn decided(outcomes: Vec<MoveOutcome>, unanswered: bool) -> CallOutcome<MoveOutcomes> {
    CallOutcome { result: Ok(MoveOutcomes { outcomes, decided_at: None }), unanswered }
}
