//! Bitfinex: `GET /v2/tickers?symbols=tBTCUSD,tETHUSD` returns all pairs in one request.
//!
//! Format: <https://docs.bitfinex.com/reference/rest-public-tickers>. The response is a list of lists: `[SYMBOL, BID,
//! BID_SIZE, ASK, ASK_SIZE, DAILY_CHANGE, DAILY_CHANGE_RELATIVE, LAST_PRICE, VOLUME, HIGH, LOW]`. Prices are JSON
//! numbers; whole numbers have no decimal point. Rows have no time. USDT is called `UST`. 90 requests a minute are
//! permitted for each IP address.
//!
//! An error is a list that begins with the word `error`, with any HTTP status: `["error",11010,"ratelimit: error"]`, or
//! `["error",10020,"symbol: invalid"]` with status 500. The forms `{"error":"ERR_RATE_LIMIT"}` and
//! `{"message":"Ratelimit"}` also occur. Too many requests block the IP address for up to a minute; the response has no
//! `Retry-After`.

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
    batching::Batching,
    definition::SourceAdapter,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs_of,
    rate_limiter::RateLimits,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "bitfinex",
    kind: CourseKind::Trade,
    url_variable: "BITFINEX_URL",
    default_url: "https://api-pub.bitfinex.com",
    poll_interval: Duration::from_secs(2),
    rate_limits: RateLimits {
        max_requests: 30,
        window: Duration::from_secs(60),
        default_backoff: Duration::from_secs(60),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::<Bitfinex>::default(),
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

// Positions in a row. Position 0 is the symbol.
const BID: usize = 1;
const ASK: usize = 3;
const LAST: usize = 7;

#[derive(Default)]
struct Bitfinex {
    batching: Batching,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Option<String>,
    message: Option<String>,
}

#[async_trait]
impl SourceAdapter for Bitfinex {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut poll = self.batching.start(&request, PAIRS);
        while let Some(group) = poll.next_group() {
            let symbols: Vec<_> = group.iter().map(|(_, symbol)| *symbol).collect();
            let path = format!("/v2/tickers?symbols={}", symbols.join(","));
            let result = client.get(&path, request.deadline, |response| parse(response, &group, request.now)).await;
            poll.record_result(group, result);
        }
        poll.finish()
    }
}

fn parse(
    response: &HttpResponse,
    group: &[(CurrencyPair, &str)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    if let Ok(ErrorBody { error, message }) = response.json() {
        let message = error.or(message).ok_or_else(|| SourceError::invalid_response("it is not a list"))?;
        return Err(parse_error(response, None, &message));
    }
    let Ok(rows) = response.json::<Vec<&RawValue>>() else {
        response.require_success()?;
        return Err(SourceError::invalid_response("it is not a list"));
    };
    if rows.first().is_some_and(|first| first.get() == r#""error""#) {
        let code = rows.get(1).and_then(|code| code.get().parse().ok());
        let message = rows.get(2).map_or("", |message| message.get()).trim_matches('"');
        return Err(parse_error(response, code, message));
    }
    response.require_success()?;
    let rows: Vec<_> = rows.into_iter().filter_map(parse_row).collect();
    let ticker = |symbol: &str| {
        let row = rows.iter().find(|row| row.symbol == symbol).ok_or(SourceError::UnknownPair)?;
        let (last, bid, ask) = (row.price(LAST)?, row.price(BID)?, row.price(ASK)?);
        Ticker::traded(&TradedPrices { last: Some(&last), bid: Some(&bid), ask: Some(&ask) }, now)
    };
    Ok(group.iter().map(|&(pair, symbol)| (pair, ticker(symbol))).collect())
}

struct Row<'a> {
    symbol: String,
    /// Every cell, with the symbol at position 0.
    cells: Vec<&'a RawValue>,
}

fn parse_row(row: &RawValue) -> Option<Row<'_>> {
    let cells: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
    Some(Row { symbol: serde_json::from_str(cells.first()?.get()).ok()?, cells })
}

impl Row<'_> {
    fn price(&self, position: usize) -> Result<DecimalText, SourceError> {
        let cell = self.cells.get(position).ok_or_else(|| SourceError::invalid_response("a row is too short"))?;
        serde_json::from_str(cell.get()).map_err(SourceError::invalid_response)
    }
}

fn parse_error(response: &HttpResponse, code: Option<i64>, message: &str) -> SourceError {
    let normalized = message.to_ascii_lowercase().replace(['_', ' '], "");
    match code {
        Some(10_020) => SourceError::UnknownPair,
        _ if response.status == 429 || code == Some(11_010) || normalized.contains("ratelimit") => {
            SourceError::RateLimited { retry_after: response.retry_after }
        }
        Some(code) => SourceError::refused(&format!("{code}: {message}")),
        None => SourceError::refused(message),
    }
}

#[cfg(test)]
mod tests;
