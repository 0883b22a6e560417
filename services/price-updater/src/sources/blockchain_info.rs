//! Blockchain.com: `GET /ticker` returns the price of bitcoin in about 30 currencies in one request.
//!
//! Format: <https://www.blockchain.com/explorer/api/exchange_rates_api>.
//! `{"USD":{"15m":…,"last":…,"buy":…,"sell":…,"symbol":"USD"},…}`. Prices are JSON numbers without a time. They are an
//! index that Blockchain.com computes from several exchanges. This adapter reads `last`, because `15m` is 15 minutes
//! old. No request limit is documented. An error is an HTTP status.

use std::{collections::BTreeMap, time::Duration};

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
    INDEX_POLL_INTERVAL, PollReply, PollRequest, SourceDefinition, SourceError, TickerResults,
    definition::SourceAdapter,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs_of,
    rate_limiter::RateLimits,
    requested_rows,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "blockchain_info",
    kind: CourseKind::Index,
    url_variable: "BLOCKCHAIN_INFO_URL",
    default_url: "https://blockchain.info",
    poll_interval: INDEX_POLL_INTERVAL,
    rate_limits: RateLimits {
        max_requests: 3,
        window: Duration::from_secs(120),
        default_backoff: Duration::from_secs(300),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::new(BlockchainInfo),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USD"), "USD"),
    (pair("BTC", "EUR"), "EUR"),
    (pair("BTC", "GBP"), "GBP"),
    (pair("BTC", "CHF"), "CHF"),
    (pair("BTC", "JPY"), "JPY"),
    (pair("BTC", "AUD"), "AUD"),
    (pair("BTC", "CAD"), "CAD"),
    (pair("BTC", "RUB"), "RUB"),
];

struct BlockchainInfo;

#[derive(Deserialize)]
struct Row {
    last: DecimalText,
    symbol: Option<String>,
}

#[async_trait]
impl SourceAdapter for BlockchainInfo {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested_rows(&request, PAIRS);
        let parse = |response: &HttpResponse| parse(response, &pairs, request.now);
        Ok(client.get("/ticker", request.deadline, parse).await?.into())
    }
}

fn parse(
    response: &HttpResponse,
    pairs: &[(CurrencyPair, &str)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    let rows: BTreeMap<String, &RawValue> = response.require_success()?.json()?;
    if let Some(error) = rows.get("error").or(rows.get("message")) {
        return Err(SourceError::refused(error.get().trim_matches('"')));
    }
    let ticker = |currency: &str| {
        let row = rows.get(currency).ok_or(SourceError::UnknownPair)?;
        let Row { last, symbol } = serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        // `symbol` can be a sign such as `$` instead of a code. Only a code can contradict the currency.
        let is_code = |symbol: &String| symbol.len() == 3 && symbol.bytes().all(|byte| byte.is_ascii_uppercase());
        if symbol.filter(is_code).is_some_and(|symbol| symbol != currency) {
            return Err(SourceError::invalid_response("a row has the symbol of another currency"));
        }
        Ticker::index(&last, now)
    };
    Ok(pairs.iter().map(|&(pair, currency)| (pair, ticker(currency))).collect())
}

#[cfg(test)]
mod tests;
