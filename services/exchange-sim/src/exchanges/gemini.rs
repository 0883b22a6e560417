//! Gemini, as <https://docs.gemini.com/rest/market-data> has it: text, and the time hidden among the volumes.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use super::{ListedPair, find, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    formats::WireValue,
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "gemini";

const PAIRS: &[ListedPair] = &[
    pair("btcusd", "BTC", "USD", 2),
    pair("btceur", "BTC", "EUR", 2),
    pair("btcgbp", "BTC", "GBP", 2),
    pair("btcsgd", "BTC", "SGD", 2),
    pair("btcusdt", "BTC", "USDT", 2),
    pair("ethusd", "ETH", "USD", 2),
    pair("etheur", "ETH", "EUR", 2),
    pair("ethgbp", "ETH", "GBP", 2),
    pair("ethsgd", "ETH", "SGD", 2),
    pair("ethusdt", "ETH", "USDT", 2),
    pair("usdtusd", "USDT", "USD", 5),
    pair("usdtgbp", "USDT", "GBP", 5),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| {
        let text = "Requests were made too frequently. See the rate limits.";
        error(StatusCode::TOO_MANY_REQUESTS, "RateLimit", text)
    },
    error_500: || error(StatusCode::INTERNAL_SERVER_ERROR, "System", "We are experiencing technical issues"),
    error_in_200: || error(StatusCode::OK, "Maintenance", "The system is down for maintenance"),
    odd_error: || Reply::raw(StatusCode::SERVICE_UNAVAILABLE, r#"{"result":"error","reason":null,"message":["down"]}"#),
    renamed_keys: &[("\"last\"", "\"close\""), ("\"price\"", "\"last\""), ("\"bid\"", "\"bids\""), ("\"ask\"", "\"asks\"")],
    usage_header: None,
    limit: CallLimit { weight: 120, window: 60, penalty: Penalty::Silent(1) },
};

pub(crate) struct Gemini(FaultInjector);

#[derive(Serialize)]
struct Failure {
    result: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(Serialize)]
struct TickerBody {
    bid: WireValue,
    ask: WireValue,
    last: WireValue,
    /// By currency, and the time beside them.
    volume: BTreeMap<String, WireValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    pair: String,
    price: WireValue,
    percent_change24h: &'static str,
}

fn error(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Reply {
    Reply::json(status, &Failure { result: "error", reason, message: message.into() })
}

impl Gemini {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Gemini {
    /// The state of a pair such as `btcusd`, as Gemini tells it.
    #[oai(path = "/gemini/v1/pubticker/:symbol", method = "get", operation_id = "gemini_ticker")]
    async fn ticker(&self, symbol: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| one(view, &symbol.0)).await
    }

    /// The last price of all pairs, as Gemini tells it.
    #[oai(path = "/gemini/v1/pricefeed", method = "get", operation_id = "gemini_feed")]
    async fn feed(&self) -> SimulatedResponse {
        self.0.respond(1, feed).await
    }
}

fn one(view: &ExchangeView<'_>, name: &str) -> Reply {
    let told = find(PAIRS, name).and_then(|pair| Some((pair, view.ticker(pair.direction, pair.tick)?)));
    match told {
        Some((pair, told)) => Reply::ok(&ticker(view, pair, told)),
        None => error(
            StatusCode::BAD_REQUEST,
            "InvalidSymbol",
            format!("Supplied value '{name}' is not a valid value for 'symbol'"),
        ),
    }
}

fn ticker(view: &ExchangeView<'_>, pair: &ListedPair, told: Ticker) -> TickerBody {
    let text = |text: &str| WireValue::Text(text.to_owned());
    let amounts = [(pair.direction.base.to_string(), text("3.50")), (pair.direction.quote.to_string(), text("214322.50"))];
    let time = view.time(told.time, TimeForm::Millis, false).map(|time| ("timestamp".to_owned(), time));
    TickerBody {
        bid: told.bid.text(pair.decimals),
        ask: told.ask.text(pair.decimals),
        last: told.last.text(pair.decimals),
        volume: amounts.into_iter().chain(time).collect(),
    }
}

fn feed(view: &ExchangeView<'_>) -> Reply {
    let each = |pair: &ListedPair| {
        let told = view.ticker(pair.direction, pair.tick)?;
        let price = told.last.text(pair.decimals);
        Some(Feed { pair: pair.name.to_uppercase(), price, percent_change24h: "0.0123" })
    };
    Reply::ok(&PAIRS.iter().filter_map(each).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
