//! Compatibility of the wire types of two releases. During an upgrade, an older service must ignore the fields that
//! only newer services send.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    courses::{CoursesWritten, CurrentCourses, MarketSnapshot, NewCourses, SnapshotStored},
    health::Heartbeat,
    leases::{Lease, LeaseRequest},
    orders::{FoundOrders, OffsetPage, OrderPage, OrderSummary, Outcomes, PlaceOrderCommand, PlaceOrderCommands},
    prices::{NewPriceRecord, PriceRecord},
    quotes::{CreateQuoteCommand, QuoteOutcome},
    reports::Report,
};

const TIME: &str = "2026-01-02T03:04:05.000000Z";
const ID: &str = "019b7d5a-1f00-7000-8000-000000000001";

/// Adds an unknown field to every object, except to a map whose keys are currencies.
fn add_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_unknown_fields);
            if !fields.contains_key("USD") {
                fields.insert("added_later".to_owned(), json!({ "any": ["value"] }));
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(add_unknown_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Asserts that unknown fields in the objects of a document do not change the parsed value.
#[track_caller]
fn assert_tolerant<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(document: Value) {
    let expected: T = serde_json::from_value(document.clone()).unwrap();
    let mut extended = document;
    add_unknown_fields(&mut extended);
    let parsed = serde_json::from_value::<T>(extended);
    assert_eq!(parsed.unwrap_or_else(|error| panic!("{}: {error}", std::any::type_name::<T>())), expected);
}

#[test]
fn unknown_fields_of_internal_prices_are_ignored() {
    let course = json!({
        "exchanger": "kraken", "direction": "BTC-USD", "kind": "trade", "value": "84000.12", "bid": "84000",
        "observed_at": TIME, "simulated": false,
    });
    assert_tolerant::<NewCourses>(json!({ "courses": [course] }));
    assert_tolerant::<CoursesWritten>(json!({ "changed": 1 }));
    let stored_course = json!({
        "exchanger": "kraken", "direction": "BTC-USD", "kind": "trade", "value": "84000.12", "since": TIME,
        "simulated": false,
    });
    assert_tolerant::<CurrentCourses>(json!({ "courses": [stored_course] }));
    let vote =
        json!({ "exchanger": "kraken", "told": "BTC-USD", "value": "84000.12", "observed_at": TIME, "used": true });
    let price = json!({
        "direction": "BTC-USD", "method": "median", "price": "84000.12", "simulated": false, "votes": [vote], "legs": [],
    });
    assert_tolerant::<MarketSnapshot>(
        json!({ "as_of": TIME, "simulated": false, "courses": [course], "prices": [price] }),
    );
    assert_tolerant::<SnapshotStored>(json!({ "as_of": TIME }));
    let prices = json!({ "USD": { "price": "84000.12", "sources": ["kraken"] } });
    assert_tolerant::<NewPriceRecord>(json!({ "state": "fresh", "as_of": TIME, "simulated": false, "prices": prices }));
    assert_tolerant::<PriceRecord>(json!({
        "base": "BTC", "state": "fresh", "as_of": TIME, "expires_at": TIME, "simulated": false, "prices": prices,
    }));
    assert_tolerant::<LeaseRequest>(json!({ "name": "poll", "holder": "one", "ttl_secs": 5 }));
    assert_tolerant::<Lease>(json!({ "name": "poll", "holder": "one", "expires_at": TIME }));
}

#[test]
fn unknown_fields_of_internal_orders_are_ignored() {
    let price = json!({
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "as_of": TIME, "expires_at": TIME,
        "sources": ["kraken"], "simulated": false,
    });
    let market = json!({ "currency": "EUR", "amount": "69", "bitcoin_amount": "0.00082143", "price": price });
    let command = json!({
        "client": "anonymous", "key": "a-key", "asked_at": TIME, "market": market, "client_reference": "invoice-42",
    });
    assert_tolerant::<PlaceOrderCommands>(json!({ "orders": [command] }));
    let order = json!({
        "id": ID, "created_at": TIME, "currency": "EUR", "amount": "69.00", "exchange_rate": "84000.12",
        "bitcoin_amount": "0.00082143", "price_as_of": TIME, "simulated": false, "ordered_by": "bitcoin_amount",
        "quote": ID, "client_reference": "invoice-42",
    });
    assert_tolerant::<Outcomes>(json!({ "outcomes": [
        { "placed": { "order": order, "replayed": false } },
        { "refused": { "reason": "limit_exceeded", "remaining": "0.1" } },
    ] }));
    assert_tolerant::<FoundOrders>(json!({ "orders": [order] }));
    assert_tolerant::<OrderPage>(json!({ "data": [order], "next_cursor": "o1f" }));
    assert_tolerant::<OffsetPage>(json!({ "data": [order], "more": true }));
    assert_tolerant::<OrderSummary>(json!({
        "count": 1, "bitcoin_amount": "0.1", "reserved": "0", "remaining": "1", "limit": "1.1",
    }));
    assert_tolerant::<CreateQuoteCommand>(
        json!({ "currency": "EUR", "amount": "69", "price": price, "hold_secs": 30 }),
    );
    let quote = json!({
        "id": ID, "created_at": TIME, "expires_at": TIME, "currency": "EUR", "amount": "69.00",
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "price_as_of": TIME, "simulated": false,
        "state": "taken", "order_id": ID, "ordered_by": "bitcoin_amount",
    });
    assert_tolerant::<QuoteOutcome>(json!({ "quote": quote }));
}

#[test]
fn unknown_fields_of_reports_are_ignored() {
    let mut report = json!({ "level": "info", "service": "rates", "status": "alive" });
    let expected: Report = serde_json::from_value(report.clone()).unwrap();
    add_unknown_fields(&mut report);
    assert_eq!(serde_json::from_value::<Report>(report).unwrap(), expected);
    assert_tolerant::<Heartbeat>(json!({
        "instance": "rates-1", "version": "0.1.0", "interval_secs": 60, "uptime_secs": 1, "ready": true,
        "parts": [{ "name": "cache", "ready": true }],
    }));
}

#[test]
fn orders_and_quotes_without_new_fields_are_serialized_as_by_the_previous_release() {
    let price = json!({
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "as_of": TIME, "expires_at": TIME,
        "sources": ["kraken"], "simulated": false,
    });
    let market = json!({ "currency": "EUR", "amount": "69.00", "price": price });
    let command = json!({ "client": "anonymous", "key": "a-key", "asked_at": TIME, "market": market });
    let parsed: PlaceOrderCommand = serde_json::from_value(command.clone()).unwrap();
    assert_eq!((serde_json::to_value(&parsed).unwrap(), parsed.needs_v2_endpoint()), (command, false));
    let quote = json!({ "currency": "EUR", "amount": "69.00", "price": price, "hold_secs": 30 });
    let parsed: CreateQuoteCommand = serde_json::from_value(quote.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), quote);
}
