//! Operations refuse unknown query parameters and name all invalid parameters in one response. Operations of exchange-sim
//! that imitate an exchange are excluded.

use std::collections::BTreeSet;

use common::access::{POLICY, Rule, ServicePolicy};
use serde_json::Value;
use tests::{
    Platform, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, order},
};

use super::openapi::operations;

on_both_stacks!(
    every_operation_refuses_unknown_and_repeated_parameters,
    one_response_names_every_invalid_parameter,
    misspelt_filter_is_refused,
);

/// An operation that refuses invalid query parameters.
struct CheckedOperation {
    method: String,
    /// Whether operators are refused before the query is checked.
    is_for_customers_only: bool,
    /// The path, with a valid value in the place of each parameter.
    path: String,
    query: Vec<Value>,
}

/// The documented operations of a service that imitate no exchange, and the pages, which the document does not list.
async fn checked_operations(platform: &Platform, service: &Instance) -> Vec<CheckedOperation> {
    let document = platform.client.get(service.url("/openapi.json")).await.json(200);
    let documented = operations(&document).filter(|operation| !imitates_exchange(operation.path)).map(|operation| {
        let query = operation.parameters().filter(|parameter| parameter["in"] == "query").cloned().collect();
        let path = operation.path.replace("{id}", "0190a6e2-7c1b-7c3a-9d5e-0123456789ab");
        CheckedOperation {
            method: operation.method.to_uppercase(),
            is_for_customers_only: customer_operations(service).any(|name| name == operation.value["operationId"]),
            path: path.replace("{exchange}", "kraken"),
            query,
        }
    });
    let pages = ["/openapi.json", "/docs", "/errors"];
    let pages = pages.map(|path| CheckedOperation {
        method: "GET".to_owned(),
        is_for_customers_only: false,
        path: path.to_owned(),
        query: Vec::new(),
    });
    documented.chain(pages).collect()
}

/// The ids of the operations of a service that customers may use and operators may not.
fn customer_operations(service: &Instance) -> impl Iterator<Item = &'static str> {
    let operations = POLICY.iter().filter(|policy| policy.service == service.name).flat_map(ServicePolicy::operations);
    operations.filter(|(_, rule)| matches!(rule, Rule::CustomerOnly(_))).map(|(name, _)| name)
}

/// Whether exchange-sim imitates an exchange at the path. Such an operation refuses only requests that the exchange refuses.
fn imitates_exchange(path: &str) -> bool {
    exchange_sim::EXCHANGES.iter().any(|name| path.starts_with(&format!("/{name}/")))
}

async fn every_operation_refuses_unknown_and_repeated_parameters(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    let mut checked = 0;
    for service in platform.all_services() {
        for operation in checked_operations(&platform, service).await {
            let CheckedOperation { method, is_for_customers_only, path, query } = operation;
            checked += 1;
            let refuse = async |query: &str, field: &str| {
                let request = platform.client.request(&method, service.url(&format!("{path}?{query}")));
                let request = if is_for_customers_only { request } else { platform.as_operator(service, request) };
                let problem = send(request).await.problem(422, "validation_failed");
                let named: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
                assert!(named.contains(&&Value::from(field)), "{} {method} {path}?{query}: {problem}", service.name);
            };
            refuse("no_such_parameter=1", "no_such_parameter").await;
            for parameter in query {
                let name = parameter["name"].as_str().unwrap();
                refuse(&format!("{name}=1&{name}=2"), name).await;
                refuse(&format!("{name}x=1"), &format!("{name}x")).await;
            }
        }
    }
    assert!(checked > 60, "only {checked} operations");
}

async fn one_response_names_every_invalid_parameter(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    for service in platform.all_services() {
        for CheckedOperation { method, path, query, .. } in checked_operations(&platform, service).await {
            // A string parameter without a format or an enumeration accepts most texts, so it is left out.
            let is_checked = |parameter: &&Value| {
                let schema = &parameter["schema"];
                schema["type"] != "string" || schema.get("format").or(schema.get("enum")).is_some()
            };
            let invalid: BTreeSet<_> = query.iter().filter(is_checked).map(|p| p["name"].as_str().unwrap()).collect();
            if invalid.is_empty() {
                continue;
            }
            let pairs: Vec<_> = invalid.iter().map(|name| format!("{name}=%E2%82%AC%00")).collect();
            let url = service.url(&format!("{path}?{}", pairs.join("&")));
            let request = platform.as_operator(service, platform.client.request(&method, url));
            let problem = send(request).await.problem(422, "validation_failed");
            let errors = problem["errors"].as_array().unwrap();
            let named: BTreeSet<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
            assert!(named.is_superset(&invalid), "{} {method} {path}: {problem}", service.name);
            for error in errors {
                let message = error["message"].as_str().unwrap();
                assert!(message.starts_with("must be ") || message == "is required", "{path}: {error}");
            }
        }
    }
}

async fn misspelt_filter_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    for path in ["/api/v1/orders/export?format=csv&", "/api/v1/orders?", "/get_orders?"] {
        let response = platform.client.get(platform.fetch_orders.url(&format!("{path}curency=GBP"))).await;
        response.invalid_fields(&["curency"]);
    }
    let response = platform.client.get(platform.fetch_orders.url("/api/v1/orders?curency=GBP&limit=0&from=now")).await;
    response.invalid_fields(&["curency", "limit", "from"]);
    assert!(response.text().contains("did you mean currency?"), "{}", response.text());
    // A request with the order in its body must have no query parameters.
    let url = platform.create_order.url("/api/v1/orders?wallet_id=7");
    platform.client.post(url, order("EUR", "1")).await.invalid_fields(&["wallet_id"]);
    assert_eq!(platform.summary().await["count"], 0);
}
