//! Gemini, as <https://docs.gemini.com/rest/market-data> has it: text, and the time hidden among the volumes.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use super::{Pair, find, pair};
use crate::{
    Simulation,
    calls::{Limit, Penalty},
    faults::TimeForm,
    prices::Shown,
    stage::{Shapes, Stage},
    view::{Told, View},
    wire::{Reply, Wire},
};

pub(super) const NAME: &str = "gemini";

const PAIRS: &[Pair] = &[
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

const SHAPES: Shapes = Shapes {
    refused: |_| {
        let text = "Requests were made too frequently. See the rate limits.";
        error(StatusCode::TOO_MANY_REQUESTS, "RateLimit", text)
    },
    error_500: || error(StatusCode::INTERNAL_SERVER_ERROR, "System", "We are experiencing technical issues"),
    error_in_200: || error(StatusCode::OK, "Maintenance", "The system is down for maintenance"),
    odd_error: || Reply::raw(StatusCode::SERVICE_UNAVAILABLE, r#"{"result":"error","reason":null,"message":["down"]}"#),
    renames: &[("\"last\"", "\"close\""), ("\"price\"", "\"last\""), ("\"bid\"", "\"bids\""), ("\"ask\"", "\"asks\"")],
    used_header: None,
    limit: Limit { weight: 120, window: 60, penalty: Penalty::Silent(1) },
};

pub(crate) struct Gemini(Stage);

#[derive(Serialize)]
struct Failure {
    result: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Ticker {
    bid: Shown,
    ask: Shown,
    last: Shown,
    /// By currency, and the time beside them.
    volume: BTreeMap<String, Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    pair: String,
    price: Shown,
    percent_change24h: &'static str,
}

fn error(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Reply {
    Reply::json(status, &Failure { result: "error", reason, message: message.into() })
}

impl Gemini {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(Stage::new(NAME, SHAPES, simulation))
    }
}

#[OpenApi]
impl Gemini {
    /// The state of a pair such as `btcusd`, as Gemini tells it.
    #[oai(path = "/gemini/v1/pubticker/:symbol", method = "get", operation_id = "gemini_ticker")]
    async fn ticker(&self, symbol: Path<String>) -> Wire {
        self.0.play(1, |view| one(view, &symbol.0)).await
    }

    /// The last price of all pairs, as Gemini tells it.
    #[oai(path = "/gemini/v1/pricefeed", method = "get", operation_id = "gemini_feed")]
    async fn feed(&self) -> Wire {
        self.0.play(1, feed).await
    }
}

fn one(view: &View<'_>, name: &str) -> Reply {
    let told = find(PAIRS, name).and_then(|pair| Some((pair, view.quote(pair.direction, pair.tick)?)));
    match told {
        Some((pair, told)) => Reply::ok(&ticker(view, pair, told)),
        None => error(
            StatusCode::BAD_REQUEST,
            "InvalidSymbol",
            format!("Supplied value '{name}' is not a valid value for 'symbol'"),
        ),
    }
}

fn ticker(view: &View<'_>, pair: &Pair, told: Told) -> Ticker {
    let text = |text: &str| Shown::Text(text.to_owned());
    let amounts = [(pair.direction.base.to_string(), text("3.50")), (pair.direction.quote.to_string(), text("214322.50"))];
    let time = view.time(told.time, TimeForm::Millis, false).map(|time| ("timestamp".to_owned(), time));
    Ticker {
        bid: told.bid.text(pair.decimals),
        ask: told.ask.text(pair.decimals),
        last: told.last.text(pair.decimals),
        volume: amounts.into_iter().chain(time).collect(),
    }
}

fn feed(view: &View<'_>) -> Reply {
    let each = |pair: &Pair| {
        let told = view.quote(pair.direction, pair.tick)?;
        let price = told.last.text(pair.decimals);
        Some(Feed { pair: pair.name.to_uppercase(), price, percent_change24h: "0.0123" })
    };
    Reply::ok(&PAIRS.iter().filter_map(each).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
