//! Frankfurter: `GET /v2/rates?base=USD&tickers=EUR,RUB,…`, the official rates of many central banks.
//!
//! Format: <https://frankfurter.dev/>. `[{"date":"2026-01-02","base":"USD","quote":"RUB","rate":90.1234},…]`: JSON numbers,
//! each row with a day of its own, which may lie back up to two weeks. What is not known is left out, or fails the request
//! with 422 where a code is none. No limit is documented; it is asked once an hour. Errors are a status with
//! `{"status":422,"message":"…"}`. Open source, and can be hosted oneself.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, DecimalText},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ticker::rounded;
use super::{
    PollReply, PollRequest, Source, SourceDefinition, SourceError,
    budget::RateLimits,
    daily::{self, Daily, Rates},
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "frankfurter",
    kind: CourseKind::Fixing,
    url_variable: "FRANKFURTER_URL",
    default_url: "https://api.frankfurter.dev",
    period: daily::PERIOD,
    limits: RateLimits { max_requests: 12, window: Duration::from_hours(1), default_backoff: Duration::from_hours(1) },
    build: |client| {
        let pairs = CURRENCIES.iter().map(|currency| pair("USD", currency)).collect();
        Box::new(Frankfurter { client, pairs, daily: Daily::default() })
    },
};

const CURRENCIES: [&str; 30] = [
    "EUR", "GBP", "RUB", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "HKD", "SGD", "INR", "KRW", "IDR", "MYR", "PHP",
    "THB", "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "RON", "TRY", "ILS", "ZAR", "BRL", "MXN",
];

struct Frankfurter {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    daily: Daily,
}

#[derive(Deserialize)]
struct Row {
    date: String,
    base: String,
    quote: Asset,
    rate: DecimalText,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

#[async_trait]
impl Source for Frankfurter {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        if self.daily.is_due() {
            let path = format!("/v2/rates?base=USD&tickers={}", CURRENCIES.join(","));
            let told = self.client.get(&path, request.deadline, parse).await;
            self.daily.took(DEFINITION.name, told, request.now);
        }
        self.daily.answer(&request, &self.pairs)
    }
}

fn parse(response: &HttpResponse) -> Result<Rates, SourceError> {
    if let Ok(Failure { message }) = response.reject_rate_limited()?.json() {
        return Err(SourceError::refused(&message));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let mut rates = Rates::new();
    for row in rows {
        // One that cannot be read at all does not say whose it is.
        let Ok(Row { date, base, quote, rate }) = serde_json::from_str(row.get()) else { continue };
        if base != "USD" || quote == Asset::USD {
            continue;
        }
        let rate = rounded("reference", &rate).and_then(|rate| Ok((rate, daily::day(&date, "%Y-%m-%d")?)));
        rates.entry(CurrencyPair::new(Asset::USD, quote)).or_insert(rate);
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests;
