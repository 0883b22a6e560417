//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::{Value, json};

const ABOUT: &str =
    "The only owner of the database: orders, their limit, idempotency keys, courses. Only for other services.";

const READING: &[Code] = &[Code::DatabaseUnavailable];
const WRITING: &[Code] = &[Code::DatabaseUnavailable, Code::OutcomeUnknown, Code::ShuttingDown];

const TIME: &str = "2026-01-02T03:04:05.000000Z";
const ORDER_ID: &str = "019b7d5a-1f00-7000-8000-000000000001";
const QUOTE_ID: &str = "019b7d5a-1f00-7000-8000-000000000002";

/// The price of an order of 69 EUR. It has expired, so that the examples of orders are refused.
fn price() -> Value {
    json!({
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "as_of": TIME, "expires_at": "2026-01-02T03:05:05.000000Z",
        "sources": ["coinbase", "kraken"], "simulated": true,
    })
}

pub(crate) fn description() -> ApiDescription {
    let operations = order_operations().into_iter().chain(course_operations()).collect();
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations }
}

fn order_operations() -> Vec<OperationDescription> {
    let market = json!({ "currency": "EUR", "amount": "69.00", "price": price() });
    let command = json!({ "client": "anonymous", "key": "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c11", "market": market });
    let quote =
        json!({ "currency": "EUR", "amount": "69.00", "price": price(), "hold_secs": 30, "client": "ip:192.0.2.1" });
    let mut annotated = command.clone();
    annotated["client_reference"] = "invoice-42".into();
    let mut by_bitcoin = quote.clone();
    (by_bitcoin["amount"], by_bitcoin["ordered_by"]) = ("69.0003".into(), "bitcoin_amount".into());
    let order = |id| OperationDescription::new(id, Group::Orders);
    let of_quote = |id| OperationDescription::new(id, Group::Quotes);
    vec![
        order("place_orders").errors(WRITING).body(json!({ "orders": [command] })),
        order("place_orders_v2").errors(WRITING).body(json!({ "orders": [annotated] })),
        order("add_order").errors(WRITING).body(command),
        of_quote("hold_quote").errors(WRITING).body(quote),
        of_quote("hold_quote_v2").errors(WRITING).body(by_bitcoin),
        of_quote("get_quote").errors(READING).parameter("id", QUOTE_ID),
        of_quote("release_quote").errors(WRITING).parameter("id", QUOTE_ID),
        order("get_orders").errors(READING).parameter("start", 0).parameter("page_size", 5),
        order("list_orders").errors(READING).parameter("limit", 50),
        order("list_orders_v2").errors(READING).parameter("client_reference", "invoice-42").parameter("limit", 50),
        order("lookup_orders").errors(READING).body(json!({ "ids": [ORDER_ID] })),
        order("get_order").errors(READING).errors(&[Code::NotFound]).parameter("id", ORDER_ID),
        order("summary").errors(READING),
    ]
}

fn course_operations() -> Vec<OperationDescription> {
    let course = json!({
        "exchanger": "kraken", "direction": "BTC-EUR", "kind": "trade", "value": "84000.12", "observed_at": TIME,
        "simulated": true,
    });
    let operation = |id| OperationDescription::new(id, Group::Prices);
    vec![
        operation("write_courses").errors(WRITING).body(json!({ "courses": [course] })),
        operation("actual_courses").errors(READING),
        operation("course_history")
            .errors(READING)
            .parameter("direction", "BTC-EUR")
            .parameter("resolution", "1m")
            .parameter("limit", 100),
    ]
}
