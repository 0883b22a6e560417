//! Coinbase Exchange: `GET /products/BTC-USD/ticker`, one request a pair, 10 requests a second for each address.
//!
//! Format: <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker>. Numbers are strings;
//! `price` is the last trade and `time` is when it was; an error is a status with `{"message":"…"}`.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    money::{Currency, DecimalText, Rate},
    time::Timestamp,
};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Answer, Build, BuiltIn, Source, SourceError, plausible,
    web::{Page, Web},
};

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "coinbase",
    url_variable: "COINBASE_URL",
    default_url: "https://api.exchange.coinbase.com",
    build: Build::Coinbase,
};

/// Bitcoin is traded here every few seconds: a last trade older than this is a feed that stands still.
const MAX_TRADE_AGE: Duration = Duration::from_mins(10);

pub(super) struct Coinbase(pub(super) Web);

/// The ticker, or the message that stands in its place.
#[derive(Deserialize)]
struct Ticker {
    price: Option<DecimalText>,
    bid: Option<DecimalText>,
    ask: Option<DecimalText>,
    time: Option<Timestamp>,
    message: Option<String>,
}

#[async_trait]
impl Source for Coinbase {
    fn name(&self) -> &'static str {
        BUILT_IN.name
    }

    async fn ask(&self, currencies: &[Currency], deadline: Instant) -> Result<Answer, SourceError> {
        let now = Timestamp::now();
        let pages = currencies
            .iter()
            .map(async |&currency| (currency, self.0.get(&format!("/products/BTC-{currency}/ticker"), deadline).await));
        let mut answer = Answer::default();
        for (currency, page) in join_all(pages).await {
            answer.simulated |= page.as_ref().is_ok_and(|page| page.simulated);
            answer.put(currency, page.and_then(|page| read(&page, now)));
        }
        Ok(answer)
    }
}

fn read(page: &Page, now: Timestamp) -> Result<Rate, SourceError> {
    if page.status == 404 {
        return Err(SourceError::UnknownPair);
    }
    let ticker: Ticker = page.success()?.json()?;
    if let Some(message) = ticker.message {
        return Err(SourceError::refused(&message));
    }
    let last = ticker.price.ok_or_else(|| SourceError::garbled("it has no price"))?;
    if let Some(time) = ticker.time.filter(|&time| now.since(time) > MAX_TRADE_AGE) {
        return Err(SourceError::Stale(time));
    }
    plausible(&last, ticker.bid.as_ref(), ticker.ask.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKER: &str = r#"{"trade_id":701234567,"price":"61234.56","size":"0.01000000",
        "time":"2026-01-02T03:04:05.678901Z","bid":"61234.55","ask":"61234.57","volume":"4321.00000000",
        "rfq_volume":"7.66"}"#;

    fn at(status: u16, body: &str) -> Result<String, SourceError> {
        let now = "2026-01-02T03:04:09Z".parse().unwrap();
        read(&Page::of(status, body), now).map(|price| price.to_string())
    }

    #[test]
    fn the_last_trade_is_read_exactly() {
        assert_eq!(at(200, TICKER).unwrap(), "61234.56");
        assert_eq!(at(200, r#"{"price":61234.56}"#).unwrap(), "61234.56");
    }

    #[test]
    fn errors_are_told_apart() {
        assert_eq!(at(404, r#"{"message":"NotFound"}"#), Err(SourceError::UnknownPair));
        assert_eq!(at(200, r#"{"message":"maintenance"}"#), Err(SourceError::refused("maintenance")));
        assert_eq!(at(520, "<html>"), Err(SourceError::Status(520)));
        assert!(matches!(at(429, "{}"), Err(SourceError::RateLimited { .. })));
        for garbled in ["", "<html>", "{}", &TICKER[..40], "[]", r#"{"price":null}"#] {
            assert!(matches!(at(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
        assert!(matches!(at(200, &TICKER.replace("61234.57", "61234.54")), Err(SourceError::Implausible(_))));
    }

    #[test]
    fn a_feed_that_stands_still_is_noticed() {
        let frozen = TICKER.replace("03:04:05", "02:54:05");
        assert!(matches!(at(200, &frozen), Err(SourceError::Stale(_))));
    }
}
