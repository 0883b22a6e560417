//! blockchain.info, as documented at <https://www.blockchain.com/explorer/api/exchange_rates_api>: the price of a bitcoin
//! in many currencies, as JSON numbers without a time.

use std::{collections::BTreeMap, time::Duration};

use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use serde::Serialize;

use crate::{
    exchange_view::ExchangeView,
    fault_injector::{ErrorFormats, FaultInjector},
    formats::JsonValue,
    market::units::{Units, tick_size},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "blockchain_info";
/// The age of the price with the key `15m`.
const DELAY: Duration = Duration::from_mins(15);
const DECIMALS: u32 = 2;
const TICK: Units = tick_size(DECIMALS);

const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW", "NZD", "PLN",
    "RON", "RUB", "SEK", "SGD", "THB", "TRY", "UAH", "USD",
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| {
        let text = "Maximum concurrent requests reached. Try again later.";
        Reply::text(StatusCode::TOO_MANY_REQUESTS, "text/plain", text)
    },
    error_500: || Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "Internal server error"),
    error_in_200: || {
        Reply::raw_json(StatusCode::OK, r#"{"error":"not-available","message":"Ticker is not available"}"#)
    },
    unusual_error: || Reply::raw_json(StatusCode::OK, "[]"),
    renamed_keys: &[("\"last\"", "\"price\"")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 60, window_secs: 60, penalty: Penalty::BanWithoutRetryAfter { seconds: 10 } };

pub(crate) struct BlockchainInfo(pub(super) FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    #[serde(rename = "15m")]
    delayed: JsonValue,
    last: JsonValue,
    buy: JsonValue,
    sell: JsonValue,
    symbol: &'static str,
}

#[OpenApi]
impl BlockchainInfo {
    /// The price of a bitcoin in every currency, in blockchain.info's format.
    #[oai(path = "/blockchain_info/ticker", method = "get", operation_id = "blockchain_info_ticker")]
    async fn ticker(&self) -> SimulatedResponse {
        self.0.respond(1, ticker_reply).await
    }
}

fn ticker_reply(view: &ExchangeView<'_>) -> Reply {
    let row = |symbol: &'static str| {
        let pair = CurrencyPair::new(Asset::BTC, symbol.parse().ok()?);
        let (ticker, delayed) = (view.ticker(pair, TICK)?, view.delayed(DELAY).ticker(pair, TICK)?);
        let [last, buy, sell] = [ticker.last, ticker.ask, ticker.bid].map(|price| price.number(DECIMALS));
        Some((symbol, TickerBody { delayed: delayed.last.number(DECIMALS), last, buy, sell, symbol }))
    };
    Reply::ok(&CURRENCIES.into_iter().filter_map(row).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests;
