//! Blockchain.com: `GET /ticker`, one request for what a bitcoin costs in some 30 currencies.
//!
//! Format: <https://www.blockchain.com/explorer/api/exchange_rates_api>.
//! `{"USD":{"15m":…,"last":…,"buy":…,"sell":…,"symbol":"USD"},…}`, JSON numbers with no time. It is the service's own price
//! over several exchanges, an index; `last` is read, for `15m` is a quarter of an hour old. No limit is documented, so it
//! is asked about once a minute. Errors are a status.

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
    PollReply, PollRequest, Source, SourceDefinition, SourceError, Tickers,
    budget::RateLimits,
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs, requested,
};

/// Three rounds of the record: a price lasts a minute, so it is asked anew a round before that, and is not missing until the
/// answer is there. Two minutes have three asks.
const PERIOD: Duration = Duration::from_secs(45);

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "blockchain_info",
    kind: CourseKind::Index,
    url_variable: "BLOCKCHAIN_INFO_URL",
    default_url: "https://blockchain.info",
    period: PERIOD,
    limits: RateLimits { max_requests: 3, window: Duration::from_secs(120), default_backoff: Duration::from_secs(300) },
    build: |client| Box::new(BlockchainInfo { client, pairs: pairs(PAIRS) }),
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

struct BlockchainInfo {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
}

#[derive(Deserialize)]
struct Row {
    last: DecimalText,
    symbol: Option<String>,
}

#[async_trait]
impl Source for BlockchainInfo {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested(&request, PAIRS);
        Ok(self.client.get("/ticker", request.deadline, |response| parse(response, &pairs, request.now)).await?.into())
    }
}

fn parse(response: &HttpResponse, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    let rows: BTreeMap<String, &RawValue> = response.require_success()?.json()?;
    if let Some(error) = rows.get("error").or(rows.get("message")) {
        return Err(SourceError::refused(error.get().trim_matches('"')));
    }
    let quote = |currency: &str| {
        let row = rows.get(currency).ok_or(SourceError::UnknownPair)?;
        let Row { last, symbol } = serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        // It has been a sign such as `$` as well.
        let is_code = |symbol: &String| symbol.len() == 3 && symbol.bytes().all(|byte| byte.is_ascii_uppercase());
        if symbol.filter(is_code).is_some_and(|symbol| symbol != currency) {
            return Err(SourceError::invalid_response("a row is of another currency"));
        }
        Ticker::index(&last, now)
    };
    Ok(pairs.iter().map(|&(pair, currency)| (pair, quote(currency))).collect())
}

#[cfg(test)]
mod tests;
