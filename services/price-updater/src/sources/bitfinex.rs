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

use super::{
    Answer, Ask, BuiltIn, Source, SourceError, Tickers, as_built_in,
    batches::Batches,
    budget::Limits,
    direction, directions,
    web::{Page, Web},
};
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "bitfinex",
    kind: CourseKind::Trade,
    url_variable: "BITFINEX_URL",
    default_url: "https://api-pub.bitfinex.com",
    period: Duration::from_secs(2),
    limits: Limits { calls: 30, window: Duration::from_secs(60), pause: Duration::from_secs(60) },
    build: |web| Box::new(Bitfinex { web, directions: directions(PAIRS), batches: Batches::default() }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (direction("BTC", "USD"), "tBTCUSD"),
    (direction("BTC", "EUR"), "tBTCEUR"),
    (direction("BTC", "GBP"), "tBTCGBP"),
    (direction("BTC", "JPY"), "tBTCJPY"),
    (direction("BTC", "USDT"), "tBTCUST"),
    (direction("ETH", "USD"), "tETHUSD"),
    (direction("ETH", "EUR"), "tETHEUR"),
    (direction("ETH", "GBP"), "tETHGBP"),
    (direction("ETH", "USDT"), "tETHUST"),
    (direction("USDT", "USD"), "tUSTUSD"),
];

/// Where in a row each of them stands, behind the symbol.
const BID: usize = 1;
const ASK: usize = 3;
const LAST: usize = 7;

struct Bitfinex {
    web: Web,
    directions: Vec<CurrencyPair>,
    batches: Batches,
}

#[derive(Deserialize)]
struct Failure {
    error: Option<String>,
    message: Option<String>,
}

#[async_trait]
impl Source for Bitfinex {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut batch = self.batches.start(&ask, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, name)| *name).collect();
            let path = format!("/v2/tickers?symbols={}", names.join(","));
            let told = self.web.get(&path, ask.deadline, |page| read(page, &group, ask.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn read(page: &Page, group: &[(CurrencyPair, &str)], now: Timestamp) -> Result<Tickers, SourceError> {
    if let Ok(Failure { error, message }) = page.json() {
        let Some(text) = error.or(message) else { return Err(SourceError::garbled("it is no list")) };
        return Err(failure(page, None, &text));
    }
    let Ok(rows) = page.json::<Vec<&RawValue>>() else {
        page.success()?;
        return Err(SourceError::garbled("it is no list"));
    };
    if rows.first().is_some_and(|first| first.get() == r#""error""#) {
        let code = rows.get(1).and_then(|code| code.get().parse().ok());
        let text = rows.get(2).map_or("", |text| text.get()).trim_matches('"');
        return Err(failure(page, code, text));
    }
    page.success()?;
    let rows: Vec<_> = rows.into_iter().filter_map(read_row).collect();
    let quote = |symbol: &str| {
        let cells = &rows.iter().find(|(name, _)| name == symbol).ok_or(SourceError::UnknownPair)?.1;
        let cell = |at: usize| {
            let cell = cells.get(at).ok_or_else(|| SourceError::garbled("a row is too short"))?;
            serde_json::from_str::<DecimalText>(cell.get()).map_err(SourceError::garbled)
        };
        Ticker::traded(Some(&cell(LAST)?), Some(&cell(BID)?), Some(&cell(ASK)?), now)
    };
    Ok(group.iter().map(|&(direction, symbol)| (direction, quote(symbol))).collect())
}

/// The symbol of a row and all of its cells, the symbol among them.
fn read_row(row: &RawValue) -> Option<(String, Vec<&RawValue>)> {
    let cells: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
    Some((serde_json::from_str(cells.first()?.get()).ok()?, cells))
}

fn failure(page: &Page, code: Option<i64>, text: &str) -> SourceError {
    let words = text.to_ascii_lowercase().replace(['_', ' '], "");
    match code {
        Some(10_020) => SourceError::UnknownPair,
        _ if page.status == 429 || code == Some(11_010) || words.contains("ratelimit") => {
            SourceError::RateLimited { retry_after: page.retry_after }
        }
        Some(code) => SourceError::refused(&format!("{code}: {text}")),
        None => SourceError::refused(text),
    }
}

#[cfg(test)]
mod tests;
