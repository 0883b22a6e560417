//! Frankfurter, as <https://frankfurter.dev> and its source have it: version 1, which has the ECB's rates alone, and version
//! 2, which has the rouble too, and rows of different days in one answer.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

use super::ecb;
use crate::{
    Simulation,
    market::calendar::{Calendar, days_before},
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    formats::WireValue,
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{ExchangeView, fixing_decimals},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "frankfurter";
/// What only version 2 has, by other banks than the ECB.
const FURTHER: [&str; 4] = ["RUB", "KZT", "UAH", "RSD"];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| message(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
    error_500: || message(StatusCode::INTERNAL_SERVER_ERROR, "internal server error"),
    error_in_200: || message(StatusCode::OK, "not found"),
    odd_error: || Reply::raw(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":503,"message":"deadline exceeded"}"#),
    renamed_keys: &[("\"rates\"", "\"quotes\""), ("\"rate\"", "\"value\"")],
    usage_header: None,
    limit: CallLimit { weight: 60, window: 60, penalty: Penalty::Announced(60) },
};

pub(crate) struct Frankfurter(FaultInjector);

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

#[derive(Serialize)]
struct Failure {
    status: u16,
    message: &'static str,
}

#[derive(Serialize)]
struct Day {
    amount: WireValue,
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<WireValue>,
    rates: BTreeMap<String, WireValue>,
}

#[derive(Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<WireValue>,
    base: String,
    quote: String,
    rate: WireValue,
}

fn message(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &Message { message })
}

/// An error of version 2.
fn failure(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &Failure { status: status.as_u16(), message }).with("cache-control", &"no-store")
}

impl Frankfurter {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Frankfurter {
    /// The rates of a day, as version 1 tells them.
    #[oai(path = "/frankfurter/v1/:date", method = "get", operation_id = "frankfurter_v1")]
    async fn day(
        &self,
        /// `latest`, or a day such as `2026-01-02`.
        date: Path<String>,
        /// EUR where nothing is said.
        base: Query<Option<String>>,
        /// Another name of `base`.
        from: Query<Option<String>>,
        /// Currencies with commas between; all of them where nothing is said.
        symbols: Query<Option<String>>,
        /// Another name of `symbols`.
        to: Query<Option<String>>,
    ) -> SimulatedResponse {
        let (base, symbols) = (base.0.or(from.0), symbols.0.or(to.0));
        let answer = |view: &ExchangeView<'_>| first(view, &date.0, base.as_deref(), symbols.as_deref());
        self.0.respond(1, answer).await
    }

    /// The newest rates, as version 2 tells them: each with its own day.
    #[oai(path = "/frankfurter/v2/rates", method = "get", operation_id = "frankfurter_v2")]
    async fn rates(
        &self,
        /// EUR where nothing is said.
        base: Query<Option<String>>,
        /// Currencies with commas between; all of them where nothing is said.
        quotes: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| second(view, base.0.as_deref(), quotes.0.as_deref())).await
    }

    /// The newest rate of one currency in another, as version 2 tells it.
    #[oai(path = "/frankfurter/v2/rate/:base/:quote", method = "get", operation_id = "frankfurter_v2_rate")]
    async fn rate(&self, base: Path<String>, quote: Path<String>) -> SimulatedResponse {
        let answer = |view: &ExchangeView<'_>| match row(view, &base.0.to_uppercase(), &quote.0.to_uppercase()) {
            Some(row) => Reply::ok(&row),
            None => failure(StatusCode::NOT_FOUND, "not found"),
        };
        self.0.respond(1, answer).await
    }
}

fn first(view: &ExchangeView<'_>, date: &str, base: Option<&str>, symbols: Option<&str>) -> Reply {
    let newest = view.fixing_day(Calendar::Target);
    let day = match date {
        "latest" => newest,
        date => match date.parse::<NaiveDate>() {
            Ok(day) => Calendar::Target.working_day_on_or_before(day.min(newest)),
            Err(_) => return message(StatusCode::NOT_FOUND, "not found"),
        },
    };
    let base = base.unwrap_or("EUR").to_uppercase();
    let known = |code: &str| code == "EUR" || ecb::CURRENCIES.contains(&code);
    let symbols = symbols.map(|text| text.split(',').map(|code| code.trim().to_uppercase()).collect::<Vec<_>>());
    if !known(&base) || symbols.as_ref().is_some_and(|symbols| !symbols.iter().any(|code| known(code))) {
        return message(StatusCode::NOT_FOUND, "not found");
    }
    if symbols.as_ref().is_some_and(|symbols| *symbols == [base.clone()]) {
        return message(StatusCode::UNPROCESSABLE_ENTITY, "bad currency pair");
    }
    let asked = |code: &&str| **code != base && symbols.as_ref().is_none_or(|symbols| symbols.iter().any(|s| s == code));
    let codes = std::iter::once("EUR").chain(ecb::CURRENCIES).filter(asked);
    let rates = codes.filter_map(|code| Some((code.to_owned(), rate(view, day, &base, code)?))).collect();
    let date = shown_day(view, day);
    let amount = WireValue::Number("1.0".to_owned());
    let answer = Reply::ok(&Day { amount, base, date, rates });
    answer.with("cache-control", &"public, max-age=86400").with("etag", &format!("W/\"{day}\""))
}

fn second(view: &ExchangeView<'_>, base: Option<&str>, quotes: Option<&str>) -> Reply {
    let base = base.unwrap_or("EUR").to_uppercase();
    if !every().any(|code| code == base) {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "invalid base");
    }
    let quotes = quotes.map(|text| text.split(',').map(|code| code.trim().to_uppercase()).collect::<Vec<_>>());
    if quotes.as_ref().is_some_and(|quotes| quotes.iter().any(|quote| !every().any(|code| code == quote))) {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "invalid quotes");
    }
    let asked = |code: &&str| **code != base && quotes.as_ref().is_none_or(|quotes| quotes.iter().any(|q| q == code));
    Reply::ok(&every().filter(asked).filter_map(|code| row(view, &base, code)).collect::<Vec<_>>())
}

fn every() -> impl Iterator<Item = &'static str> {
    std::iter::once("EUR").chain(ecb::CURRENCIES).chain(FURTHER)
}

fn row(view: &ExchangeView<'_>, base: &str, quote: &str) -> Option<Row> {
    if base == quote || !every().any(|code| code == base) {
        return None;
    }
    let quote = every().find(|code| *code == quote)?;
    // Other banks than the ECB are read a day later.
    let day = if FURTHER.contains(&quote) || FURTHER.contains(&base) {
        Calendar::Moscow.working_day_on_or_before(days_before(view.fixing_day(Calendar::Moscow), 1))
    } else {
        view.fixing_day(Calendar::Target)
    };
    let rate = rate(view, day, base, quote)?;
    Some(Row { date: shown_day(view, day), base: base.to_owned(), quote: quote.to_owned(), rate })
}

fn shown_day(view: &ExchangeView<'_>, day: NaiveDate) -> Option<WireValue> {
    view.time(day.and_time(chrono::NaiveTime::MIN).and_utc().into(), TimeForm::Date, false)
}

fn rate(view: &ExchangeView<'_>, day: NaiveDate, base: &str, quote: &str) -> Option<WireValue> {
    let direction = CurrencyPair::new(base.parse::<Asset>().ok()?, quote.parse().ok()?);
    let decimals = fixing_decimals(view.market.fixing(direction, day)?);
    let price = view.fixing(day, direction, super::tick(decimals))?;
    Some(price.number(decimals))
}

#[cfg(test)]
mod tests;
