//! Kraken: `GET /0/public/TickerJson?pair=XBTUSD,XBTEUR`, one request for all pairs, about one a second for each address.
//!
//! Format: <https://docs.kraken.com/api/docs/rest-api/get-ticker-information>. Numbers are strings; `a`, `b` and `c` are
//! ask, bid and last trade, each with the price in front; there is no time in it. What is asked for as `XBTUSD` is
//! answered as `XXBTZUSD`. Errors come with status 200 in `error`: those that start with `E` are errors, those with `W`
//! are warnings beside a result. One pair that is not known fails the whole request. Under load Cloudflare answers 520
//! with HTML.
//!
//! Commercial use of the API wants Kraken's permission: docs/price-sources.md.

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
    Answer, Ask, BuiltIn, EXCHANGE_PERIOD, Source, SourceError, Tickers, as_built_in,
    batches::Batches,
    budget::Limits,
    direction, directions,
    web::{Page, Web},
};
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "kraken",
    kind: CourseKind::Trade,
    url_variable: "KRAKEN_URL",
    default_url: "https://api.kraken.com",
    period: EXCHANGE_PERIOD,
    limits: Limits { calls: 6, window: Duration::from_secs(5), pause: Duration::from_secs(15) },
    build: |web| Box::new(Kraken { web, directions: directions(PAIRS), batches: Batches::default() }),
};

/// What is traded here, with the names of its two sides: what each is called when it is asked for, and how it may be
/// dressed in the answer.
const PAIRS: &[Pair] = &[
    (direction("BTC", "USD"), (XBT, USD)),
    (direction("BTC", "EUR"), (XBT, EUR)),
    (direction("BTC", "GBP"), (XBT, GBP)),
    (direction("BTC", "CHF"), (XBT, CHF)),
    (direction("BTC", "JPY"), (XBT, JPY)),
    (direction("BTC", "AUD"), (XBT, AUD)),
    (direction("BTC", "CAD"), (XBT, CAD)),
    (direction("BTC", "USDT"), (XBT, USDT)),
    (direction("ETH", "USD"), (ETH, USD)),
    (direction("ETH", "EUR"), (ETH, EUR)),
    (direction("ETH", "GBP"), (ETH, GBP)),
    (direction("ETH", "USDT"), (ETH, USDT)),
    (direction("USDT", "USD"), (USDT, USD)),
    (direction("USDT", "EUR"), (USDT, EUR)),
    (direction("USDT", "GBP"), (USDT, GBP)),
];

/// One side of a pair: its plain name and the ones that it may have in an answer.
type Side = (&'static str, &'static [&'static str]);
const XBT: Side = ("XBT", &["XXBT", "XBT", "BTC"]);
const ETH: Side = ("ETH", &["XETH", "ETH"]);
const USDT: Side = ("USDT", &["USDT"]);
const USD: Side = ("USD", &["ZUSD", "USD"]);
const EUR: Side = ("EUR", &["ZEUR", "EUR"]);
const GBP: Side = ("GBP", &["ZGBP", "GBP"]);
const CHF: Side = ("CHF", &["CHF", "ZCHF"]);
const JPY: Side = ("JPY", &["ZJPY", "JPY"]);
const AUD: Side = ("AUD", &["ZAUD", "AUD"]);
const CAD: Side = ("CAD", &["ZCAD", "CAD"]);

struct Kraken {
    web: Web,
    directions: Vec<CurrencyPair>,
    batches: Batches,
}

type Pair = (CurrencyPair, (Side, Side));

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow)]
    result: Option<BTreeMap<String, &'a RawValue>>,
}

/// Each list is read by its first item: how many follow has changed over time.
#[derive(Deserialize)]
struct TickerJson {
    a: Vec<DecimalText>,
    b: Vec<DecimalText>,
    c: Vec<DecimalText>,
}

#[async_trait]
impl Source for Kraken {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut batch = self.batches.start(&ask, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, (base, quote))| format!("{}{}", base.0, quote.0)).collect();
            let path = format!("/0/public/TickerJson?pair={}", names.join(","));
            let told = self.web.get(&path, ask.deadline, |page| read(page, &group, ask.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn read(page: &Page, group: &[Pair], now: Timestamp) -> Result<Tickers, SourceError> {
    let Reply { error, result } = page.success()?.json()?;
    if let Some(error) = error.iter().find(|error| !error.starts_with('W')) {
        return Err(match error.as_str() {
            error if error.contains("asset pair") => SourceError::UnknownPair,
            "EGeneral:Too many requests" | "EAPI:Rate limit exceeded" => SourceError::RateLimited { retry_after: None },
            error => SourceError::refused(error),
        });
    }
    for warning in &error {
        tracing::debug!(source = BUILT_IN.name, warning, "a source gave a warning beside its prices");
    }
    let tickers = result.ok_or_else(|| SourceError::garbled("it has neither a result nor an error"))?;
    Ok(group.iter().map(|pair| (pair.0, quote(&tickers, pair.1, now))).collect())
}

fn quote(
    tickers: &BTreeMap<String, &RawValue>,
    (base, quote): (Side, Side),
    now: Timestamp,
) -> Result<Ticker, SourceError> {
    let dresses = base.1.iter().flat_map(|base| quote.1.iter().map(move |quote| format!("{base}{quote}")));
    let ticker = dresses.into_iter().find_map(|name| tickers.get(&name));
    let ticker = ticker.ok_or_else(|| SourceError::garbled("the pair is not in it"))?;
    let TickerJson { a, b, c } = serde_json::from_str(ticker.get()).map_err(SourceError::garbled)?;
    match (c.first(), b.first(), a.first()) {
        (Some(last), bid @ Some(_), ask @ Some(_)) => Ticker::traded(Some(last), bid, ask, now),
        _ => Err(SourceError::garbled("a list of prices is empty")),
    }
}

#[cfg(test)]
mod tests;
