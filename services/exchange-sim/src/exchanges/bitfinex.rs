//! Bitfinex, version 2, as documented at <https://docs.bitfinex.com/reference/rest-public-ticker>. Answers and errors are
//! JSON arrays. The position of a value in its array defines its meaning.

use poem::http::StatusCode;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonValue, Price},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "bitfinex";

/// `UST` is Bitfinex's symbol of USDT.
const PAIRS: &[ListedPair] = &[
    listed("tBTCUSD", "BTC", "USD", 0),
    listed("tBTCEUR", "BTC", "EUR", 0),
    listed("tBTCGBP", "BTC", "GBP", 0),
    listed("tBTCJPY", "BTC", "JPY", 0),
    listed("tBTCUST", "BTC", "USDT", 0),
    listed("tETHUSD", "ETH", "USD", 1),
    listed("tETHEUR", "ETH", "EUR", 1),
    listed("tETHGBP", "ETH", "GBP", 1),
    listed("tETHJPY", "ETH", "JPY", 0),
    listed("tETHUST", "ETH", "USDT", 1),
    listed("tUSTUSD", "USDT", "USD", 5),
    listed("tUSTEUR", "USDT", "EUR", 5),
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| Reply::raw_json(StatusCode::TOO_MANY_REQUESTS, r#"["error",11010,"ratelimit: error"]"#),
    error_500: || Reply::raw_json(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",10000,"unknown error"]"#),
    error_in_200: || Reply::raw_json(StatusCode::OK, r#"["error",20060,"maintenance"]"#),
    unusual_error: || Reply::raw_json(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",null,"ERR_RATE_LIMIT"]"#),
    // Rows are arrays without keys, so the fault `renamed` renames the symbols of pairs instead.
    renamed_keys: &[("\"tBTC", "\"tXBT"), ("\"tUST", "\"tUSDT:")],
    usage_header: None,
};
/// A client that exceeds the limit is refused until it has sent no call for 60 s. The response does not state this
/// time.
pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 90, window_secs: 60, penalty: Penalty::BanWithoutRetryAfter { seconds: 60 } };

pub(crate) struct Bitfinex(pub(super) FaultInjector);

/// The values of a ticker: bid, bid size, ask, ask size, daily change, daily change as a fraction, last price, volume,
/// high, low.
type TickerRow = [JsonValue; 10];

#[OpenApi]
impl Bitfinex {
    /// The ticker of a pair such as `tBTCUSD`, in Bitfinex's format: ten numbers.
    #[oai(path = "/bitfinex/v2/ticker/:symbol", method = "get", operation_id = "bitfinex_ticker")]
    async fn ticker(&self, symbol: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| single_ticker(view, &symbol.0)).await
    }

    /// The tickers of several pairs, in Bitfinex's format: lists of a symbol and ten numbers.
    #[oai(path = "/bitfinex/v2/tickers", method = "get", operation_id = "bitfinex_tickers")]
    async fn tickers(
        &self,
        /// Comma-separated pairs, or `ALL`.
        symbols: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| several_tickers(view, symbols.0.as_deref())).await
    }
}

fn single_ticker(view: &ExchangeView<'_>, name: &str) -> Reply {
    match view.find_ticker(PAIRS, name) {
        Some((listed, ticker)) => Reply::ok(&ticker_row(listed, ticker)),
        None => invalid_symbol(),
    }
}

/// Replies with the tickers of the requested pairs. Unknown pairs are omitted. `ALL` requests every pair. Without
/// `names` the call fails.
fn several_tickers(view: &ExchangeView<'_>, names: Option<&str>) -> Reply {
    let Some(names) = names else { return invalid_symbol() };
    let requested = |listed: &&ListedPair| names == "ALL" || names.split(',').any(|name| name == listed.symbol);
    let row = |listed: &ListedPair| {
        Some(NamedRow { symbol: listed.symbol, row: ticker_row(listed, view.listed_ticker(listed)?) })
    };
    Reply::ok(&PAIRS.iter().filter(requested).filter_map(row).collect::<Vec<_>>())
}

/// A row of a list of tickers: the symbol, followed by the values.
struct NamedRow {
    symbol: &'static str,
    row: TickerRow,
}

impl Serialize for NamedRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let symbol = JsonValue::text(self.symbol);
        serializer.collect_seq(std::iter::once(&symbol).chain(&self.row))
    }
}

fn invalid_symbol() -> Reply {
    Reply::raw_json(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",10020,"symbol: invalid"]"#)
}

fn ticker_row(listed: &ListedPair, ticker: Ticker) -> TickerRow {
    let number = |price: Price| price.number(listed.decimals);
    let change = Price { units: ticker.last.units / 100 / listed.tick * listed.tick, ..ticker.last };
    [
        number(ticker.bid),
        JsonValue::number("15.3"),
        number(ticker.ask),
        JsonValue::number("15.2"),
        number(change),
        JsonValue::number("0.0101"),
        number(ticker.last),
        JsonValue::number("900.5"),
        number(ticker.last.percent(102)),
        number(ticker.last.percent(98)),
    ]
}

#[cfg(test)]
mod tests;
