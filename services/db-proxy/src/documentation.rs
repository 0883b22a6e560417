//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::{Value, json};

const ABOUT: &str = "The only owner of the database: orders, their limit, idempotency keys, courses, users and their keys, wallets and their journal. Only for other services.";

/// Errors of reads, and of writes of courses, which are safe to repeat.
const READING: &[Code] = &[Code::DatabaseUnavailable];
/// Additional errors of requests that change users, API keys, the last use of API keys, or the order limit.
const CHANGING: &[Code] = &[Code::OutcomeUnknown];
const WRITING: &[Code] = &[Code::DatabaseUnavailable, Code::OutcomeUnknown, Code::ShuttingDown];

const TIME: &str = "2026-01-02T03:04:05.000000Z";
const ORDER_ID: &str = "019b7d5a-1f00-7000-8000-000000000001";
const QUOTE_ID: &str = "019b7d5a-1f00-7000-8000-000000000002";
const USER_ID: &str = "019b7d5a-1f00-7000-8000-000000000003";
const KEY_ID: &str = "019b7d5a-1f00-7000-8000-000000000004";
const WALLET_ID: &str = "019b7d5a-1f00-7000-8000-000000000005";
const CREDIT_WALLET_ID: &str = "019b7d5a-1f00-7000-8000-000000000006";
const EMAIL: &str = "ada@example.org";

/// The price of an order of 69 EUR. The price has expired, so that the examples of orders and quotes are refused.
fn price() -> Value {
    json!({
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "as_of": TIME, "expires_at": "2026-01-02T03:05:05.000000Z",
        "sources": ["coinbase", "kraken"], "simulated": true,
    })
}

pub(crate) fn description() -> ApiDescription {
    let operations = order_operations()
        .into_iter()
        .chain(course_operations())
        .chain(user_operations())
        .chain(wallet_operations())
        .collect();
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations }
}

fn order_operations() -> Vec<OperationDescription> {
    let market = json!({ "currency": "EUR", "amount": "69.00", "price": price() });
    let command = json!({ "client": "anonymous", "key": "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c11", "market": market });
    let quote =
        json!({ "currency": "EUR", "amount": "69.00", "price": price(), "hold_secs": 30, "client": "ip:192.0.2.1" });
    let mut annotated = command.clone();
    annotated["client_reference"] = "invoice-42".into();
    let mut paid = command.clone();
    (paid["wallet_id"], paid["credit_wallet_id"]) = (WALLET_ID.into(), CREDIT_WALLET_ID.into());
    let mut by_bitcoin = quote.clone();
    (by_bitcoin["amount"], by_bitcoin["ordered_by"]) = ("69.0003".into(), "bitcoin_amount".into());
    let owner = "user:019b7d5a-1f00-7000-8000-000000000003";
    let order = |id| OperationDescription::new(id, Group::Orders);
    let of_quote = |id| OperationDescription::new(id, Group::Quotes);
    vec![
        order("place_orders").errors(WRITING).body(json!({ "orders": [command] })),
        order("place_orders_v2").errors(WRITING).body(json!({ "orders": [annotated] })),
        order("place_orders_v3").errors(WRITING).body(json!({ "orders": [paid] })),
        order("add_order").errors(WRITING).body(command),
        of_quote("create_quote").errors(WRITING).body(quote),
        of_quote("create_quote_v2").errors(WRITING).body(by_bitcoin),
        of_quote("get_quote").errors(READING).parameter("id", QUOTE_ID),
        of_quote("release_quote").errors(WRITING).parameter("id", QUOTE_ID),
        order("get_orders").errors(READING).parameter("start", 0).parameter("page_size", 5),
        order("list_orders").errors(READING).parameter("limit", 50),
        order("get_orders_v2")
            .errors(READING)
            .parameter("owner", owner)
            .parameter("start", 0)
            .parameter("page_size", 5),
        order("list_orders_v2")
            .errors(READING)
            .parameter("owner", owner)
            .parameter("client_reference", "invoice-42")
            .parameter("limit", 50),
        order("lookup_orders").errors(READING).body(json!({ "ids": [ORDER_ID] })),
        order("lookup_orders_v2").errors(READING).body(json!({ "ids": [ORDER_ID] })),
        order("get_order").errors(READING).errors(&[Code::NotFound]).parameter("id", ORDER_ID),
        order("get_limit").errors(READING),
        order("set_limit").errors(READING).errors(CHANGING).body(json!({ "limit": "100", "changed_by": "ada" })),
        order("summary").errors(READING),
        order("summary_v2").errors(READING).parameter("owner", owner),
    ]
}

fn course_operations() -> Vec<OperationDescription> {
    let course = json!({
        "exchanger": "kraken", "direction": "BTC-EUR", "kind": "trade", "value": "84000.12", "observed_at": TIME,
        "simulated": true,
    });
    let operation = |id| OperationDescription::new(id, Group::Prices);
    vec![
        operation("write_courses").errors(READING).body(json!({ "courses": [course] })),
        operation("actual_courses").errors(READING),
        operation("course_history")
            .errors(READING)
            .parameter("direction", "BTC-EUR")
            .parameter("resolution", "1m")
            .parameter("limit", 100),
    ]
}

fn user_operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Users).errors(READING);
    let of_user = |id| operation(id).errors(&[Code::NotFound]).parameter("id", USER_ID);
    let key = json!({
        "prefix": "bdk_Zk3TQ9aw", "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "name": "shop",
        "scopes": ["orders", "read"], "rate_limit_per_minute": 600,
    });
    vec![
        operation("create_user")
            .errors(CHANGING)
            .errors(&[Code::EmailTaken])
            .body(json!({ "email": EMAIL, "name": "Ada" })),
        operation("list_users").parameter("limit", 50).parameter("state", "active"),
        operation("lookup_users").body(json!({ "ids": [USER_ID], "emails": [EMAIL] })),
        of_user("get_user"),
        of_user("update_user").errors(CHANGING).errors(&[Code::EmailTaken]).body(json!({ "name": "Ada Lovelace" })),
        of_user("deactivate_user").errors(CHANGING),
        of_user("activate_user").errors(CHANGING),
        of_user("store_key").errors(CHANGING).errors(&[Code::KeyLimitExceeded]).body(key),
        of_user("list_keys"),
        of_user("update_key")
            .errors(CHANGING)
            .errors(&[Code::KeyRevoked])
            .parameter("key_id", KEY_ID)
            .body(json!({ "rate_limit_per_minute": 1200 })),
        of_user("revoke_key").errors(CHANGING).parameter("key_id", KEY_ID),
        operation("get_key").errors(&[Code::NotFound]).parameter("prefix", "bdk_Zk3TQ9aw"),
        operation("record_key_uses").errors(CHANGING).body(json!({ "uses": [{ "id": KEY_ID, "used_at": TIME }] })),
    ]
}

fn wallet_operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Wallets).errors(READING);
    let of_wallet =
        |id| operation(id).errors(&[Code::NotFound]).parameter("id", WALLET_ID).parameter("owner", "anonymous");
    let deposit = json!({
        "client": "anonymous", "key": "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c12", "owner": "anonymous",
        "operation": { "wallet_id": WALLET_ID, "operation_type": "DEPOSIT", "amount": "1000.00" },
    });
    vec![
        operation("create_wallet")
            .errors(&[Code::KeyReused, Code::OutcomeUnknown])
            .body(json!({ "key": "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c13", "currency": "USD" })),
        operation("list_wallets").parameter("owner", "anonymous").parameter("limit", 50),
        operation("lookup_wallets").body(json!({ "ids": [WALLET_ID] })),
        of_wallet("get_wallet"),
        of_wallet("list_operations").parameter("limit", 50),
        operation("move_money").errors(WRITING).body(json!({ "movements": [deposit] })),
        operation("verify_journal").parameter("limit", 1000),
    ]
}
