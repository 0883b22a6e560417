//! Gemini: `GET /v1/pricefeed` returns the last trade of every pair in one request.
//!
//! Format: <https://docs.gemini.com/rest/market-data>. `[{"pair":"BTCUSD","price":"…","percentChange24h":"…"},…]`. All
//! values are strings. There is no order book and no time. 120 requests a minute are permitted, and Gemini recommends
//! at most one request a second. Gemini first delays and then rejects faster requests. The endpoint of single pairs
//! returns the order book, but would need too many requests.
//!
//! An error is `{"result":"error","reason":"…","message":"…"}`. Too many requests are answered with 429.

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
    PollReply, PollRequest, SourceDefinition, SourceError, TickerResults,
    definition::SourceAdapter,
    http_client::{HttpResponse, SourceHttpClient},
    named_rows::NamedRows,
    pair, pairs_of,
    rate_limiter::RateLimits,
    requested_rows,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "gemini",
    kind: CourseKind::Trade,
    url_variable: "GEMINI_URL",
    default_url: "https://api.gemini.com",
    poll_interval: Duration::from_secs(2),
    rate_limits: RateLimits {
        max_requests: 4,
        window: Duration::from_secs(5),
        default_backoff: Duration::from_secs(60),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::new(Gemini),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USD"), "BTCUSD"),
    (pair("BTC", "EUR"), "BTCEUR"),
    (pair("BTC", "GBP"), "BTCGBP"),
    (pair("BTC", "USDT"), "BTCUSDT"),
    (pair("ETH", "USD"), "ETHUSD"),
    (pair("ETH", "EUR"), "ETHEUR"),
    (pair("ETH", "GBP"), "ETHGBP"),
    (pair("ETH", "USDT"), "ETHUSDT"),
    (pair("USDT", "USD"), "USDTUSD"),
];

struct Gemini;

#[derive(Deserialize)]
struct Row {
    price: DecimalText,
}

#[derive(Deserialize)]
struct RowName {
    pair: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    reason: String,
    #[serde(default)]
    message: String,
}

#[async_trait]
impl SourceAdapter for Gemini {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested_rows(&request, PAIRS);
        let parse = |response: &HttpResponse| parse(response, &pairs, request.now);
        Ok(client.get("/v1/pricefeed", request.deadline, parse).await?.into())
    }
}

fn parse(
    response: &HttpResponse,
    pairs: &[(CurrencyPair, &str)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    if let Ok(ErrorBody { reason, message }) = response.reject_rate_limited()?.json() {
        return Err(match reason.as_str() {
            "RateLimit" | "RateLimitExceeded" => SourceError::RateLimited { retry_after: response.retry_after },
            reason => SourceError::refused(&format!("{reason}: {message}")),
        });
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let rows = NamedRows::new(rows, |RowName { pair }| pair);
    let ticker = |name: &str| {
        let Row { price } = rows.parse(name)?;
        Ticker::traded(&TradedPrices { last: Some(&price), bid: None, ask: None }, now)
    };
    Ok(pairs.iter().map(|&(pair, name)| (pair, ticker(name))).collect())
}

#[cfg(test)]
mod tests;
