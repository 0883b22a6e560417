//! Bitstamp, as <https://www.bitstamp.net/api/#tag/Tickers> has it: text throughout, seconds in text, and two names for
//! each pair.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use super::{ListedPair, find, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    formats::{Price, WireValue},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "bitstamp";

const PAIRS: &[ListedPair] = &[
    pair("btcusd", "BTC", "USD", 0),
    pair("btceur", "BTC", "EUR", 0),
    pair("btcgbp", "BTC", "GBP", 0),
    pair("btcusdt", "BTC", "USDT", 0),
    pair("ethusd", "ETH", "USD", 1),
    pair("etheur", "ETH", "EUR", 1),
    pair("ethgbp", "ETH", "GBP", 1),
    pair("ethusdt", "ETH", "USDT", 1),
    pair("usdtusd", "USDT", "USD", 5),
    pair("usdteur", "USDT", "EUR", 5),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| {
        let body = r#"{"status":"error","reason":"Request rate limit exceeded.","response_code":"400.002","response_explanation":"Request rate limit exceeded."}"#;
        Reply::raw(StatusCode::TOO_MANY_REQUESTS, body)
    },
    error_500: || Reply::raw(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"Internal server error"}"#),
    error_in_200: || Reply::raw(StatusCode::OK, r#"{"status":"error","reason":"Service unavailable","code":"API0004"}"#),
    odd_error: || Reply::raw(StatusCode::OK, r#"{"status":"error","reason":{"__all__":["Something went wrong."]}}"#),
    renamed_keys: &[("\"last\"", "\"last_price\""), ("\"bid\"", "\"best_bid\""), ("\"ask\"", "\"best_ask\"")],
    usage_header: None,
    limit: CallLimit { weight: 10_000, window: 600, penalty: Penalty::Silent(10) },
};

pub(crate) struct Bitstamp(FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<WireValue>,
    open: WireValue,
    high: WireValue,
    low: WireValue,
    last: WireValue,
    volume: &'static str,
    vwap: WireValue,
    bid: WireValue,
    ask: WireValue,
    side: &'static str,
    open_24: WireValue,
    percent_change_24: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
}

impl Bitstamp {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Bitstamp {
    /// The state of a pair such as `btcusd`, as Bitstamp tells it.
    #[oai(path = "/bitstamp/api/v2/ticker/:pair", method = "get", operation_id = "bitstamp_ticker")]
    async fn ticker(&self, pair: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| one(view, &pair.0)).await
    }

    /// The state of all pairs, as Bitstamp tells it.
    #[oai(path = "/bitstamp/api/v2/ticker", method = "get", operation_id = "bitstamp_tickers")]
    async fn tickers(&self) -> SimulatedResponse {
        self.0.respond(1, all).await
    }
}

fn one(view: &ExchangeView<'_>, name: &str) -> Reply {
    let told = find(PAIRS, name).and_then(|pair| Some((pair, view.ticker(pair.direction, pair.tick)?)));
    match told {
        Some((pair, told)) => Reply::ok(&ticker(view, pair, told)),
        None => Reply::raw(StatusCode::NOT_FOUND, r#"{"error":"Not found"}"#),
    }
}

fn all(view: &ExchangeView<'_>) -> Reply {
    let each = |pair: &ListedPair| {
        let told = view.ticker(pair.direction, pair.tick)?;
        let name = format!("{}/{}", pair.direction.base, pair.direction.quote);
        Some(TickerBody { pair: Some(name), ..ticker(view, pair, told) })
    };
    Reply::ok(&PAIRS.iter().filter_map(each).collect::<Vec<_>>())
}

fn ticker(view: &ExchangeView<'_>, pair: &ListedPair, told: Ticker) -> TickerBody {
    let text = |price: Price| price.text(pair.decimals);
    TickerBody {
        timestamp: view.time(told.time, TimeForm::Seconds, true),
        open: text(told.last.percent(99)),
        high: text(told.last.percent(102)),
        low: text(told.last.percent(98)),
        last: text(told.last),
        volume: "1900.10000000",
        vwap: text(told.last),
        bid: text(told.bid),
        ask: text(told.ask),
        side: "0",
        open_24: text(told.last.percent(99)),
        percent_change_24: "1.01",
        pair: None,
    }
}

#[cfg(test)]
mod tests;
