//! `CoinGecko`: `GET /api/v3/simple/price?ids=…&vs_currencies=…` returns all pairs in one request.
//!
//! Format: <https://docs.coingecko.com/reference/simple-price>. The prices are an index of many exchanges. They are
//! JSON numbers of any precision. An unknown coin or currency is missing from the response. The index is computed once
//! a minute. Without an API key 5 to 15 requests a minute are permitted, failed requests included.
//!
//! `last_updated_at`, in seconds since 1970, is the time of observation of a ticker. A time in the future counts as
//! now. A price with an old time is rejected.
//!
//! The body of an error is `{"status":{"error_code":429,"error_message":"…"}}` or `{"error":"…"}`. The firewall answers
//! 403 with an HTML page. `CoinGecko` requires attribution where its prices are shown: see docs/price-sources.md.

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
    name: "coingecko",
    kind: CourseKind::Index,
    url_variable: "COINGECKO_URL",
    default_url: "https://api.coingecko.com",
    poll_interval: INDEX_POLL_INTERVAL,
    rate_limits: RateLimits {
        max_requests: 3,
        window: Duration::from_secs(120),
        default_backoff: Duration::from_secs(120),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::new(CoinGecko),
};

/// Maximum accepted age of a price. An older price means that the index is no longer updated.
const MAX_AGE: Duration = Duration::from_secs(600);

const PAIRS: &[(CurrencyPair, CoinGeckoPair)] = &[
    (pair("BTC", "USD"), CoinGeckoPair { coin: "bitcoin", currency: "usd" }),
    (pair("BTC", "EUR"), CoinGeckoPair { coin: "bitcoin", currency: "eur" }),
    (pair("BTC", "GBP"), CoinGeckoPair { coin: "bitcoin", currency: "gbp" }),
    (pair("BTC", "CHF"), CoinGeckoPair { coin: "bitcoin", currency: "chf" }),
    (pair("BTC", "JPY"), CoinGeckoPair { coin: "bitcoin", currency: "jpy" }),
    (pair("BTC", "AUD"), CoinGeckoPair { coin: "bitcoin", currency: "aud" }),
    (pair("BTC", "CAD"), CoinGeckoPair { coin: "bitcoin", currency: "cad" }),
    (pair("BTC", "RUB"), CoinGeckoPair { coin: "bitcoin", currency: "rub" }),
    (pair("ETH", "USD"), CoinGeckoPair { coin: "ethereum", currency: "usd" }),
    (pair("ETH", "EUR"), CoinGeckoPair { coin: "ethereum", currency: "eur" }),
    (pair("ETH", "GBP"), CoinGeckoPair { coin: "ethereum", currency: "gbp" }),
    (pair("ETH", "RUB"), CoinGeckoPair { coin: "ethereum", currency: "rub" }),
    (pair("USDT", "USD"), CoinGeckoPair { coin: "tether", currency: "usd" }),
    (pair("USDT", "EUR"), CoinGeckoPair { coin: "tether", currency: "eur" }),
    (pair("USDT", "GBP"), CoinGeckoPair { coin: "tether", currency: "gbp" }),
    (pair("USDT", "RUB"), CoinGeckoPair { coin: "tether", currency: "rub" }),
];

/// `CoinGecko`'s names of the two assets of a pair.
#[derive(Clone, Copy)]
struct CoinGeckoPair {
    coin: &'static str,
    currency: &'static str,
}

struct CoinGecko;

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ErrorStatus {
    error_code: i64,
    #[serde(default)]
    error_message: String,
}

#[async_trait]
impl SourceAdapter for CoinGecko {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs = requested_rows(&request, PAIRS);
        let distinct = |name: fn(&CoinGeckoPair) -> &'static str| {
            let mut names: Vec<_> = pairs.iter().map(|(_, pair)| name(pair)).collect();
            names.sort_unstable();
            names.dedup();
            names.join(",")
        };
        let (coins, currencies) = (distinct(|pair| pair.coin), distinct(|pair| pair.currency));
        let query = format!("ids={coins}&vs_currencies={currencies}&include_last_updated_at=true&precision=full");
        let path = format!("/api/v3/simple/price?{query}");
        Ok(client.get(&path, request.deadline, |response| parse(response, &pairs, request.now)).await?.into())
    }
}

fn parse(
    response: &HttpResponse,
    pairs: &[(CurrencyPair, CoinGeckoPair)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    if let Ok(ErrorBody { status, error }) = response.reject_rate_limited()?.json() {
        if let Some(status) = status.and_then(|status| serde_json::from_str::<ErrorStatus>(status.get()).ok()) {
            let ErrorStatus { error_code, error_message } = status;
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
    let ticker = |CoinGeckoPair { coin, currency }: CoinGeckoPair| {
        let row = coins.get(coin).ok_or(SourceError::UnknownPair)?;
        let row: BTreeMap<String, &RawValue> =
            serde_json::from_str(row.get()).map_err(SourceError::invalid_response)?;
        let value = row.get(currency).ok_or(SourceError::UnknownPair)?;
        let value: DecimalText = serde_json::from_str(value.get()).map_err(SourceError::invalid_response)?;
        let updated_at = row.get("last_updated_at").and_then(|time| parse_unix_seconds(time.get()));
        // A time in the future means that CoinGecko's clock is ahead, or that the unit has changed.
        let observed_at = updated_at.map_or(now, |time| time.min(now));
        if now.since(observed_at) > MAX_AGE {
            return Err(SourceError::Stale(observed_at));
        }
        Ticker::index(&value, observed_at)
    };
    Ok(pairs.iter().map(|&(pair, names)| (pair, ticker(names))).collect())
}

fn parse_unix_seconds(seconds: &str) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests;
