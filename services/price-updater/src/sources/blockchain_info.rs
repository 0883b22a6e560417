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
    name: "blockchain_info",
    kind: CourseKind::Index,
    url_variable: "BLOCKCHAIN_INFO_URL",
    default_url: "https://blockchain.info",
    period: PERIOD,
    limits: Limits { calls: 3, window: Duration::from_secs(120), pause: Duration::from_secs(300) },
    build: |web| Box::new(BlockchainInfo { web, directions: directions(PAIRS) }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (direction("BTC", "USD"), "USD"),
    (direction("BTC", "EUR"), "EUR"),
    (direction("BTC", "GBP"), "GBP"),
    (direction("BTC", "CHF"), "CHF"),
    (direction("BTC", "JPY"), "JPY"),
    (direction("BTC", "AUD"), "AUD"),
    (direction("BTC", "CAD"), "CAD"),
    (direction("BTC", "RUB"), "RUB"),
];

struct BlockchainInfo {
    web: Web,
    directions: Vec<CurrencyPair>,
}

#[derive(Deserialize)]
struct Row {
    last: DecimalText,
    symbol: Option<String>,
}

#[async_trait]
impl Source for BlockchainInfo {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        Ok(self.web.get("/ticker", ask.deadline, |page| read(page, &pairs, ask.now)).await?.into())
    }
}

fn read(page: &Page, pairs: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    let rows: BTreeMap<String, &RawValue> = page.success()?.json()?;
    if let Some(error) = rows.get("error").or(rows.get("message")) {
        return Err(SourceError::refused(error.get().trim_matches('"')));
    }
    let quote = |currency: &str| {
        let row = rows.get(currency).ok_or(SourceError::UnknownPair)?;
        let Row { last, symbol } = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        // It has been a sign such as `$` as well.
        let is_code = |symbol: &String| symbol.len() == 3 && symbol.bytes().all(|byte| byte.is_ascii_uppercase());
        if symbol.filter(is_code).is_some_and(|symbol| symbol != currency) {
            return Err(SourceError::garbled("a row is of another currency"));
        }
        Ticker::index(&last, now)
    };
    Ok(pairs.iter().map(|&(direction, currency)| (direction, quote(currency))).collect())
}

#[cfg(test)]
mod tests;
