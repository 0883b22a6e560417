//! Bitfinex: `GET /v2/tickers?symbols=tBTCUSD,tETHUSD`, one request for all pairs, 90 a minute for each address.
//!
//! Format: <https://docs.bitfinex.com/reference/rest-public-tickers>. A list of lists, each with the symbol in front:
//! `[SYMBOL, BID, BID_SIZE, ASK, ASK_SIZE, DAILY_CHANGE, DAILY_CHANGE_RELATIVE, LAST_PRICE, VOLUME, HIGH, LOW]`, the numbers
//! as JSON numbers, whole ones with no point. There is no time in it. `UST` is USDT.
//!
//! An error is a list with the word `error` in front, whatever the status: `["error",11010,"ratelimit: error"]`, and
//! `["error",10020,"symbol: invalid"]` with status 500. Beside that `{"error":"ERR_RATE_LIMIT"}` and
//! `{"message":"Ratelimit"}` are known. Too many requests block the address for up to a minute, with no `Retry-After`.

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
    batches::Batches,
    budget::RateLimits,
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "bitfinex",
    kind: CourseKind::Trade,
    url_variable: "BITFINEX_URL",
    default_url: "https://api-pub.bitfinex.com",
    period: Duration::from_secs(2),
    limits: RateLimits { max_requests: 30, window: Duration::from_secs(60), default_backoff: Duration::from_secs(60) },
    build: |client| Box::new(Bitfinex { client, pairs: pairs(PAIRS), batches: Batches::default() }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USD"), "tBTCUSD"),
    (pair("BTC", "EUR"), "tBTCEUR"),
    (pair("BTC", "GBP"), "tBTCGBP"),
    (pair("BTC", "JPY"), "tBTCJPY"),
    (pair("BTC", "USDT"), "tBTCUST"),
    (pair("ETH", "USD"), "tETHUSD"),
    (pair("ETH", "EUR"), "tETHEUR"),
    (pair("ETH", "GBP"), "tETHGBP"),
    (pair("ETH", "USDT"), "tETHUST"),
    (pair("USDT", "USD"), "tUSTUSD"),
];

/// Where in a row each of them stands, behind the symbol.
const BID: usize = 1;
const ASK: usize = 3;
const LAST: usize = 7;

struct Bitfinex {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    batches: Batches,
}

#[derive(Deserialize)]
struct Failure {
    error: Option<String>,
    message: Option<String>,
}

#[async_trait]
impl Source for Bitfinex {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut batch = self.batches.start(&request, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, name)| *name).collect();
            let path = format!("/v2/tickers?symbols={}", names.join(","));
            let told = self.client.get(&path, request.deadline, |response| parse(response, &group, request.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn parse(response: &HttpResponse, group: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { error, message }) = response.json() {
        let Some(text) = error.or(message) else { return Err(SourceError::invalid_response("it is no list")) };
        return Err(failure(response, None, &text));
    }
    let Ok(rows) = response.json::<Vec<&RawValue>>() else {
        response.require_success()?;
        return Err(SourceError::invalid_response("it is no list"));
    };
    if rows.first().is_some_and(|first| first.get() == r#""error""#) {
        let code = rows.get(1).and_then(|code| code.get().parse().ok());
        let text = rows.get(2).map_or("", |text| text.get()).trim_matches('"');
        return Err(failure(response, code, text));
    }
    response.require_success()?;
    let rows: Vec<_> = rows.into_iter().filter_map(parse_row).collect();
    let quote = |symbol: &str| {
        let cells = &rows.iter().find(|(name, _)| name == symbol).ok_or(SourceError::UnknownPair)?.1;
        let cell = |at: usize| {
            let cell = cells.get(at).ok_or_else(|| SourceError::invalid_response("a row is too short"))?;
            serde_json::from_str::<DecimalText>(cell.get()).map_err(SourceError::invalid_response)
        };
        Ticker::traded(Some(&cell(LAST)?), Some(&cell(BID)?), Some(&cell(ASK)?), now)
    };
    Ok(group.iter().map(|&(pair, symbol)| (pair, quote(symbol))).collect())
}

/// The symbol of a row and all of its cells, the symbol among them.
fn parse_row(row: &RawValue) -> Option<(String, Vec<&RawValue>)> {
    let cells: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
    Some((serde_json::from_str(cells.first()?.get()).ok()?, cells))
}

fn failure(response: &HttpResponse, code: Option<i64>, text: &str) -> SourceError {
    let words = text.to_ascii_lowercase().replace(['_', ' '], "");
    match code {
        Some(10_020) => SourceError::UnknownPair,
        _ if response.status == 429 || code == Some(11_010) || words.contains("ratelimit") => {
            SourceError::RateLimited { retry_after: response.retry_after }
        }
        Some(code) => SourceError::refused(&format!("{code}: {text}")),
        None => SourceError::refused(text),
    }
}

#[cfg(test)]
mod tests;
