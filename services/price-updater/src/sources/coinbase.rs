//! Coinbase Exchange: `GET /products/BTC-USD/ticker` returns one pair.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker>. Numbers are strings.
//! `price` is the price of the last trade; `bid` and `ask` are the best prices of the order book. Only the path of the
//! request names the pair. `time` is the time of the last trade and is ignored, because it is old for a pair that
//! trades rarely. 10 requests a second are permitted for each IP address, with bursts of 15.
//!
//! The body of an error is `{"message":"…"}`. Status 404 means that the pair is unknown.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use futures_util::future::join_all;
use serde::Deserialize;

use super::ticker::{Ticker, TradedPrices};
use super::{
    PollReply, PollRequest, SourceDefinition, SourceError,
    definition::SourceAdapter,
    delisted_pairs::DelistedPairs,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs_of,
    rate_limiter::RateLimits,
    requested_rows,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "coinbase",
    kind: CourseKind::Trade,
    url_variable: "COINBASE_URL",
    default_url: "https://api.exchange.coinbase.com",
    poll_interval: Duration::from_secs(2),
    rate_limits: RateLimits {
        max_requests: 14,
        window: Duration::from_secs(2),
        default_backoff: Duration::from_secs(10),
    },
    pairs: || pairs_of(PAIRS),
    adapter: || Box::<Coinbase>::default(),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USD"), "BTC-USD"),
    (pair("BTC", "EUR"), "BTC-EUR"),
    (pair("BTC", "GBP"), "BTC-GBP"),
    (pair("BTC", "USDT"), "BTC-USDT"),
    (pair("ETH", "USD"), "ETH-USD"),
    (pair("ETH", "EUR"), "ETH-EUR"),
    (pair("ETH", "GBP"), "ETH-GBP"),
    (pair("ETH", "USDT"), "ETH-USDT"),
    (pair("USDT", "USD"), "USDT-USD"),
    (pair("USDT", "EUR"), "USDT-EUR"),
    (pair("USDT", "GBP"), "USDT-GBP"),
];

#[derive(Default)]
struct Coinbase {
    delisted: DelistedPairs,
}

/// A ticker, or an error message.
#[derive(Deserialize)]
struct ResponseBody {
    price: Option<DecimalText>,
    bid: Option<DecimalText>,
    ask: Option<DecimalText>,
    message: Option<String>,
}

#[async_trait]
impl SourceAdapter for Coinbase {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut reply = PollReply::default();
        let pairs = self.delisted.exclude(requested_rows(&request, PAIRS), &mut reply);
        let fetches = pairs.into_iter().map(async |(pair, name)| {
            let path = format!("/products/{name}/ticker");
            (pair, client.get(&path, request.deadline, |response| parse(response, request.now)).await)
        });
        for (pair, result) in join_all(fetches).await {
            reply.simulated |= result.as_ref().is_ok_and(|fetched| fetched.simulated);
            self.delisted.record_result(pair, &result);
            reply.insert(pair, result.map(|fetched| fetched.value));
        }
        Ok(reply)
    }
}

fn parse(response: &HttpResponse, now: Timestamp) -> Result<Ticker, SourceError> {
    if response.status == 404 {
        return Err(SourceError::UnknownPair);
    }
    let body: ResponseBody = response.require_success()?.json()?;
    if let Some(message) = body.message {
        return Err(SourceError::refused(&message));
    }
    let last = body.price.ok_or_else(|| SourceError::invalid_response("it has no price"))?;
    Ticker::traded(&TradedPrices { last: Some(&last), bid: body.bid.as_ref(), ask: body.ask.as_ref() }, now)
}

#[cfg(test)]
mod tests;
