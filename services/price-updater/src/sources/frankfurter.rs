//! Frankfurter: `GET /v2/rates?base=USD&quotes=EUR,RUB,…` returns the official rates of many central banks.
//!
//! Format: <https://frankfurter.dev/>. `[{"date":"2026-01-02","base":"USD","quote":"RUB","rate":90.1234},…]`. Rates are
//! JSON numbers. Each row has its own date, which can be up to two weeks old. An unavailable currency is missing from
//! the response. A request with an invalid currency code fails with status 422.
//!
//! The body of an error is `{"status":422,"message":"…"}`. The service documents no request limit. It is open source
//! and can be self-hosted.

use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, DecimalText},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ticker::parse_rounded;
use super::{
    SourceDefinition, SourceError,
    daily_rates::{self, DailyRate, DailyRates, DailyRatesAdapter, parse_day},
    http_client::HttpResponse,
    pair,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "frankfurter",
    kind: CourseKind::Fixing,
    url_variable: "FRANKFURTER_URL",
    default_url: "https://api.frankfurter.dev",
    poll_interval: daily_rates::POLL_INTERVAL,
    rate_limits: daily_rates::RATE_LIMITS,
    pairs: || CURRENCIES.iter().map(|currency| pair("USD", currency)).collect(),
    adapter: || {
        let path = format!("/v2/rates?base=USD&quotes={}", CURRENCIES.join(","));
        Box::new(DailyRatesAdapter::new("frankfurter", path, parse))
    },
};

const CURRENCIES: [&str; 30] = [
    "EUR", "GBP", "RUB", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "HKD", "SGD", "INR", "KRW", "IDR", "MYR", "PHP",
    "THB", "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "RON", "TRY", "ILS", "ZAR", "BRL", "MXN",
];

#[derive(Deserialize)]
struct Row {
    date: String,
    base: String,
    quote: Asset,
    rate: DecimalText,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

fn parse(response: &HttpResponse) -> Result<DailyRates, SourceError> {
    if let Ok(ErrorBody { message }) = response.reject_rate_limited()?.json() {
        return Err(SourceError::refused(&message));
    }
    let rows: Vec<&RawValue> = response.require_success()?.json()?;
    let mut rates = DailyRates::new();
    for row in rows {
        // The currency of an invalid row is unknown, so the row is skipped.
        let Ok(Row { date, base, quote, rate }) = serde_json::from_str(row.get()) else { continue };
        if base != "USD" || quote == Asset::USD {
            continue;
        }
        let rate = parse_rounded("reference", &rate)
            .and_then(|rate| Ok(DailyRate { rate, day: parse_day(&date, "%Y-%m-%d")? }));
        rates.entry(CurrencyPair::new(Asset::USD, quote)).or_insert(rate);
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests;
