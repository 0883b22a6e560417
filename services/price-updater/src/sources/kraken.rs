//! Kraken: `GET /0/public/Ticker?pair=XBTUSD,XBTEUR` returns all pairs in one request.
//!
//! Format: <https://docs.kraken.com/api/docs/rest-api/get-ticker-information>. Numbers are strings. `a`, `b` and `c`
//! are the ask, the bid and the last trade; the price is the first item of each list. The response has no time. A pair
//! that is requested as `XBTUSD` is called `XXBTZUSD` in the response. About one request a second is permitted for each
//! IP address.
//!
//! Errors are in `error`, with status 200. A text that begins with `E` is an error. A text that begins with `W` is a
//! warning in addition to a result. If one pair is unknown, the whole request fails. Under load Cloudflare answers 520
//! with an HTML page.
//!
//! Commercial use of the API needs Kraken's permission: see docs/price-sources.md.

use std::{collections::BTreeMap, time::Duration};

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
    pair, pairs_of,
    rate_limiter::RateLimits,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "kraken",
    kind: CourseKind::Trade,
    url_variable: "KRAKEN_URL",
    default_url: "https://api.kraken.com",
    poll_interval: EXCHANGE_POLL_INTERVAL,
    rate_limits: RateLimits {
        max_requests: 6,
        window: Duration::from_secs(5),
        default_backoff: Duration::from_secs(15),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::<Kraken>::default(),
};

const PAIRS: &[(CurrencyPair, KrakenPair)] = &[
    (pair("BTC", "USD"), KrakenPair { base: XBT, quote: USD }),
    (pair("BTC", "EUR"), KrakenPair { base: XBT, quote: EUR }),
    (pair("BTC", "GBP"), KrakenPair { base: XBT, quote: GBP }),
    (pair("BTC", "CHF"), KrakenPair { base: XBT, quote: CHF }),
    (pair("BTC", "JPY"), KrakenPair { base: XBT, quote: JPY }),
    (pair("BTC", "AUD"), KrakenPair { base: XBT, quote: AUD }),
    (pair("BTC", "CAD"), KrakenPair { base: XBT, quote: CAD }),
    (pair("BTC", "USDT"), KrakenPair { base: XBT, quote: USDT }),
    (pair("ETH", "USD"), KrakenPair { base: ETH, quote: USD }),
    (pair("ETH", "EUR"), KrakenPair { base: ETH, quote: EUR }),
    (pair("ETH", "GBP"), KrakenPair { base: ETH, quote: GBP }),
    (pair("ETH", "USDT"), KrakenPair { base: ETH, quote: USDT }),
    (pair("USDT", "USD"), KrakenPair { base: USDT, quote: USD }),
    (pair("USDT", "EUR"), KrakenPair { base: USDT, quote: EUR }),
    (pair("USDT", "GBP"), KrakenPair { base: USDT, quote: GBP }),
];

/// Kraken's names of the two assets of a pair.
#[derive(Clone, Copy)]
struct KrakenPair {
    base: KrakenAsset,
    quote: KrakenAsset,
}

#[derive(Clone, Copy)]
struct KrakenAsset {
    /// The name in a request.
    name: &'static str,
    /// The possible names in a response.
    aliases: &'static [&'static str],
}

const XBT: KrakenAsset = KrakenAsset { name: "XBT", aliases: &["XXBT", "XBT", "BTC"] };
const ETH: KrakenAsset = KrakenAsset { name: "ETH", aliases: &["XETH", "ETH"] };
const USDT: KrakenAsset = KrakenAsset { name: "USDT", aliases: &["USDT"] };
const USD: KrakenAsset = KrakenAsset { name: "USD", aliases: &["ZUSD", "USD"] };
const EUR: KrakenAsset = KrakenAsset { name: "EUR", aliases: &["ZEUR", "EUR"] };
const GBP: KrakenAsset = KrakenAsset { name: "GBP", aliases: &["ZGBP", "GBP"] };
const CHF: KrakenAsset = KrakenAsset { name: "CHF", aliases: &["CHF", "ZCHF"] };
const JPY: KrakenAsset = KrakenAsset { name: "JPY", aliases: &["ZJPY", "JPY"] };
const AUD: KrakenAsset = KrakenAsset { name: "AUD", aliases: &["ZAUD", "AUD"] };
const CAD: KrakenAsset = KrakenAsset { name: "CAD", aliases: &["ZCAD", "CAD"] };

#[derive(Default)]
struct Kraken {
    batching: Batching,
}

#[derive(Deserialize)]
struct ResponseBody<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow)]
    result: Option<BTreeMap<String, &'a RawValue>>,
}

/// Only the first item of each list is read. The number of further items has changed over time.
#[derive(Deserialize)]
struct TickerJson {
    a: Vec<DecimalText>,
    b: Vec<DecimalText>,
    c: Vec<DecimalText>,
}

#[async_trait]
impl SourceAdapter for Kraken {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut poll = self.batching.start(&request, PAIRS);
        while let Some(group) = poll.next_group() {
            let names: Vec<_> =
                group.iter().map(|(_, pair)| format!("{}{}", pair.base.name, pair.quote.name)).collect();
            let path = format!("/0/public/Ticker?pair={}", names.join(","));
            let result = client.get(&path, request.deadline, |response| parse(response, &group, request.now)).await;
            poll.record_result(group, result);
        }
        poll.finish()
    }
}

fn parse(
    response: &HttpResponse,
    group: &[(CurrencyPair, KrakenPair)],
    now: Timestamp,
) -> Result<TickerResults, SourceError> {
    let ResponseBody { error, result } = response.require_success()?.json()?;
    if let Some(error) = error.iter().find(|error| !error.starts_with('W')) {
        return Err(match error.as_str() {
            error if error.contains("asset pair") => SourceError::UnknownPair,
            "EGeneral:Too many requests" | "EAPI:Rate limit exceeded" => SourceError::RateLimited { retry_after: None },
            error => SourceError::refused(error),
        });
    }
    for warning in &error {
        tracing::debug!(source = DEFINITION.name, warning, "a source sent a warning with its prices");
    }
    let tickers = result.ok_or_else(|| SourceError::invalid_response("it has neither a result nor an error"))?;
    Ok(group.iter().map(|&(pair, names)| (pair, parse_ticker(&tickers, names, now))).collect())
}

fn parse_ticker(
    tickers: &BTreeMap<String, &RawValue>,
    KrakenPair { base, quote }: KrakenPair,
    now: Timestamp,
) -> Result<Ticker, SourceError> {
    let names = base.aliases.iter().flat_map(|base| quote.aliases.iter().map(move |quote| format!("{base}{quote}")));
    let ticker = names.into_iter().find_map(|name| tickers.get(&name));
    let ticker = ticker.ok_or_else(|| SourceError::invalid_response("the pair is missing"))?;
    let TickerJson { a, b, c } = serde_json::from_str(ticker.get()).map_err(SourceError::invalid_response)?;
    match (c.first(), b.first(), a.first()) {
        (last @ Some(_), bid @ Some(_), ask @ Some(_)) => Ticker::traded(&TradedPrices { last, bid, ask }, now),
        _ => Err(SourceError::invalid_response("a list of prices is empty")),
    }
}

#[cfg(test)]
mod tests;
