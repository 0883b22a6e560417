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

use super::{
    Answer, Ask, BuiltIn, EXCHANGE_PERIOD, Source, SourceError, Tickers, as_built_in,
    budget::Limits,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "bitstamp",
    kind: CourseKind::Trade,
    url_variable: "BITSTAMP_URL",
    default_url: "https://www.bitstamp.net",
    period: EXCHANGE_PERIOD,
    limits: Limits { calls: 5, window: Duration::from_secs(5), pause: Duration::from_secs(600) },
    build: |web| Box::new(Bitstamp { web, directions: directions(PAIRS) }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (direction("BTC", "USD"), "BTC/USD"),
    (direction("BTC", "EUR"), "BTC/EUR"),
    (direction("BTC", "GBP"), "BTC/GBP"),
    (direction("BTC", "USDT"), "BTC/USDT"),
    (direction("ETH", "USD"), "ETH/USD"),
    (direction("ETH", "EUR"), "ETH/EUR"),
    (direction("ETH", "GBP"), "ETH/GBP"),
    (direction("ETH", "USDT"), "ETH/USDT"),
    (direction("USDT", "USD"), "USDT/USD"),
    (direction("USDT", "EUR"), "USDT/EUR"),
];

/// Codes of refusals that mean too many requests.
const LIMITS: [&str; 3] = ["400.002", "400.067", "400.068"];

struct Bitstamp {
    web: Web,
    directions: Vec<CurrencyPair>,
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
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        let told = self.web.get("/api/v2/ticker/", ask.deadline, |page| read(page, &pairs, ask.now)).await?;
        Ok(told.into())
    }
}

fn read(page: &Page, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(failure) = page.json::<Failure<'_>>() {
        return Err(read_failure(page, &failure));
    }
    let rows: Vec<&RawValue> = page.success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.pair);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |pair: &str| {
        let row = named.iter().find(|(name, _)| name == pair).ok_or(SourceError::UnknownPair)?.1;
        let TickerJson { last, bid, ask } = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        Ticker::traded(Some(&last), Some(&bid), Some(&ask), now)
    };
    Ok(pairs.iter().map(|&(direction, pair)| (direction, quote(pair))).collect())
}

fn read_failure(page: &Page, failure: &Failure<'_>) -> SourceError {
    let limited = failure.response_code.as_deref().is_some_and(|code| LIMITS.contains(&code));
    match failure.reason.or(failure.error) {
        _ if limited => SourceError::RateLimited { retry_after: page.retry_after },
        _ if page.success().is_err() => page.success().err().unwrap_or(SourceError::Status(page.status)),
        Some(reason) => SourceError::refused(reason.get().trim_matches('"')),
        None => SourceError::garbled("it is no list"),
    }
}

#[cfg(test)]
mod tests;
