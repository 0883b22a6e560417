//! The descriptions of the operations for the OpenAPI document.

use common::server::{ApiDescription, CountedRequests, Group, OperationDescription};
use serde_json::json;

const ABOUT: &str = "Polls exchanges, agrees on the price of bitcoin, and publishes it to price-cache-proxy.";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Operations);
    vec![
        operation("list_sources"),
        operation("sources_order"),
        operation("set_sources_order").body(json!({ "sources": ["coinbase", "kraken"] })),
    ]
}
