//! Bitstamp: `GET /api/v2/ticker/`, one request for every pair there is, about 100 KiB.
//!
//! Format: <https://www.bitstamp.net/api/>. 400 requests a second and 10,000 in ten minutes are permitted. The list names
//! each pair (`BTC/USD`), which a single ticker does not. Everything is a string. Its `timestamp` is not looked at.
//!
//! Errors are a status with `{"error":"…"}`, or `{"status":"error","reason":…}` where the reason is a text or an object;
//! too many requests may be `{"response_code":"400.002"}` (also 400.067 and 400.068).

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ticker::Ticker;
use super::{
    EXCHANGE_PERIOD, PollReply, PollRequest, Source, SourceDefinition, SourceError, Tickers,
    budget::RateLimits,
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs, requested,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "bitstamp",
    kind: CourseKind::Trade,
    url_variable: "BITSTAMP_URL",
    default_url: "https://www.bitstamp.net",
    period: EXCHANGE_PERIOD,
    limits: RateLimits { max_requests: 5, window: Duration::from_secs(5), default_backoff: Duration::from_secs(600) },
    build: |client| Box::new(Bitstamp { client, pairs: pairs(PAIRS) }),
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

/// Codes of refusals that mean too many requests.
const LIMITS: [&str; 3] = ["400.002", "400.067", "400.068"];

struct Bitstamp {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
}

#[derive(Deserialize)]
struct TickerJson {
    last: DecimalText,
    bid: DecimalText,
    ask: DecimalText,
}

#[derive(Deserialize)]
struct Named {
    pair: String,
}

#[derive(Deserialize)]
struct Failure<'a> {
    response_code: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

#[async_trait]
impl Source for Bitstamp {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested(&request, PAIRS);
        let told = self
            .client
            .get("/api/v2/ticker/", request.deadline, |response| parse(response, &pairs, request.now))
            .await?;
        Ok(told.into())
    }
}

fn parse(response: &HttpResponse, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(failure) = response.json::<Failure<'_>>() {
        return Err(failure_error(response, &failure));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.pair);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |pair: &str| {
        let row = named.iter().find(|(name, _)| name == pair).ok_or(SourceError::UnknownPair)?.1;
        let TickerJson { last, bid, ask } = serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        Ticker::traded(Some(&last), Some(&bid), Some(&ask), now)
    };
    Ok(pairs.iter().map(|&(pair, name)| (pair, quote(name))).collect())
}

fn failure_error(response: &HttpResponse, failure: &Failure<'_>) -> SourceError {
    let limited = failure.response_code.as_deref().is_some_and(|code| LIMITS.contains(&code));
    match failure.reason.or(failure.error) {
        _ if limited => SourceError::RateLimited { retry_after: response.retry_after },
        _ if response.require_success().is_err() => {
            response.require_success().err().unwrap_or(SourceError::Status(response.status))
        }
        Some(reason) => SourceError::refused(reason.get().trim_matches('"')),
        None => SourceError::invalid_response("it is no list"),
    }
}

#[cfg(test)]
mod tests;
