//! Binance: `GET /api/v3/ticker/bookTicker?symbols=["BTCUSDT",…]&symbolStatus=TRADING` returns all pairs in one
//! request.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>. The response has
//! the best bid and the best ask as strings. It has no last trade and no time. Binance has pairs in USDT and none in
//! dollars. A request for several symbols has a weight of 4; a weight of 6000 a minute is permitted for each IP
//! address.
//!
//! Without `symbolStatus=TRADING` Binance returns the last prices of pairs that it no longer trades, even after years.
//! With `symbolStatus=TRADING` such pairs are missing from the response. As a second safeguard, a row whose best bid or
//! best ask is zero is rejected. If a pair never existed, the whole request fails with status 400 and code -1121.
//!
//! An error is `{"code":-1003,"msg":"…"}`. Too many requests are answered with 429 and `Retry-After`. A client that
//! continues receives 418 and is banned for two minutes to three days. The message contains the end of the ban in
//! milliseconds since 1970. The firewall answers 403, which can also mean too many requests.

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
    batching::Batching,
    definition::SourceAdapter,
    http_client::{HttpResponse, SourceHttpClient},
    named_rows::NamedRows,
    pair, pairs_of,
    rate_limiter::RateLimits,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "binance",
    kind: CourseKind::Trade,
    url_variable: "BINANCE_URL",
    default_url: "https://data-api.binance.vision",
    poll_interval: EXCHANGE_POLL_INTERVAL,
    // 10 requests of weight 4 in 5 s are a weight of at most 480 a minute.
    rate_limits: RateLimits {
        max_requests: 10,
        window: Duration::from_secs(5),
        default_backoff: Duration::from_secs(120),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::<Binance>::default(),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USDT"), "BTCUSDT"),
    (pair("ETH", "USDT"), "ETHUSDT"),
    (pair("BTC", "EUR"), "BTCEUR"),
    (pair("ETH", "EUR"), "ETHEUR"),
    (pair("BTC", "GBP"), "BTCGBP"),
    (pair("ETH", "GBP"), "ETHGBP"),
];

#[derive(Default)]
struct Binance {
    batching: Batching,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    bid_price: DecimalText,
    ask_price: DecimalText,
}

#[derive(Deserialize)]
struct RowName {
    symbol: String,
}

#[async_trait]
impl SourceAdapter for Binance {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut poll = self.batching.start(&request, PAIRS);
        while let Some(group) = poll.next_group() {
            let symbols: Vec<_> = group.iter().map(|(_, symbol)| format!("%22{symbol}%22")).collect();
            let symbols = symbols.join(",");
            let path = format!("/api/v3/ticker/bookTicker?symbols=%5B{symbols}%5D&symbolStatus=TRADING");
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
    if let Ok(error) = response.json() {
        return Err(parse_error(response, &error, now));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let rows = NamedRows::new(rows, |RowName { symbol }| symbol);
    let ticker = |symbol: &str| {
        let Row { bid_price, ask_price } = rows.parse(symbol)?;
        Ticker::traded(&TradedPrices { last: None, bid: Some(&bid_price), ask: Some(&ask_price) }, now)
    };
    Ok(group.iter().map(|&(pair, symbol)| (pair, ticker(symbol))).collect())
}

fn parse_error(response: &HttpResponse, ErrorBody { code, msg }: &ErrorBody, now: Timestamp) -> SourceError {
    match code {
        -1121 | -1220 => SourceError::UnknownPair,
        _ if matches!(response.status, 418 | 429) || *code == -1003 => {
            SourceError::RateLimited { retry_after: response.retry_after.max(ban_left(msg, now)) }
        }
        _ => SourceError::refused(&format!("{code}: {msg}")),
    }
}

/// The remaining time of a ban, from a message such as `… IP(1.2.3.4) banned until 1700000000123. …`.
fn ban_left(message: &str, now: Timestamp) -> Option<Duration> {
    let (_, until) = message.split_once("banned until ")?;
    let milliseconds = until.split(|c: char| !c.is_ascii_digit()).next()?;
    let micros = milliseconds.parse::<i64>().ok()?.checked_mul(1000)?;
    let remaining = Timestamp::from_micros(micros).ok()?.since(now);
    (!remaining.is_zero()).then_some(remaining)
}

#[cfg(test)]
mod tests;
