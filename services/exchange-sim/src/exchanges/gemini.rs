//! Gemini, version 1, as documented at <https://docs.gemini.com/rest/market-data>. Prices are JSON strings. The time of a ticker is
//! in the object with its volumes.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, TimeFormat},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "gemini";

const PAIRS: &[ListedPair] = &[
    listed("btcusd", "BTC", "USD", 2),
    listed("btceur", "BTC", "EUR", 2),
    listed("btcgbp", "BTC", "GBP", 2),
    listed("btcsgd", "BTC", "SGD", 2),
    listed("btcusdt", "BTC", "USDT", 2),
    listed("ethusd", "ETH", "USD", 2),
    listed("etheur", "ETH", "EUR", 2),
    listed("ethgbp", "ETH", "GBP", 2),
    listed("ethsgd", "ETH", "SGD", 2),
    listed("ethusdt", "ETH", "USDT", 2),
    listed("usdtusd", "USDT", "USD", 5),
    listed("usdtgbp", "USDT", "GBP", 5),
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| {
        let text = "Requests were made too frequently. See the rate limits.";
        error_reply(StatusCode::TOO_MANY_REQUESTS, "RateLimit", text)
    },
    error_500: || error_reply(StatusCode::INTERNAL_SERVER_ERROR, "System", "We are experiencing technical issues"),
    error_in_200: || error_reply(StatusCode::OK, "Maintenance", "The system is down for maintenance"),
    unusual_error: || {
        let body = r#"{"result":"error","reason":null,"message":["down"]}"#;
        Reply::raw_json(StatusCode::SERVICE_UNAVAILABLE, body)
    },
    renamed_keys: &[
        ("\"last\"", "\"close\""),
        ("\"price\"", "\"last\""),
        ("\"bid\"", "\"bids\""),
        ("\"ask\"", "\"asks\""),
    ],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 120, window_secs: 60, penalty: Penalty::BanWithoutRetryAfter { seconds: 1 } };

pub(crate) struct Gemini(pub(super) FaultInjector);

#[derive(Serialize)]
struct Failure {
    result: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(Serialize)]
struct TickerBody {
    bid: JsonValue,
    ask: JsonValue,
    last: JsonValue,
    /// Volumes by asset, and the time under `timestamp`.
    volume: BTreeMap<String, JsonValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedRow {
    pair: String,
    price: JsonValue,
    percent_change24h: &'static str,
}

fn error_reply(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Reply {
    Reply::json(status, &Failure { result: "error", reason, message: message.into() })
}

#[OpenApi]
impl Gemini {
    /// The ticker of a pair such as `btcusd`, in Gemini's format.
    #[oai(path = "/gemini/v1/pubticker/:symbol", method = "get", operation_id = "gemini_ticker")]
    async fn ticker(&self, symbol: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| single_ticker(view, &symbol.0)).await
    }

    /// The last prices of all pairs, in Gemini's format.
    #[oai(path = "/gemini/v1/pricefeed", method = "get", operation_id = "gemini_feed")]
    async fn feed(&self) -> SimulatedResponse {
        self.0.respond(1, price_feed).await
    }
}

fn single_ticker(view: &ExchangeView<'_>, name: &str) -> Reply {
    match view.find_ticker(PAIRS, name) {
        Some((listed, ticker)) => Reply::ok(&ticker_body(view, listed, ticker)),
        None => error_reply(
            StatusCode::BAD_REQUEST,
            "InvalidSymbol",
            format!("Supplied value '{name}' is not a valid value for 'symbol'"),
        ),
    }
}

fn ticker_body(view: &ExchangeView<'_>, listed: &ListedPair, ticker: Ticker) -> TickerBody {
    let volumes = [
        (listed.pair.base.to_string(), JsonValue::text("3.50")),
        (listed.pair.quote.to_string(), JsonValue::text("214322.50")),
    ];
    let time =
        view.format_time(ticker.time, TimeFormat::Millis, JsonType::Number).map(|time| ("timestamp".to_owned(), time));
    TickerBody {
        bid: ticker.bid.text(listed.decimals),
        ask: ticker.ask.text(listed.decimals),
        last: ticker.last.text(listed.decimals),
        volume: volumes.into_iter().chain(time).collect(),
    }
}

fn price_feed(view: &ExchangeView<'_>) -> Reply {
    let row = |listed: &ListedPair| {
        let ticker = view.listed_ticker(listed)?;
        let price = ticker.last.text(listed.decimals);
        Some(FeedRow { pair: listed.symbol.to_uppercase(), price, percent_change24h: "0.0123" })
    };
    Reply::ok(&PAIRS.iter().filter_map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
