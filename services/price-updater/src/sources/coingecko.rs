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
    name: "coingecko",
    kind: CourseKind::Index,
    url_variable: "COINGECKO_URL",
    default_url: "https://api.coingecko.com",
    period: PERIOD,
    limits: RateLimits { max_requests: 3, window: Duration::from_secs(120), default_backoff: Duration::from_secs(120) },
    build: |client| Box::new(CoinGecko { client, pairs: pairs(PAIRS) }),
};

/// An index older than this by its own word is one that stands still.
const MAX_AGE: Duration = Duration::from_secs(600);

const PAIRS: &[(CurrencyPair, Names)] = &[
    (pair("BTC", "USD"), ("bitcoin", "usd")),
    (pair("BTC", "EUR"), ("bitcoin", "eur")),
    (pair("BTC", "GBP"), ("bitcoin", "gbp")),
    (pair("BTC", "CHF"), ("bitcoin", "chf")),
    (pair("BTC", "JPY"), ("bitcoin", "jpy")),
    (pair("BTC", "AUD"), ("bitcoin", "aud")),
    (pair("BTC", "CAD"), ("bitcoin", "cad")),
    (pair("BTC", "RUB"), ("bitcoin", "rub")),
    (pair("ETH", "USD"), ("ethereum", "usd")),
    (pair("ETH", "EUR"), ("ethereum", "eur")),
    (pair("ETH", "GBP"), ("ethereum", "gbp")),
    (pair("ETH", "RUB"), ("ethereum", "rub")),
    (pair("USDT", "USD"), ("tether", "usd")),
    (pair("USDT", "EUR"), ("tether", "eur")),
    (pair("USDT", "GBP"), ("tether", "gbp")),
    (pair("USDT", "RUB"), ("tether", "rub")),
];

/// A coin's and a currency's name here.
type Names = (&'static str, &'static str);

struct CoinGecko {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
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
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested(&request, PAIRS);
        let distinct = |name: fn(&Names) -> &'static str| {
            let mut names: Vec<_> = pairs.iter().map(|(_, names)| name(names)).collect();
            names.sort_unstable();
            names.dedup();
            names.join(",")
        };
        let (coins, currencies) = (distinct(|names| names.0), distinct(|names| names.1));
        let query = format!("ids={coins}&vs_currencies={currencies}&include_last_updated_at=true&precision=full");
        let path = format!("/api/v3/simple/price?{query}");
        Ok(self.client.get(&path, request.deadline, |response| parse(response, &pairs, request.now)).await?.into())
    }
}

fn parse(response: &HttpResponse, pairs: &[(CurrencyPair, Names)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { status, error }) = response.reject_rate_limited()?.json() {
        if let Some(status) = status.and_then(|status| serde_json::from_str::<FailureStatus>(status.get()).ok()) {
            let FailureStatus { error_code, error_message } = status;
            return Err(match error_code {
                429 => SourceError::RateLimited { retry_after: response.retry_after },
                code => SourceError::refused(&format!("{code}: {error_message}")),
            });
        }
        if let Some(error) = error {
            return Err(SourceError::refused(error.get().trim_matches('"')));
        }
    }
    let coins: BTreeMap<String, &RawValue> = response.require_success()?.json()?;
    let quote = |(coin, currency): Names| {
        let row = coins.get(coin).ok_or(SourceError::UnknownPair)?;
        let row: BTreeMap<String, &RawValue> =
            serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        let value = row.get(currency).ok_or(SourceError::UnknownPair)?;
        let value: DecimalText = serde_json::from_str(value.get()).map_err(SourceError::invalid_response)?;
        // A clock ahead of ours, there or by the unit it tells, makes nothing younger.
        let observed_at =
            row.get("last_updated_at").and_then(|time| parse_unix_seconds(time.get())).map_or(now, |at| at.min(now));
        if now.since(observed_at) > MAX_AGE {
            return Err(SourceError::Stale(observed_at));
        }
        Ticker::index(&value, observed_at)
    };
    Ok(pairs.iter().map(|&(pair, names)| (pair, quote(names))).collect())
}

fn parse_unix_seconds(seconds: &str) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests;
