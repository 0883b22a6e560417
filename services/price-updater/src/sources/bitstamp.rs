//! Bitstamp: `GET /api/v2/ticker/` returns all pairs of the exchange in one request. The response has about 100 KiB.
//!
//! Format: <https://www.bitstamp.net/api/>. All values are strings. Each row of the list names its pair, such as
//! `BTC/USD`. The response for a single pair does not name the pair. `timestamp` is ignored. 400 requests a second and
//! 10,000 in ten minutes are permitted.
//!
//! The body of an error is `{"error":"…"}` or `{"status":"error","reason":…}`. The reason is a text or an object. Too
//! many requests are answered with a `response_code` of 400.002, 400.067 or 400.068.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ticker::{Ticker, TradedPrices};
use super::{
    EXCHANGE_POLL_INTERVAL, PollReply, PollRequest, SourceDefinition, SourceError, TickerResults,
    definition::SourceAdapter,
    http_client::{HttpResponse, SourceHttpClient},
    named_rows::NamedRows,
    pair, pairs_of,
    rate_limiter::RateLimits,
    requested_rows,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "bitstamp",
    kind: CourseKind::Trade,
    url_variable: "BITSTAMP_URL",
    default_url: "https://www.bitstamp.net",
    poll_interval: EXCHANGE_POLL_INTERVAL,
    rate_limits: RateLimits {
        max_requests: 5,
        window: Duration::from_secs(5),
        default_backoff: Duration::from_secs(600),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::new(Bitstamp),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USD"), "BTC/USD"),
    (pair("BTC", "EUR"), "BTC/EUR"),
    (pair("BTC", "GBP"), "BTC/GBP"),
    (pair("BTC", "USDT"), "BTC/USDT"),
    (pair("ETH", "USD"), "ETH/USD"),
    (pair("ETH", "EUR"), "ETH/EUR"),
    (pair("ETH", "GBP"), "ETH/GBP"),
    (pair("ETH", "USDT"), "ETH/USDT"),
    (pair("USDT", "USD"), "USDT/USD"),
    (pair("USDT", "EUR"), "USDT/EUR"),
];

/// Values of `response_code` that mean too many requests.
const RATE_LIMIT_CODES: [&str; 3] = ["400.002", "400.067", "400.068"];

struct Bitstamp;

#[derive(Deserialize)]
struct Row {
    last: DecimalText,
    bid: DecimalText,
    ask: DecimalText,
}

#[derive(Deserialize)]
struct RowName {
    pair: String,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    response_code: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

#[async_trait]
impl SourceAdapter for Bitstamp {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested_rows(&request, PAIRS);
        let parse = |response: &HttpResponse| parse(response, &pairs, request.now);
        Ok(client.get("/api/v2/ticker/", request.deadline, parse).await?.into())
    }
}

fn parse(
    response: &HttpResponse,
    pairs: &[(CurrencyPair, &str)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    if let Ok(error) = response.json() {
        return Err(parse_error(response, &error));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let rows = NamedRows::new(rows, |RowName { pair }| pair);
    let ticker = |name: &str| {
        let Row { last, bid, ask } = rows.parse(name)?;
        Ticker::traded(&TradedPrices { last: Some(&last), bid: Some(&bid), ask: Some(&ask) }, now)
    };
    Ok(pairs.iter().map(|&(pair, name)| (pair, ticker(name))).collect())
}

fn parse_error(response: &HttpResponse, error: &ErrorBody<'_>) -> SourceError {
    if error.response_code.as_deref().is_some_and(|code| RATE_LIMIT_CODES.contains(&code)) {
        return SourceError::RateLimited { retry_after: response.retry_after };
    }
    if let Err(error) = response.require_success() {
        return error;
    }
    match error.reason.or(error.error) {
        Some(reason) => SourceError::refused(reason.get().trim_matches('"')),
        None => SourceError::invalid_response("it is not a list"),
    }
}

#[cfg(test)]
mod tests;
