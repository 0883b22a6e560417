//! Bitfinex, version 2, as <https://docs.bitfinex.com/reference/rest-public-ticker> has it: lists of numbers whose places
//! have a meaning, and errors that are lists too.

use poem::http::StatusCode;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

use super::{ListedPair, find, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    formats::{Price, WireValue},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "bitfinex";

/// `UST` is the coin that others call USDT.
const PAIRS: &[ListedPair] = &[
    pair("tBTCUSD", "BTC", "USD", 0),
    pair("tBTCEUR", "BTC", "EUR", 0),
    pair("tBTCGBP", "BTC", "GBP", 0),
    pair("tBTCJPY", "BTC", "JPY", 0),
    pair("tBTCUST", "BTC", "USDT", 0),
    pair("tETHUSD", "ETH", "USD", 1),
    pair("tETHEUR", "ETH", "EUR", 1),
    pair("tETHGBP", "ETH", "GBP", 1),
    pair("tETHJPY", "ETH", "JPY", 0),
    pair("tETHUST", "ETH", "USDT", 1),
    pair("tUSTUSD", "USDT", "USD", 5),
    pair("tUSTEUR", "USDT", "EUR", 5),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| Reply::raw(StatusCode::TOO_MANY_REQUESTS, r#"["error",11010,"ratelimit: error"]"#),
    error_500: || Reply::raw(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",10000,"unknown error"]"#),
    error_in_200: || Reply::raw(StatusCode::OK, r#"["error",20060,"maintenance"]"#),
    odd_error: || Reply::raw(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",null,"ERR_RATE_LIMIT"]"#),
    // Nothing has a name here but the pairs.
    renamed_keys: &[("\"tBTC", "\"tXBT"), ("\"tUST", "\"tUSDT:")],
    usage_header: None,
    // Blocked for a minute, and nothing says so.
    limit: CallLimit { weight: 90, window: 60, penalty: Penalty::Silent(60) },
};

pub(crate) struct Bitfinex(FaultInjector);

/// Bid and its size, ask and its size, the day's change and that as a share, last price, volume, high, low.
type TickerBody = [WireValue; 10];

impl Bitfinex {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Bitfinex {
    /// The state of a pair such as `tBTCUSD`, as Bitfinex tells it: ten numbers.
    #[oai(path = "/bitfinex/v2/ticker/:symbol", method = "get", operation_id = "bitfinex_ticker")]
    async fn ticker(&self, symbol: Path<String>) -> SimulatedResponse {
        self.0.respond(1, |view| one(view, &symbol.0)).await
    }

    /// The state of several pairs, as Bitfinex tells it: lists of a name and ten numbers.
    #[oai(path = "/bitfinex/v2/tickers", method = "get", operation_id = "bitfinex_tickers")]
    async fn tickers(
        &self,
        /// Pairs with commas between, or `ALL`.
        symbols: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| several(view, symbols.0.as_deref())).await
    }
}

fn one(view: &ExchangeView<'_>, name: &str) -> Reply {
    let told = find(PAIRS, name).and_then(|pair| Some((pair, view.ticker(pair.direction, pair.tick)?)));
    match told {
        Some((pair, told)) => Reply::ok(&ticker(pair, told)),
        None => invalid(),
    }
}

/// What is not known is silently left out.
fn several(view: &ExchangeView<'_>, names: Option<&str>) -> Reply {
    let Some(names) = names else { return invalid() };
    let wanted = |pair: &&ListedPair| names == "ALL" || names.split(',').any(|name| name == pair.name);
    let each = |pair: &ListedPair| Some((pair.name, ticker(pair, view.ticker(pair.direction, pair.tick)?)));
    let list = PAIRS.iter().filter(wanted).filter_map(each).map(|(name, ticker)| Named(name, ticker));
    Reply::ok(&list.collect::<Vec<_>>())
}

/// A name and what belongs to it, in one list.
struct Named(&'static str, TickerBody);

impl Serialize for Named {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = WireValue::Text(self.0.to_owned());
        serializer.collect_seq(std::iter::once(&name).chain(&self.1))
    }
}

fn invalid() -> Reply {
    Reply::raw(StatusCode::INTERNAL_SERVER_ERROR, r#"["error",10020,"symbol: invalid"]"#)
}

fn ticker(pair: &ListedPair, told: Ticker) -> TickerBody {
    let number = |price: Price| price.number(pair.decimals);
    let fixed = |text: &str| WireValue::Number(text.to_owned());
    let change = Price { units: told.last.units / 100 / pair.tick * pair.tick, ..told.last };
    [
        number(told.bid),
        fixed("15.3"),
        number(told.ask),
        fixed("15.2"),
        number(change),
        fixed("0.0101"),
        number(told.last),
        fixed("900.5"),
        number(told.last.percent(102)),
        number(told.last.percent(98)),
    ]
}

#[cfg(test)]
mod tests;
