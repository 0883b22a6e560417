//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};

const ABOUT: &str = "Current and past courses of every exchange, and the agreed prices with the votes that led to \
    them. Simulated data is marked as simulated. Access is free and needs no account. Requests from one address are \
    limited: every request counts, also one that fails, except for requests that receive 429, OPTIONS, the documentation, /livez, /readyz and \
    /metrics. The headers RateLimit-Limit and RateLimit-Remaining show the state of the limit. RateLimit-Reset is \
    the number of seconds until the next request is allowed.";

/// The error codes of a read from db-proxy.
const READING_HISTORY: &[Code] = &[Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];
/// The error codes of a read of one price.
const READING_PRICE: &[Code] = &[Code::NotFound, Code::PriceUnavailable];

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::All, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Prices);
    vec![
        operation("list_courses").errors(&[Code::PriceUnavailable]).parameter("coins_from", "BTC"),
        operation("stream_courses").errors(&[Code::PriceUnavailable]).parameter("coins_from", "BTC"),
        operation("course_history")
            .errors(READING_HISTORY)
            .parameter("direction", "BTC-USD")
            .parameter("resolution", "1m")
            .parameter("limit", 100),
        operation("get_price").errors(READING_PRICE).parameter("direction", "BTC-EUR"),
        operation("price_chart")
            .errors(READING_HISTORY)
            .errors(&[Code::NotFound])
            .parameter("direction", "BTC-EUR")
            .parameter("hours", 6),
        operation("convert")
            .errors(READING_PRICE)
            .parameter("from", "BTC")
            .parameter("to", "EUR")
            .parameter("amount", "1.5"),
    ]
}
