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

use super::{
    Answer, Ask, BuiltIn, Source, SourceError, Tickers, as_built_in,
    budget::Limits,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "gemini",
    kind: CourseKind::Trade,
    url_variable: "GEMINI_URL",
    default_url: "https://api.gemini.com",
    period: Duration::from_secs(2),
    limits: Limits { calls: 4, window: Duration::from_secs(5), pause: Duration::from_secs(60) },
    build: |web| Box::new(Gemini { web, directions: directions(PAIRS) }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (direction("BTC", "USD"), "BTCUSD"),
    (direction("BTC", "EUR"), "BTCEUR"),
    (direction("BTC", "GBP"), "BTCGBP"),
    (direction("BTC", "USDT"), "BTCUSDT"),
    (direction("ETH", "USD"), "ETHUSD"),
    (direction("ETH", "EUR"), "ETHEUR"),
    (direction("ETH", "GBP"), "ETHGBP"),
    (direction("ETH", "USDT"), "ETHUSDT"),
    (direction("USDT", "USD"), "USDTUSD"),
];

struct Gemini {
    web: Web,
    directions: Vec<CurrencyPair>,
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
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        Ok(self.web.get("/v1/pricefeed", ask.deadline, |page| read(page, &pairs, ask.now)).await?.into())
    }
}

fn read(page: &Page, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { reason, message }) = page.not_limited()?.json() {
        return Err(match reason.as_str() {
            "RateLimit" | "RateLimitExceeded" => SourceError::RateLimited { retry_after: page.retry_after },
            reason => SourceError::refused(&format!("{reason}: {message}")),
        });
    }
    let rows: Vec<&RawValue> = page.success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.pair);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |pair: &str| {
        let row = named.iter().find(|(name, _)| name == pair).ok_or(SourceError::UnknownPair)?.1;
        let Row { price } = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        Ticker::traded(Some(&price), None, None, now)
    };
    Ok(pairs.iter().map(|&(direction, pair)| (direction, quote(pair))).collect())
}

#[cfg(test)]
mod tests;
