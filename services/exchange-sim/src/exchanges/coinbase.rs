//! Coinbase Exchange, as documented at <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker>.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use crate::{
    exchange_view::ExchangeView,
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, TimeFormat},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "coinbase";

pub(crate) const PAIRS: &[ListedPair] = &[
    listed("BTC-EUR", "BTC", "EUR", 2),
    listed("BTC-GBP", "BTC", "GBP", 2),
    listed("BTC-USD", "BTC", "USD", 2),
    listed("BTC-USDT", "BTC", "USDT", 2),
    listed("ETH-EUR", "ETH", "EUR", 2),
    listed("ETH-GBP", "ETH", "GBP", 2),
    listed("ETH-USD", "ETH", "USD", 2),
    listed("ETH-USDT", "ETH", "USDT", 2),
    listed("USDT-EUR", "USDT", "EUR", 4),
    listed("USDT-GBP", "USDT", "GBP", 4),
    listed("USDT-USD", "USDT", "USD", 5),
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| message_reply(StatusCode::TOO_MANY_REQUESTS, "Public rate limit exceeded"),
    error_500: || message_reply(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    error_in_200: || message_reply(StatusCode::OK, "Service is temporarily unavailable"),
    unusual_error: || {
        let body = r#"{"errors":[{"id":"internal_server_error","message":"Something went wrong"}]}"#;
        Reply::raw_json(StatusCode::SERVICE_UNAVAILABLE, body)
    },
    renamed_keys: &[("\"price\"", "\"last_price\""), ("\"bid\"", "\"best_bid\""), ("\"ask\"", "\"best_ask\"")],
    usage_header: None,
};
/// The real limit is ten calls a second with bursts of up to fifteen. Here each second permits fifteen.
pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 15, window_secs: 1, penalty: Penalty::BanWithoutRetryAfter { seconds: 1 } };

pub(crate) struct Coinbase(pub(super) FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    ask: JsonValue,
    bid: JsonValue,
    volume: &'static str,
    trade_id: i64,
    price: JsonValue,
    size: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<JsonValue>,
    rfq_volume: &'static str,
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn message_reply(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &Message { message })
}

#[OpenApi]
impl Coinbase {
    /// The last trade of a pair such as `BTC-USD`, in Coinbase Exchange's format.
    #[oai(path = "/coinbase/products/:pair/ticker", method = "get", operation_id = "coinbase_ticker")]
    async fn ticker(
        &self,
        /// Base and quote separated by a hyphen, such as `BTC-USD`.
        pair: Path<String>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| ticker_reply(view, &pair.0)).await
    }
}

fn ticker_reply(view: &ExchangeView<'_>, name: &str) -> Reply {
    let Some((listed, ticker)) = view.find_ticker(PAIRS, name) else {
        return message_reply(StatusCode::NOT_FOUND, "NotFound");
    };
    Reply::ok(&TickerBody {
        ask: ticker.ask.text(listed.decimals),
        bid: ticker.bid.text(listed.decimals),
        volume: "4321.00000000",
        // The id grows with time, as at the real exchange, so a client can detect that trading has stopped.
        trade_id: ticker.time.micros() / 1_000_000,
        price: ticker.last.text(listed.decimals),
        size: "0.01000000",
        time: view.format_time(ticker.time, TimeFormat::Iso, JsonType::Text),
        rfq_volume: "7.660000",
    })
}
