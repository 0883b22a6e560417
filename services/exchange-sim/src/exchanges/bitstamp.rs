//! Bitstamp, as documented at <https://www.bitstamp.net/api/#tag/Tickers>. Every value is text, even the time. A pair is
//! `btcusd` in paths and `BTC/USD` in answers.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "bitstamp";

const PAIRS: &[ListedPair] = &[
    listed("btcusd", "BTC", "USD", 0),
    listed("btceur", "BTC", "EUR", 0),
    listed("btcgbp", "BTC", "GBP", 0),
    listed("btcusdt", "BTC", "USDT", 0),
    listed("ethusd", "ETH", "USD", 1),
    listed("etheur", "ETH", "EUR", 1),
    listed("ethgbp", "ETH", "GBP", 1),
    listed("ethusdt", "ETH", "USDT", 1),
    listed("usdtusd", "USDT", "USD", 5),
    listed("usdteur", "USDT", "EUR", 5),
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| {
        let body = concat!(
            r#"{"status":"error","reason":"Request rate limit exceeded.","response_code":"400.002","#,
            r#""response_explanation":"Request rate limit exceeded."}"#
        );
        Reply::raw_json(StatusCode::TOO_MANY_REQUESTS, body)
    },
    error_500: || Reply::raw_json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"Internal server error"}"#),
    error_in_200: || {
        let body = r#"{"status":"error","reason":"Service unavailable","code":"API0004"}"#;
        Reply::raw_json(StatusCode::OK, body)
    },
    unusual_error: || {
        let body = r#"{"status":"error","reason":{"__all__":["Something went wrong."]}}"#;
        Reply::raw_json(StatusCode::OK, body)
    },
    renamed_keys: &[("\"last\"", "\"last_price\""), ("\"bid\"", "\"best_bid\""), ("\"ask\"", "\"best_ask\"")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 10_000, window_secs: 600, penalty: Penalty::BanWithoutRetryAfter { seconds: 10 } };

pub(crate) struct Bitstamp(pub(super) FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<JsonValue>,
    open: JsonValue,
    high: JsonValue,
    low: JsonValue,
    last: JsonValue,
    volume: &'static str,
    vwap: JsonValue,
    bid: JsonValue,
    ask: JsonValue,
    side: &'static str,
    open_24: JsonValue,
    percent_change_24: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
}

#[OpenApi]
impl Bitstamp {
    /// The ticker of a pair such as `btcusd`, in Bitstamp's format.
    #[oai(path = "/bitstamp/api/v2/ticker/:pair", method = "get", operation_id = "bitstamp_ticker")]
    async fn ticker(&self, pair: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| single_ticker(view, &pair.0)).await
    }

    /// The tickers of all pairs, in Bitstamp's format.
    #[oai(path = "/bitstamp/api/v2/ticker", method = "get", operation_id = "bitstamp_tickers")]
    async fn tickers(&self) -> SimulatedResponse {
        self.0.respond(1, all_tickers).await
    }
}

fn single_ticker(view: &ExchangeView<'_>, name: &str) -> Reply {
    match view.find_ticker(PAIRS, name) {
        Some((listed, ticker)) => Reply::ok(&ticker_body(view, listed, ticker)),
        None => Reply::raw_json(StatusCode::NOT_FOUND, r#"{"error":"Not found"}"#),
    }
}

fn all_tickers(view: &ExchangeView<'_>) -> Reply {
    let body = |listed: &ListedPair| {
        let ticker = view.listed_ticker(listed)?;
        let name = format!("{}/{}", listed.pair.base, listed.pair.quote);
        Some(TickerBody { pair: Some(name), ..ticker_body(view, listed, ticker) })
    };
    Reply::ok(&PAIRS.iter().filter_map(body).collect::<Vec<_>>())
}

fn ticker_body(view: &ExchangeView<'_>, listed: &ListedPair, ticker: Ticker) -> TickerBody {
    let text = |price: Price| price.text(listed.decimals);
    TickerBody {
        timestamp: view.format_time(ticker.time, TimeFormat::Seconds, JsonType::Text),
        open: text(ticker.last.percent(99)),
        high: text(ticker.last.percent(102)),
        low: text(ticker.last.percent(98)),
        last: text(ticker.last),
        volume: "1900.10000000",
        vwap: text(ticker.last),
        bid: text(ticker.bid),
        ask: text(ticker.ask),
        side: "0",
        open_24: text(ticker.last.percent(99)),
        percent_change_24: "1.01",
        pair: None,
    }
}

#[cfg(test)]
mod tests;
