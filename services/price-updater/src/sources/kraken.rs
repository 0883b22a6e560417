//! Kraken: `GET /0/public/Ticker?pair=XBTUSD,XBTEUR`, one request for all pairs, about one a second for each address.
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
    name: "kraken",
    kind: CourseKind::Trade,
    url_variable: "KRAKEN_URL",
    default_url: "https://api.kraken.com",
    period: EXCHANGE_PERIOD,
    limits: RateLimits { max_requests: 6, window: Duration::from_secs(5), default_backoff: Duration::from_secs(15) },
    build: |client| Box::new(Kraken { client, pairs: pairs(PAIRS), batches: Batches::default() }),
};

/// What is traded here, with the names of its two sides: what each is called when it is asked for, and how it may be
/// dressed in the answer.
const PAIRS: &[Pair] = &[
    (pair("BTC", "USD"), (XBT, USD)),
    (pair("BTC", "EUR"), (XBT, EUR)),
    (pair("BTC", "GBP"), (XBT, GBP)),
    (pair("BTC", "CHF"), (XBT, CHF)),
    (pair("BTC", "JPY"), (XBT, JPY)),
    (pair("BTC", "AUD"), (XBT, AUD)),
    (pair("BTC", "CAD"), (XBT, CAD)),
    (pair("BTC", "USDT"), (XBT, USDT)),
    (pair("ETH", "USD"), (ETH, USD)),
    (pair("ETH", "EUR"), (ETH, EUR)),
    (pair("ETH", "GBP"), (ETH, GBP)),
    (pair("ETH", "USDT"), (ETH, USDT)),
    (pair("USDT", "USD"), (USDT, USD)),
    (pair("USDT", "EUR"), (USDT, EUR)),
    (pair("USDT", "GBP"), (USDT, GBP)),
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
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
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
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut batch = self.batches.start(&request, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, (base, quote))| format!("{}{}", base.0, quote.0)).collect();
            let path = format!("/0/public/Ticker?pair={}", names.join(","));
            let told = self.client.get(&path, request.deadline, |response| parse(response, &group, request.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn parse(response: &HttpResponse, group: &[Pair], now: Timestamp) -> Result<Tickers, SourceError> {
    let Reply { error, result } = response.require_success()?.json()?;
    if let Some(error) = error.iter().find(|error| !error.starts_with('W')) {
        return Err(match error.as_str() {
            error if error.contains("asset pair") => SourceError::UnknownPair,
            "EGeneral:Too many requests" | "EAPI:Rate limit exceeded" => SourceError::RateLimited { retry_after: None },
            error => SourceError::refused(error),
        });
    }
    for warning in &error {
        tracing::debug!(source = DEFINITION.name, warning, "a source gave a warning beside its prices");
    }
    let tickers = result.ok_or_else(|| SourceError::invalid_response("it has neither a result nor an error"))?;
    Ok(group.iter().map(|pair| (pair.0, quote(&tickers, pair.1, now))).collect())
}

fn quote(
    tickers: &BTreeMap<String, &RawValue>,
    (base, quote): (Side, Side),
    now: Timestamp,
) -> Result<Ticker, SourceError> {
    let dresses = base.1.iter().flat_map(|base| quote.1.iter().map(move |quote| format!("{base}{quote}")));
    let ticker = dresses.into_iter().find_map(|name| tickers.get(&name));
    let ticker = ticker.ok_or_else(|| SourceError::invalid_response("the pair is not in it"))?;
    let TickerJson { a, b, c } = serde_json::from_str(ticker.get()).map_err(SourceError::invalid_response)?;
    match (c.first(), b.first(), a.first()) {
        (Some(last), bid @ Some(_), ask @ Some(_)) => Ticker::traded(Some(last), bid, ask, now),
        _ => Err(SourceError::invalid_response("a list of prices is empty")),
    }
}

#[cfg(test)]
mod tests;
