//! Coinbase Exchange: `GET /products/BTC-USD/ticker`, one request a pair, 10 requests a second for each address with
//! bursts of 15.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker>. Numbers are strings;
//! `price` is the last trade, `bid` and `ask` are the book. The answer does not name its pair, which is in the path. Its
//! `time` is that of the last trade, old on a quiet pair, and is not looked at. An error is a status with
//! `{"message":"…"}`; 404 is a pair that is not traded.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use futures_util::future::join_all;
use serde::Deserialize;

use super::ticker::Ticker;
use super::{
    PollReply, PollRequest, Source, SourceDefinition, SourceError,
    budget::RateLimits,
    delegate_to_definition,
    delisted::Delisted,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs, requested,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "coinbase",
    kind: CourseKind::Trade,
    url_variable: "COINBASE_URL",
    default_url: "https://api.exchange.coinbase.com",
    period: Duration::from_secs(2),
    limits: RateLimits { max_requests: 14, window: Duration::from_secs(2), default_backoff: Duration::from_secs(10) },
    build: |client| Box::new(Coinbase { client, pairs: pairs(PAIRS), delisted: Delisted::default() }),
};

/// What is traded here, with its name.
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

struct Coinbase {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    delisted: Delisted,
}

/// The ticker, or the message that stands in its place.
#[derive(Deserialize)]
struct TickerJson {
    price: Option<DecimalText>,
    bid: Option<DecimalText>,
    ask: Option<DecimalText>,
    message: Option<String>,
}

#[async_trait]
impl Source for Coinbase {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut answer = PollReply::default();
        let pages =
            self.delisted.without(requested(&request, PAIRS), &mut answer).into_iter().map(async |(pair, name)| {
                let path = format!("/products/{name}/ticker");
                (pair, self.client.get(&path, request.deadline, |response| parse(response, request.now)).await)
            });
        for (pair, told) in join_all(pages).await {
            answer.simulated |= told.as_ref().is_ok_and(|told| told.simulated);
            self.delisted.heed(pair, &told);
            answer.put(pair, told.map(|fetched| fetched.value));
        }
        Ok(answer)
    }
}

fn parse(response: &HttpResponse, now: Timestamp) -> Result<Ticker, SourceError> {
    if response.status == 404 {
        return Err(SourceError::UnknownPair);
    }
    let ticker: TickerJson = response.require_success()?.json()?;
    if let Some(message) = ticker.message {
        return Err(SourceError::refused(&message));
    }
    let last = ticker.price.ok_or_else(|| SourceError::invalid_response("it has no price"))?;
    Ticker::traded(Some(&last), ticker.bid.as_ref(), ticker.ask.as_ref(), now)
}

#[cfg(test)]
mod tests;
