//! Coinbase Exchange, as <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker> has it.

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
    market::exchange_view::ExchangeView,
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "coinbase";

pub(crate) const PAIRS: &[ListedPair] = &[
    pair("BTC-EUR", "BTC", "EUR", 2),
    pair("BTC-GBP", "BTC", "GBP", 2),
    pair("BTC-USD", "BTC", "USD", 2),
    pair("BTC-USDT", "BTC", "USDT", 2),
    pair("ETH-EUR", "ETH", "EUR", 2),
    pair("ETH-GBP", "ETH", "GBP", 2),
    pair("ETH-USD", "ETH", "USD", 2),
    pair("ETH-USDT", "ETH", "USDT", 2),
    pair("USDT-EUR", "USDT", "EUR", 4),
    pair("USDT-GBP", "USDT", "GBP", 4),
    pair("USDT-USD", "USDT", "USD", 5),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| message(StatusCode::TOO_MANY_REQUESTS, "Public rate limit exceeded"),
    error_500: || message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    error_in_200: || message(StatusCode::OK, "Service is temporarily unavailable"),
    odd_error: || {
        let body = r#"{"errors":[{"id":"internal_server_error","message":"Something went wrong"}]}"#;
        Reply::raw(StatusCode::SERVICE_UNAVAILABLE, body)
    },
    renamed_keys: &[("\"price\"", "\"last_price\""), ("\"bid\"", "\"best_bid\""), ("\"ask\"", "\"best_ask\"")],
    usage_header: None,
    // Ten a second, and bursts of up to fifteen.
    limit: CallLimit { weight: 15, window: 1, penalty: Penalty::Silent(1) },
};

pub(crate) struct Coinbase(FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    ask: WireValue,
    bid: WireValue,
    volume: &'static str,
    trade_id: i64,
    price: WireValue,
    size: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<WireValue>,
    rfq_volume: &'static str,
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn message(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &Message { message })
}

impl Coinbase {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Coinbase {
    /// The last trade of a pair such as `BTC-USD`, as Coinbase Exchange tells it.
    #[oai(path = "/coinbase/products/:pair/ticker", method = "get", operation_id = "coinbase_ticker")]
    async fn ticker(
        &self,
        /// A coin and a currency with a hyphen between, such as `BTC-USD`.
        pair: Path<String>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| ticker(view, &pair.0)).await
    }
}

fn ticker(view: &ExchangeView<'_>, name: &str) -> Reply {
    let told = find(PAIRS, name).and_then(|pair| Some((pair, view.ticker(pair.direction, pair.tick)?)));
    let Some((pair, told)) = told else { return message(StatusCode::NOT_FOUND, "NotFound") };
    Reply::ok(&TickerBody {
        ask: told.ask.text(pair.decimals),
        bid: told.bid.text(pair.decimals),
        volume: "4321.00000000",
        // Grows with time, as the real ones do: a client may tell by it that nothing is traded any more.
        trade_id: told.time.micros() / 1_000_000,
        price: told.last.text(pair.decimals),
        size: "0.01000000",
        time: view.time(told.time, TimeForm::Iso, true),
        rfq_volume: "7.660000",
    })
}
