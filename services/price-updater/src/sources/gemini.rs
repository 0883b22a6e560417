//! Gemini: `GET /v1/pricefeed`, one request for the last trade of every pair.
//!
//! Format: <https://docs.gemini.com/rest/market-data>. `[{"pair":"BTCUSD","price":"…","percentChange24h":"…"},…]`, all
//! strings, with no book and no time. 120 requests a minute are permitted and one a second is advised: what is above that
//! is first answered late and then refused, so one request for all is better than one a pair with its book.
//!
//! Errors are `{"result":"error","reason":"…","message":"…"}`; too many requests are 429.

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
    PollReply, PollRequest, Source, SourceDefinition, SourceError, Tickers,
    budget::RateLimits,
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs, requested,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "gemini",
    kind: CourseKind::Trade,
    url_variable: "GEMINI_URL",
    default_url: "https://api.gemini.com",
    period: Duration::from_secs(2),
    limits: RateLimits { max_requests: 4, window: Duration::from_secs(5), default_backoff: Duration::from_secs(60) },
    build: |client| Box::new(Gemini { client, pairs: pairs(PAIRS) }),
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

struct Gemini {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
}

#[derive(Deserialize)]
struct Row {
    price: DecimalText,
}

#[derive(Deserialize)]
struct Named {
    pair: String,
}

#[derive(Deserialize)]
struct Failure {
    reason: String,
    #[serde(default)]
    message: String,
}

#[async_trait]
impl Source for Gemini {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested(&request, PAIRS);
        Ok(self
            .client
            .get("/v1/pricefeed", request.deadline, |response| parse(response, &pairs, request.now))
            .await?
            .into())
    }
}

fn parse(response: &HttpResponse, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { reason, message }) = response.reject_rate_limited()?.json() {
        return Err(match reason.as_str() {
            "RateLimit" | "RateLimitExceeded" => SourceError::RateLimited { retry_after: response.retry_after },
            reason => SourceError::refused(&format!("{reason}: {message}")),
        });
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.pair);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |pair: &str| {
        let row = named.iter().find(|(name, _)| name == pair).ok_or(SourceError::UnknownPair)?.1;
        let Row { price } = serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        Ticker::traded(Some(&price), None, None, now)
    };
    Ok(pairs.iter().map(|&(pair, name)| (pair, quote(name))).collect())
}

#[cfg(test)]
mod tests;
