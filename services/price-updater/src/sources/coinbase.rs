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

use super::{
    Answer, Ask, BuiltIn, Source, SourceError, as_built_in,
    budget::Limits,
    delisted::Delisted,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "coinbase",
    kind: CourseKind::Trade,
    url_variable: "COINBASE_URL",
    default_url: "https://api.exchange.coinbase.com",
    period: Duration::from_secs(2),
    limits: Limits { calls: 14, window: Duration::from_secs(2), pause: Duration::from_secs(10) },
    build: |web| Box::new(Coinbase { web, directions: directions(PAIRS), delisted: Delisted::default() }),
};

/// What is traded here, with its name.
const PAIRS: &[(CurrencyPair, &str)] = &[
    (direction("BTC", "USD"), "BTC-USD"),
    (direction("BTC", "EUR"), "BTC-EUR"),
    (direction("BTC", "GBP"), "BTC-GBP"),
    (direction("BTC", "USDT"), "BTC-USDT"),
    (direction("ETH", "USD"), "ETH-USD"),
    (direction("ETH", "EUR"), "ETH-EUR"),
    (direction("ETH", "GBP"), "ETH-GBP"),
    (direction("ETH", "USDT"), "ETH-USDT"),
    (direction("USDT", "USD"), "USDT-USD"),
    (direction("USDT", "EUR"), "USDT-EUR"),
    (direction("USDT", "GBP"), "USDT-GBP"),
];

struct Coinbase {
    web: Web,
    directions: Vec<CurrencyPair>,
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
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut answer = Answer::default();
        let pages =
            self.delisted.without(wanted(&ask, PAIRS), &mut answer).into_iter().map(async |(direction, name)| {
                let path = format!("/products/{name}/ticker");
                (direction, self.web.get(&path, ask.deadline, |page| read(page, ask.now)).await)
            });
        for (direction, told) in join_all(pages).await {
            answer.simulated |= told.as_ref().is_ok_and(|told| told.simulated);
            self.delisted.heed(direction, &told);
            answer.put(direction, told.map(|told| told.told));
        }
        Ok(answer)
    }
}

fn read(page: &Page, now: Timestamp) -> Result<Ticker, SourceError> {
    if page.status == 404 {
        return Err(SourceError::UnknownPair);
    }
    let ticker: TickerJson = page.success()?.json()?;
    if let Some(message) = ticker.message {
        return Err(SourceError::refused(&message));
    }
    let last = ticker.price.ok_or_else(|| SourceError::garbled("it has no price"))?;
    Ticker::traded(Some(&last), ticker.bid.as_ref(), ticker.ask.as_ref(), now)
}

#[cfg(test)]
mod tests;
