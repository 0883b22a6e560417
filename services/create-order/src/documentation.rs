//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str = "Places orders to buy bitcoin at the current price. The response is 201 only after the order is stored \
    durably. An API key in the header `Authorization: Bearer KEY` makes a request act as a user. Requests from one address, or with \
    one key, are limited: every POST, PUT and DELETE counts, also one that fails, except for requests that receive 429. Reads have limits of their \
    own. The headers RateLimit-Limit and RateLimit-Remaining show the state of the limit that the request counts against. \
    RateLimit-Reset is the number of seconds until the next request is allowed.";

/// The error codes of both operations that place an order.
const PLACING: &[Code] = &[
    Code::LimitExceeded,
    Code::InsufficientFunds,
    Code::BalanceOutOfRange,
    Code::KeyReused,
    Code::QuoteUnknown,
    Code::QuoteTaken,
    Code::QuoteExpired,
    Code::PriceUnavailable,
    Code::CacheUnavailable,
    Code::DatabaseUnavailable,
    Code::UpstreamUnavailable,
    Code::OutcomeUnknown,
    Code::ShuttingDown,
];
/// The error codes of a request for a quote.
const QUOTING: &[Code] = &[
    Code::LimitExceeded,
    Code::QuoteLimitExceeded,
    Code::PriceUnavailable,
    Code::CacheUnavailable,
    Code::DatabaseUnavailable,
    Code::UpstreamUnavailable,
    Code::OutcomeUnknown,
    Code::ShuttingDown,
];

/// The error codes of a read of a quote.
const READING_QUOTE: &[Code] =
    &[Code::NotFound, Code::TooManyRequests, Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];
/// The error codes of a release of a quote.
const RELEASING: &[Code] = &[
    Code::NotFound,
    Code::QuoteTaken,
    Code::DatabaseUnavailable,
    Code::UpstreamUnavailable,
    Code::OutcomeUnknown,
    Code::ShuttingDown,
];
/// The error codes of a read of the limit. A change of the limit also has `outcome_unknown`.
const READING_LIMIT: &[Code] = &[Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];
const QUOTE_ID: &str = "019b7d5a-1f00-7000-8000-000000000002";

/// The error codes of a read that fetch-orders or rates answers.
const FORWARDED: &[Code] =
    &[Code::TooManyRequests, Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];

pub(crate) fn description() -> ApiDescription {
    ApiDescription {
        about: ABOUT,
        counted: CountedRequests::Changes,
        operations: [operations(), forwarded_operations()].concat(),
    }
}

fn operations() -> Vec<OperationDescription> {
    let operation = OperationDescription::new;
    let order = json!({ "currency": "EUR", "amount": "69.00" });
    vec![
        operation("place_order", Group::Orders).errors(PLACING).body(order.clone()),
        operation("create_order", Group::Orders).errors(PLACING).body(order.clone()),
        operation("create_quote", Group::Quotes).errors(QUOTING).body(order),
        operation("get_quote", Group::Quotes).errors(READING_QUOTE).parameter("id", QUOTE_ID),
        operation("release_quote", Group::Quotes).errors(RELEASING).parameter("id", QUOTE_ID),
        operation("get_limit", Group::Orders).errors(READING_LIMIT),
        operation("set_limit", Group::Orders)
            .errors(READING_LIMIT)
            .errors(&[Code::OutcomeUnknown])
            .body(json!({ "limit": "100", "changed_by": "ada" })),
    ]
}

/// The reads that fetch-orders or rates answers. The OpenAPI documents of those services contain the same examples.
fn forwarded_operations() -> Vec<OperationDescription> {
    let order = |id| OperationDescription::new(id, Group::Orders).errors(FORWARDED);
    let price = |id| OperationDescription::new(id, Group::Prices).errors(FORWARDED).errors(&[Code::PriceUnavailable]);
    let one_price = |id| price(id).errors(&[Code::NotFound]);
    vec![
        order("get_orders").parameter("start", "0").parameter("page_size", "10"),
        order("list_orders").parameter("limit", "50"),
        order("export_orders").parameter("format", "csv"),
        order("order_summary"),
        order("get_order").errors(&[Code::NotFound]).parameter("id", "019b7d5a-1f00-7000-8000-000000000001"),
        price("list_courses").parameter("coins_from", "BTC"),
        price("stream_courses").parameter("coins_from", "BTC"),
        price("course_history")
            .parameter("direction", "BTC-USD")
            .parameter("resolution", "1m")
            .parameter("limit", "100"),
        one_price("get_price").parameter("direction", "BTC-EUR"),
        one_price("price_chart").parameter("direction", "BTC-EUR").parameter("hours", "6"),
        one_price("convert").parameter("from", "BTC").parameter("to", "EUR").parameter("amount", "1.5"),
    ]
}
