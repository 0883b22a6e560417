//! OKX: `GET /api/v5/market/ticker?instId=BTC-USDT` returns one pair.
//!
//! Format: <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker>. All values are strings. `ts`, a
//! time in milliseconds, is ignored. If a side of the order book is empty, its price is an empty string, and the ticker
//! is rejected. 20 requests in two seconds are permitted for each IP address. One request could return all spot pairs,
//! but that response has several hundred KiB.
//!
//! A successful response has the string `0` in `code`, and every other code is an error, regardless of the HTTP status.
//! Code 50011 means too many requests; the response has no `data`. Code 51001 means that the pair is unknown. In errors
//! of the gateway `code` is a number and `data` is an object.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ticker::{Ticker, TradedPrices};
use super::{
    EXCHANGE_POLL_INTERVAL, PollReply, PollRequest, SourceDefinition, SourceError,
    definition::SourceAdapter,
    delisted_pairs::DelistedPairs,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs_of,
    rate_limiter::RateLimits,
    requested_rows,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "okx",
    kind: CourseKind::Trade,
    url_variable: "OKX_URL",
    default_url: "https://www.okx.com",
    poll_interval: EXCHANGE_POLL_INTERVAL,
    rate_limits: RateLimits {
        max_requests: 16,
        window: Duration::from_secs(2),
        default_backoff: Duration::from_secs(10),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::<Okx>::default(),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USDT"), "BTC-USDT"),
    (pair("BTC", "USD"), "BTC-USD"),
    (pair("BTC", "EUR"), "BTC-EUR"),
    (pair("ETH", "USDT"), "ETH-USDT"),
    (pair("ETH", "USD"), "ETH-USD"),
    (pair("ETH", "EUR"), "ETH-EUR"),
    (pair("USDT", "USD"), "USDT-USD"),
    (pair("USDT", "EUR"), "USDT-EUR"),
];

#[derive(Default)]
struct Okx {
    delisted: DelistedPairs,
}

#[derive(Deserialize)]
struct ResponseBody<'a> {
    #[serde(borrow)]
    code: &'a RawValue,
    #[serde(default)]
    msg: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TickerJson {
    inst_id: String,
    last: DecimalText,
    bid_px: DecimalText,
    ask_px: DecimalText,
}

#[async_trait]
impl SourceAdapter for Okx {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut reply = PollReply::default();
        let pairs = self.delisted.exclude(requested_rows(&request, PAIRS), &mut reply);
        let fetches = pairs.into_iter().map(async |(pair, name)| {
            let path = format!("/api/v5/market/ticker?instId={name}");
            (pair, client.get(&path, request.deadline, |response| parse(response, name, request.now)).await)
        });
        for (pair, result) in join_all(fetches).await {
            reply.simulated |= result.as_ref().is_ok_and(|fetched| fetched.simulated);
            self.delisted.record_result(pair, &result);
            reply.insert(pair, result.map(|fetched| fetched.value));
        }
        Ok(reply)
    }
}

fn parse(response: &HttpResponse, name: &str, now: Timestamp) -> Result<Ticker, SourceError> {
    let ResponseBody { code, msg, data } = match response.reject_rate_limited()?.json() {
        Ok(body) => body,
        Err(error) => return response.require_success().and(Err(error)),
    };
    match code.get().trim_matches('"') {
        "0" => {}
        "50011" => return Err(SourceError::RateLimited { retry_after: response.retry_after }),
        "51001" => return Err(SourceError::UnknownPair),
        code => return Err(SourceError::refused(&format!("{code}: {msg}"))),
    }
    let data = response.require_success().and(data.ok_or_else(|| SourceError::invalid_response("it has no data")))?;
    let rows: Vec<TickerJson> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
    let Some(TickerJson { last, bid_px, ask_px, .. }) = rows.into_iter().find(|row| row.inst_id == name) else {
        return Err(SourceError::invalid_response("the pair is missing"));
    };
    Ticker::traded(&TradedPrices { last: Some(&last), bid: Some(&bid_px), ask: Some(&ask_px) }, now)
}

#[cfg(test)]
mod tests;
