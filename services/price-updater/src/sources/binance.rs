//! Binance: `GET /api/v3/ticker/bookTicker?symbols=["BTCUSDT",…]&symbolStatus=TRADING`, one request for all pairs.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>. A list costs a weight
//! of 4, of 6000 a minute for each address. It tells the best bid and ask as strings, and no last trade and no time.
//!
//! A pair that is no longer traded goes on answering with its last price for years: with `symbolStatus=TRADING` it is left
//! out of the answer instead, and a book with a zero side is refused. A pair that never was fails the request for all with
//! status 400 and code -1121.
//!
//! Errors are `{"code":-1003,"msg":"…"}`. Too many requests are 429 with `Retry-After`, and who goes on gets 418 and is
//! banned from two minutes up to three days; the text then says until when, in milliseconds since 1970. 403 is the guard
//! in front of it, which also means too many. Prices are in USDT, not in dollars.

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
    batches::Batches,
    budget::RateLimits,
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "binance",
    kind: CourseKind::Trade,
    url_variable: "BINANCE_URL",
    default_url: "https://data-api.binance.vision",
    period: EXCHANGE_PERIOD,
    // A weight of 480 a minute at most, of 6000.
    limits: RateLimits { max_requests: 10, window: Duration::from_secs(5), default_backoff: Duration::from_secs(120) },
    build: |client| Box::new(Binance { client, pairs: pairs(PAIRS), batches: Batches::default() }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USDT"), "BTCUSDT"),
    (pair("ETH", "USDT"), "ETHUSDT"),
    (pair("BTC", "EUR"), "BTCEUR"),
    (pair("ETH", "EUR"), "ETHEUR"),
    (pair("BTC", "GBP"), "BTCGBP"),
    (pair("ETH", "GBP"), "ETHGBP"),
];

struct Binance {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    batches: Batches,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Book {
    bid_price: DecimalText,
    ask_price: DecimalText,
}

#[derive(Deserialize)]
struct Named {
    symbol: String,
}

#[async_trait]
impl Source for Binance {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut batch = self.batches.start(&request, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, name)| format!("%22{name}%22")).collect();
            let names = names.join(",");
            let path = format!("/api/v3/ticker/bookTicker?symbols=%5B{names}%5D&symbolStatus=TRADING");
            let told = self.client.get(&path, request.deadline, |response| parse(response, &group, request.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn parse(response: &HttpResponse, group: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { code, msg }) = response.json() {
        return Err(failure(response, code, &msg, now));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.symbol);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |symbol: &str| {
        // Left out: it is not traded now.
        let row = named.iter().find(|(name, _)| name == symbol).ok_or(SourceError::UnknownPair)?.1;
        let Book { bid_price, ask_price } = serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        Ticker::traded(None, Some(&bid_price), Some(&ask_price), now)
    };
    Ok(group.iter().map(|&(pair, symbol)| (pair, quote(symbol))).collect())
}

fn failure(response: &HttpResponse, code: i64, text: &str, now: Timestamp) -> SourceError {
    match code {
        -1121 | -1220 => SourceError::UnknownPair,
        _ if matches!(response.status, 418 | 429) || code == -1003 => {
            SourceError::RateLimited { retry_after: response.retry_after.max(banned_for(text, now)) }
        }
        _ => SourceError::refused(&format!("{code}: {text}")),
    }
}

/// `… IP(1.2.3.4) banned until 1700000000123. …`
fn banned_for(text: &str, now: Timestamp) -> Option<Duration> {
    let (_, until) = text.split_once("banned until ")?;
    let digits = until.split(|c: char| !c.is_ascii_digit()).next()?;
    let until = digits.parse::<i64>().ok()?.checked_mul(1000)?;
    let left = Timestamp::from_micros(until).ok()?.since(now);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests;
