//! Frankfurter, as documented at <https://frankfurter.dev> and in its source code. Version 1 has only the ECB's rates.
//! Version 2 has further currencies, such as the rouble, and rows of different days in one answer.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

use super::ecb;
use crate::{
    exchange_view::{ExchangeView, fixing_decimals},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, TimeFormat},
    market::{
        calendar::{Calendar, days_before},
        units::tick_size,
    },
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "frankfurter";
/// The currencies of version 2 whose rates come from banks other than the ECB.
const NON_ECB_CURRENCIES: [&str; 4] = ["RUB", "KZT", "UAH", "RSD"];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| v1_error(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
    error_500: || v1_error(StatusCode::INTERNAL_SERVER_ERROR, "internal server error"),
    error_in_200: || v1_error(StatusCode::OK, "not found"),
    unusual_error: || {
        Reply::raw_json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":503,"message":"deadline exceeded"}"#)
    },
    renamed_keys: &[("\"rates\"", "\"quotes\""), ("\"rate\"", "\"value\"")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 60, window_secs: 60, penalty: Penalty::BanWithRetryAfter { seconds: 60 } };

pub(crate) struct Frankfurter(pub(super) FaultInjector);

#[derive(Serialize)]
struct V1Error {
    message: &'static str,
}

#[derive(Serialize)]
struct V2Error {
    status: u16,
    message: &'static str,
}

#[derive(Serialize)]
struct V1Body {
    amount: JsonValue,
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<JsonValue>,
    rates: BTreeMap<String, JsonValue>,
}

#[derive(Serialize)]
struct V2Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<JsonValue>,
    base: String,
    quote: String,
    rate: JsonValue,
}

fn v1_error(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &V1Error { message })
}

fn v2_error(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &V2Error { status: status.as_u16(), message }).with_header("cache-control", &"no-store")
}

#[OpenApi]
impl Frankfurter {
    /// The rates of a day, in the format of version 1.
    #[oai(path = "/frankfurter/v1/:date", method = "get", operation_id = "frankfurter_v1")]
    async fn day(
        &self,
        /// `latest`, or a day such as `2026-01-02`.
        date: Path<String>,
        /// The default is EUR.
        base: Query<Option<String>>,
        /// Alias of `base`.
        from: Query<Option<String>>,
        /// Comma-separated currencies. The default is every currency.
        symbols: Query<Option<String>>,
        /// Alias of `symbols`.
        to: Query<Option<String>>,
    ) -> SimulatedResponse {
        let (base, symbols) = (base.0.or(from.0), symbols.0.or(to.0));
        let answer = |view: &ExchangeView<'_>| {
            v1_rates(view, &date.0, Selection::new(base.as_deref(), symbols.as_deref())).unwrap_or_else(|error| error)
        };
        self.0.respond(1, answer).await
    }

    /// The newest rates, each with its own day, in the format of version 2.
    #[oai(path = "/frankfurter/v2/rates", method = "get", operation_id = "frankfurter_v2")]
    async fn rates(
        &self,
        /// The default is EUR.
        base: Query<Option<String>>,
        /// Comma-separated currencies. The default is every currency.
        quotes: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| v2_rates(view, &Selection::new(base.0.as_deref(), quotes.0.as_deref()))).await
    }

    /// The newest rate of one currency in another, in the format of version 2.
    #[oai(path = "/frankfurter/v2/rate/:base/:quote", method = "get", operation_id = "frankfurter_v2_rate")]
    async fn rate(&self, base: Path<String>, quote: Path<String>) -> SimulatedResponse {
        let answer = |view: &ExchangeView<'_>| match v2_row(view, &base.0.to_uppercase(), &quote.0.to_uppercase()) {
            Some(row) => Reply::ok(&row),
            None => v2_error(StatusCode::NOT_FOUND, "not found"),
        };
        self.0.respond(1, answer).await
    }
}

/// The currencies of a request, in upper case.
struct Selection {
    base: String,
    /// `None` selects every currency.
    quotes: Option<Vec<String>>,
}

impl Selection {
    fn new(base: Option<&str>, quotes: Option<&str>) -> Self {
        let upper_case = |list: &str| list.split(',').map(|code| code.trim().to_uppercase()).collect();
        Self { base: base.unwrap_or("EUR").to_uppercase(), quotes: quotes.map(upper_case) }
    }

    /// Whether the response has a rate of `code`. The base currency itself has no rate.
    fn includes(&self, code: &str) -> bool {
        code != self.base && self.quotes.as_ref().is_none_or(|quotes| quotes.iter().any(|quote| quote == code))
    }
}

fn v1_rates(view: &ExchangeView<'_>, date: &str, selection: Selection) -> Result<Reply, Reply> {
    let not_found = || v1_error(StatusCode::NOT_FOUND, "not found");
    let newest = view.fixing_day(Calendar::Target);
    let day = if date == "latest" {
        newest
    } else {
        let day = date.parse::<NaiveDate>().map_err(|_| not_found())?;
        Calendar::Target.working_day_on_or_before(day.min(newest))
    };
    let is_known = |code: &str| v1_currencies().any(|listed| listed == code);
    if !is_known(&selection.base) {
        return Err(not_found());
    }
    if let Some(quotes) = &selection.quotes {
        if !quotes.iter().any(|code| is_known(code)) {
            return Err(not_found());
        }
        if *quotes == [selection.base.clone()] {
            return Err(v1_error(StatusCode::UNPROCESSABLE_ENTITY, "bad currency pair"));
        }
    }
    let rate = |code: &'static str| Some((code.to_owned(), rate(view, day, &selection.base, code)?));
    let rates = v1_currencies().filter(|code| selection.includes(code)).filter_map(rate).collect();
    let body = V1Body { amount: JsonValue::number("1.0"), date: format_day(view, day), rates, base: selection.base };
    let reply = Reply::ok(&body).with_header("cache-control", &"public, max-age=86400");
    Ok(reply.with_header("etag", &format!("W/\"{day}\"")))
}

fn v2_rates(view: &ExchangeView<'_>, selection: &Selection) -> Reply {
    let is_known = |code: &String| v2_currencies().any(|listed| listed == code);
    if !is_known(&selection.base) {
        return v2_error(StatusCode::UNPROCESSABLE_ENTITY, "invalid base");
    }
    if selection.quotes.as_ref().is_some_and(|quotes| !quotes.iter().all(is_known)) {
        return v2_error(StatusCode::UNPROCESSABLE_ENTITY, "invalid quotes");
    }
    let rows = v2_currencies().filter(|code| selection.includes(code));
    Reply::ok(&rows.filter_map(|code| v2_row(view, &selection.base, code)).collect::<Vec<_>>())
}

fn v1_currencies() -> impl Iterator<Item = &'static str> {
    std::iter::once("EUR").chain(ecb::CURRENCIES)
}

fn v2_currencies() -> impl Iterator<Item = &'static str> {
    v1_currencies().chain(NON_ECB_CURRENCIES)
}

/// The newest rate of a pair. `None` if a currency is unknown, if both currencies are the same, or if a fault unlists the
/// pair.
fn v2_row(view: &ExchangeView<'_>, base: &str, quote: &str) -> Option<V2Row> {
    let is_known = |code: &str| v2_currencies().any(|listed| listed == code);
    if base == quote || !is_known(base) || !is_known(quote) {
        return None;
    }
    // Frankfurter publishes the rates of banks other than the ECB a day later.
    let day = if NON_ECB_CURRENCIES.contains(&quote) || NON_ECB_CURRENCIES.contains(&base) {
        Calendar::Moscow.working_day_on_or_before(days_before(view.fixing_day(Calendar::Moscow), 1))
    } else {
        view.fixing_day(Calendar::Target)
    };
    let rate = rate(view, day, base, quote)?;
    Some(V2Row { date: format_day(view, day), base: base.to_owned(), quote: quote.to_owned(), rate })
}

fn format_day(view: &ExchangeView<'_>, day: NaiveDate) -> Option<JsonValue> {
    view.format_time(day.and_time(NaiveTime::MIN).and_utc().into(), TimeFormat::Date, JsonType::Number)
}

fn rate(view: &ExchangeView<'_>, day: NaiveDate, base: &str, quote: &str) -> Option<JsonValue> {
    let pair = CurrencyPair::new(base.parse::<Asset>().ok()?, quote.parse().ok()?);
    let decimals = fixing_decimals(view.market.fixing(pair, day)?);
    Some(view.fixing(day, pair, tick_size(decimals))?.number(decimals))
}

#[cfg(test)]
mod tests;
