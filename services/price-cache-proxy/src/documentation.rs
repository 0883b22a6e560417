//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str =
    "Keeps the current price record and market snapshot until they expire, pushes their changes, and grants leases.";

const TIME: &str = "2026-01-02T03:04:05.000000Z";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let document_operation = |id| OperationDescription::new(id, Group::Prices).errors(&[Code::CacheUnavailable]);
    let price = json!({ "price": "84000.12", "sources": ["coinbase", "kraken"] });
    let record = json!({ "state": "fresh", "as_of": TIME, "simulated": true, "prices": { "EUR": price } });
    let course = json!({
        "exchanger": "kraken", "direction": "BTC-EUR", "kind": "trade", "value": "84000.12", "observed_at": TIME,
        "simulated": true,
    });
    let snapshot = json!({ "as_of": TIME, "simulated": true, "courses": [course], "prices": [] });
    let lease = json!({ "name": "example", "holder": "one", "ttl_secs": 5 });
    vec![
        document_operation("current_record"),
        document_operation("add_record").body(record).parameter("ttl", 60),
        document_operation("get_market_snapshot"),
        document_operation("write_market_snapshot").body(snapshot),
        OperationDescription::new("events", Group::Prices).parameter("topics", "record"),
        OperationDescription::new("acquire_lease", Group::Operations).errors(&[Code::CacheUnavailable]).body(lease),
    ]
}
