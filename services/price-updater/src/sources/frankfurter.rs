//! Frankfurter: `GET /v2/rates?base=USD&quotes=EUR,RUB,…`, the official rates of many central banks.
//!
//! Format: <https://frankfurter.dev/>. `[{"date":"2026-01-02","base":"USD","quote":"RUB","rate":90.1234},…]`: JSON numbers,
//! each row with a day of its own, which may lie back up to two weeks. What is not known is left out, or fails the request
//! with 422 where a code is none. No limit is documented; it is asked once an hour. Errors are a status with
//! `{"status":422,"message":"…"}`. Open source, and can be hosted oneself.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, DecimalText, Direction},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Answer, Ask, BuiltIn, Source, SourceError, as_built_in,
    budget::Limits,
    daily::{self, Daily, Rates},
    direction,
    web::{Page, Web},
};
use crate::quote::rounded;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "frankfurter",
    kind: CourseKind::Fixing,
    url_variable: "FRANKFURTER_URL",
    default_url: "https://api.frankfurter.dev",
    period: daily::PERIOD,
    limits: Limits { calls: 12, window: Duration::from_hours(1), pause: Duration::from_hours(1) },
    build: |web| {
        let directions = CURRENCIES.iter().map(|currency| direction("USD", currency)).collect();
        Box::new(Frankfurter { web, directions, daily: Daily::default() })
    },
};

const CURRENCIES: [&str; 30] = [
    "EUR", "GBP", "RUB", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "HKD", "SGD", "INR", "KRW", "IDR", "MYR", "PHP",
    "THB", "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "RON", "TRY", "ILS", "ZAR", "BRL", "MXN",
];

struct Frankfurter {
    web: Web,
    directions: Vec<Direction>,
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
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        if self.daily.is_due() {
            let path = format!("/v2/rates?base=USD&quotes={}", CURRENCIES.join(","));
            let told = self.web.get(&path, ask.deadline, read).await;
            self.daily.took(BUILT_IN.name, told, ask.now);
        }
        self.daily.answer(&ask, &self.directions)
    }
}

fn read(page: &Page) -> Result<Rates, SourceError> {
    if let Ok(Failure { message }) = page.not_limited()?.json() {
        return Err(SourceError::refused(&message));
    }
    let rows: Vec<&RawValue> = page.success()?.json()?;
    let mut rates = Rates::new();
    for row in rows {
        // One that cannot be read at all does not say whose it is.
        let Ok(Row { date, base, quote, rate }) = serde_json::from_str(row.get()) else { continue };
        if base != "USD" || quote == Asset::USD {
            continue;
        }
        let rate = rounded("reference", &rate).and_then(|rate| Ok((rate, daily::day(&date, "%Y-%m-%d")?)));
        rates.entry(Direction::new(Asset::USD, quote)).or_insert(rate);
    }
    if rates.is_empty() {
        return Err(SourceError::garbled("it has no rates"));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, now, played};

    const RATES: &str = r#"[{"date":"2026-01-02","base":"USD","quote":"EUR","rate":0.92302},
        {"date":"2025-12-20","base":"USD","quote":"RUB","rate":9.01234e1},
        {"date":"2026-01-02","base":"EUR","quote":"GBP","rate":0.86},
        {"date":"today","base":"USD","quote":"CHF","rate":0.8},{"date":"2026-01-02","base":"USD","quote":"JPY","rate":-1},
        {"date":"2026-01-02","base":"USD","quote":"SEK","rate":null},{"quote":"NOK"},
        {"date":"2026-01-02","base":"USD","quote":"KRW","rate":1450}]"#;

    fn read_text(status: u16, body: &str) -> Result<Rates, SourceError> {
        read(&Page::of(status, body))
    }

    #[test]
    fn each_row_has_its_own_day_and_one_that_is_wrong_costs_itself_alone() {
        let rates = read_text(200, RATES).unwrap();
        let rate =
            |currency: &str| rates[&direction("USD", currency)].clone().map(|(rate, day)| format!("{rate} {day}"));
        assert_eq!(rate("EUR").unwrap(), "0.92302 2026-01-02T00:00:00.000000Z");
        assert_eq!(rate("RUB").unwrap(), "90.1234 2025-12-20T00:00:00.000000Z");
        assert!(matches!(rate("CHF"), Err(SourceError::Garbled(_))));
        assert!(matches!(rate("JPY"), Err(SourceError::Implausible(_))));
        assert_eq!(rates.len(), 5);
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |status: u16, body: &str| read_text(status, body).unwrap_err();
        assert_eq!(error(429, r#"{"message":"slow"}"#), SourceError::RateLimited { retry_after: None });
        assert_eq!(
            error(422, r#"{"status":422,"message":"bad currency pair"}"#),
            SourceError::refused("bad currency pair")
        );
        assert_eq!(error(502, "<html>"), SourceError::Status(502));
        for garbled in ["", "[]", "{}", "<html>", &RATES[..100]] {
            assert!(matches!(read_text(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_is_missing_or_days_back_has_no_price() {
        let frankfurter = played(&BUILT_IN, |path| {
            assert!(path.starts_with("/v2/rates?base=USD&quotes=EUR,GBP,RUB,"), "{path}");
            (200, RATES.to_owned())
        });
        let answer = ask_all(&*frankfurter, now()).await.unwrap();
        let told: Vec<_> = answer.quotes.keys().map(ToString::to_string).collect();
        assert_eq!(told, ["USD-EUR", "USD-KRW"]);
        assert!(matches!(answer.faults[&direction("USD", "RUB")], SourceError::Stale(_)));
        assert_eq!(answer.faults[&direction("USD", "NOK")], SourceError::UnknownPair);
    }
}
