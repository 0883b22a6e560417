//! `CoinGecko`: `GET /api/v3/simple/price?ids=…&vs_currencies=…`, one request for everything.
//!
//! Format: <https://docs.coingecko.com/reference/simple-price>. An index over many exchanges, as JSON numbers with as many
//! digits as there are; what is not known is left out. It is computed anew once a minute, and without a key somewhere
//! between 5 and 15 requests a minute are permitted, failed ones included, so it is asked not much more often.
//!
//! `last_updated_at` (seconds since 1970) is asked for: a price is as old as that says, and never younger than the ask. An
//! index that says itself that it stands still is refused.
//!
//! Errors are a status with `{"status":{"error_code":429,"error_message":"…"}}` or `{"error":"…"}`, and HTML with 403 from
//! the network in front of it. Attribution is asked for where the prices are shown: docs/price-sources.md.

use std::{collections::BTreeMap, time::Duration};

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

/// Three rounds of the record: a price lasts a minute, so it is asked anew a round before that, and is not missing until the
/// answer is there. Two minutes have three asks.
const PERIOD: Duration = Duration::from_secs(45);

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "coingecko",
    kind: CourseKind::Index,
    url_variable: "COINGECKO_URL",
    default_url: "https://api.coingecko.com",
    period: PERIOD,
    limits: Limits { calls: 3, window: Duration::from_secs(120), pause: Duration::from_secs(120) },
    build: |web| Box::new(CoinGecko { web, directions: directions(PAIRS) }),
};

/// An index older than this by its own word is one that stands still.
const MAX_AGE: Duration = Duration::from_secs(600);

const PAIRS: &[(CurrencyPair, Names)] = &[
    (direction("BTC", "USD"), ("bitcoin", "usd")),
    (direction("BTC", "EUR"), ("bitcoin", "eur")),
    (direction("BTC", "GBP"), ("bitcoin", "gbp")),
    (direction("BTC", "CHF"), ("bitcoin", "chf")),
    (direction("BTC", "JPY"), ("bitcoin", "jpy")),
    (direction("BTC", "AUD"), ("bitcoin", "aud")),
    (direction("BTC", "CAD"), ("bitcoin", "cad")),
    (direction("BTC", "RUB"), ("bitcoin", "rub")),
    (direction("ETH", "USD"), ("ethereum", "usd")),
    (direction("ETH", "EUR"), ("ethereum", "eur")),
    (direction("ETH", "GBP"), ("ethereum", "gbp")),
    (direction("ETH", "RUB"), ("ethereum", "rub")),
    (direction("USDT", "USD"), ("tether", "usd")),
    (direction("USDT", "EUR"), ("tether", "eur")),
    (direction("USDT", "GBP"), ("tether", "gbp")),
    (direction("USDT", "RUB"), ("tether", "rub")),
];

/// A coin's and a currency's name here.
type Names = (&'static str, &'static str);

struct CoinGecko {
    web: Web,
    directions: Vec<CurrencyPair>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FailureStatus {
    error_code: i64,
    #[serde(default)]
    error_message: String,
}

#[async_trait]
impl Source for CoinGecko {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        let distinct = |name: fn(&Names) -> &'static str| {
            let mut names: Vec<_> = pairs.iter().map(|(_, names)| name(names)).collect();
            names.sort_unstable();
            names.dedup();
            names.join(",")
        };
        let (coins, currencies) = (distinct(|names| names.0), distinct(|names| names.1));
        let query = format!("ids={coins}&vs_currencies={currencies}&include_last_updated_at=true&precision=full");
        let path = format!("/api/v3/simple/price?{query}");
        Ok(self.web.get(&path, ask.deadline, |page| read(page, &pairs, ask.now)).await?.into())
    }
}

fn read(page: &Page, pairs: &[(CurrencyPair, Names)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { status, error }) = page.not_limited()?.json() {
        if let Some(status) = status.and_then(|status| serde_json::from_str::<FailureStatus>(status.get()).ok()) {
            let FailureStatus { error_code, error_message } = status;
            return Err(match error_code {
                429 => SourceError::RateLimited { retry_after: page.retry_after },
                code => SourceError::refused(&format!("{code}: {error_message}")),
            });
        }
        if let Some(error) = error {
            return Err(SourceError::refused(error.get().trim_matches('"')));
        }
    }
    let coins: BTreeMap<String, &RawValue> = page.success()?.json()?;
    let quote = |(coin, currency): Names| {
        let row = coins.get(coin).ok_or(SourceError::UnknownPair)?;
        let row: BTreeMap<String, &RawValue> = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        let value = row.get(currency).ok_or(SourceError::UnknownPair)?;
        let value: DecimalText = serde_json::from_str(value.get()).map_err(SourceError::garbled)?;
        // A clock ahead of ours, there or by the unit it tells, makes nothing younger.
        let observed_at =
            row.get("last_updated_at").and_then(|time| read_time(time.get())).map_or(now, |at| at.min(now));
        if now.since(observed_at) > MAX_AGE {
            return Err(SourceError::Stale(observed_at));
        }
        Ticker::index(&value, observed_at)
    };
    Ok(pairs.iter().map(|&(direction, names)| (direction, quote(names))).collect())
}

fn read_time(seconds: &str) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests;
