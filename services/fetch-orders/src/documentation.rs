//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};

const ABOUT: &str = "Lists orders. An order is visible as soon as create-order has responded with 201. It never changes. An API \
    key in the header `Authorization: Bearer KEY` makes a request act as a user. Requests from one address, or with one key, are \
    limited: every request counts, also one that fails, except for requests that receive 429, OPTIONS, requests of operators, the \
    documentation, /livez, /readyz and /metrics. The headers RateLimit-Limit and RateLimit-Remaining show the state of the limit. RateLimit-Reset is the \
    number of seconds until the next request is allowed.";

/// The error codes of reads of orders from db-proxy.
const READING: &[Code] = &[Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::All, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Orders).errors(READING);
    vec![
        operation("get_orders").parameter("start", 0).parameter("page_size", 10),
        operation("list_orders").parameter("limit", 50),
        operation("export_orders").parameter("format", "csv"),
        operation("order_summary"),
        operation("get_order").errors(&[Code::NotFound]).parameter("id", "019b7d5a-1f00-7000-8000-000000000001"),
    ]
}
