//! blockchain.info, as <https://www.blockchain.com/explorer/api/exchange_rates_api> has it: what a bitcoin costs in many
//! currencies, in JSON numbers with no time.

use std::{collections::BTreeMap, time::Duration};

use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use serde::Serialize;

use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    formats::WireValue,
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::ExchangeView,
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "blockchain_info";
const DELAYED: Duration = Duration::from_mins(15);
const DECIMALS: u32 = 2;
const TICK: i64 = 1_000_000;

const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW", "NZD", "PLN", "RON",
    "RUB", "SEK", "SGD", "THB", "TRY", "UAH", "USD",
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| Reply::text(StatusCode::TOO_MANY_REQUESTS, "text/plain", "Maximum concurrent requests reached. Try again later."),
    error_500: || Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "Internal server error"),
    error_in_200: || Reply::raw(StatusCode::OK, r#"{"error":"not-available","message":"TickerBody is not available"}"#),
    odd_error: || Reply::raw(StatusCode::OK, "[]"),
    renamed_keys: &[("\"last\"", "\"price\"")],
    usage_header: None,
    limit: CallLimit { weight: 60, window: 60, penalty: Penalty::Silent(10) },
};

pub(crate) struct BlockchainInfo(FaultInjector);

#[derive(Serialize)]
struct TickerBody {
    #[serde(rename = "15m")]
    delayed: WireValue,
    last: WireValue,
    buy: WireValue,
    sell: WireValue,
    symbol: &'static str,
}

impl BlockchainInfo {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl BlockchainInfo {
    /// What a bitcoin costs, as blockchain.info tells it.
    #[oai(path = "/blockchain_info/ticker", method = "get", operation_id = "blockchain_info_ticker")]
    async fn ticker(&self) -> SimulatedResponse {
        self.0.respond(1, ticker).await
    }
}

fn ticker(view: &ExchangeView<'_>) -> Reply {
    let one = |symbol: &'static str| {
        let direction = CurrencyPair::new(Asset::BTC, symbol.parse().ok()?);
        let (told, delayed) = (view.ticker(direction, TICK)?, view.delayed(DELAYED).ticker(direction, TICK)?);
        let [last, buy, sell] = [told.last, told.ask, told.bid].map(|price| price.number(DECIMALS));
        Some((symbol, TickerBody { delayed: delayed.last.number(DECIMALS), last, buy, sell, symbol }))
    };
    Reply::ok(&CURRENCIES.into_iter().filter_map(one).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests;
