//! Binance (spot), as documented at
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>. A call requests one pair, a
//! list of pairs, or all pairs. Each call has a weight, and the weight per minute is limited. Some delisted pairs are still
//! served.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    faults::FaultKind,
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::{ListedPair, find_listed_pair, listed},
    rate_limits::{Penalty, RateLimit, Refusal},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "binance";
/// Binance writes every price with eight decimals, regardless of the smallest price step of the pair.
const DECIMALS: u32 = 8;

pub(crate) const PAIRS: &[ListedPair] = &[
    listed("BTCUSDT", "BTC", "USDT", 2),
    listed("ETHUSDT", "ETH", "USDT", 2),
    listed("BTCEUR", "BTC", "EUR", 2),
    listed("ETHEUR", "ETH", "EUR", 2),
    listed("EURUSDT", "EUR", "USDT", 4),
    listed("BTCTRY", "BTC", "TRY", 0),
    listed("USDTTRY", "USDT", "TRY", 2),
    listed("USDTBRL", "USDT", "BRL", 3),
    listed("BTCBRL", "BTC", "BRL", 0),
    listed("USDTZAR", "USDT", "ZAR", 2),
];
/// Pairs that were delisted in 2023 or later and are still served.
const DELISTED: &[ListedPair] =
    &[listed("BTCGBP", "BTC", "GBP", 2), listed("ETHGBP", "ETH", "GBP", 2), listed("USDTRUB", "USDT", "RUB", 2)];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited,
    error_500: || {
        let text = "An unknown error occurred while processing the request.";
        error_reply(StatusCode::INTERNAL_SERVER_ERROR, -1000, text)
    },
    error_in_200: || {
        error_reply(StatusCode::OK, -1001, "Internal error; unable to process your request. Please try again.")
    },
    unusual_error: || {
        let body = r#"{"code":"000002","message":"Forbidden","success":false,"data":null}"#;
        Reply::raw_json(StatusCode::FORBIDDEN, body)
    },
    renamed_keys: &[("\"price\"", "\"p\""), ("\"bidPrice\"", "\"b\""), ("\"askPrice\"", "\"a\"")],
    usage_header: Some("x-mbx-used-weight-1m"),
};

pub(super) const RATE_LIMIT: RateLimit = RateLimit { max_weight: 6_000, window_secs: 60, penalty: Penalty::GrowingBan };

pub(crate) struct Binance(pub(super) FaultInjector);

#[derive(Serialize)]
struct Failure {
    code: i32,
    msg: String,
}

#[derive(Serialize)]
struct LastPrice {
    symbol: &'static str,
    price: JsonValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookTicker {
    symbol: &'static str,
    bid_price: JsonValue,
    bid_qty: &'static str,
    ask_price: JsonValue,
    ask_qty: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AverageBody {
    mins: u32,
    price: JsonValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_time: Option<JsonValue>,
}

fn error_reply(status: StatusCode, code: i32, msg: impl Into<String>) -> Reply {
    Reply::json(status, &Failure { code, msg: msg.into() })
}

fn rate_limited(refusal: Refusal) -> Reply {
    if refusal.banned && refusal.retry_after.is_some() {
        let until = refusal.until.micros() / 1_000;
        let text =
            format!("Way too much request weight used; IP banned until {until}. Please use WebSocket Streams instead.");
        return error_reply(StatusCode::IM_A_TEAPOT, -1003, text);
    }
    let text = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.";
    error_reply(StatusCode::TOO_MANY_REQUESTS, -1003, text)
}

/// The parameters that select pairs.
struct Selection {
    symbol: Option<String>,
    /// A JSON list of symbols.
    symbols: Option<String>,
    status: Option<String>,
}

impl Binance {
    async fn tickers<T: Serialize>(
        &self,
        selection: Selection,
        body: impl Fn(&ListedPair, Ticker) -> T,
    ) -> SimulatedResponse {
        let weight = if selection.symbol.is_some() { 2 } else { 4 };
        self.0.respond(weight, |view| tickers(view, &selection, body).unwrap_or_else(|error| error)).await
    }
}

#[OpenApi]
impl Binance {
    /// The last price of a pair such as `BTCUSDT`, of several pairs, or of all pairs, in Binance's format.
    #[oai(path = "/binance/api/v3/ticker/price", method = "get", operation_id = "binance_price")]
    async fn price(
        &self,
        symbol: Query<Option<String>>,
        /// A JSON list of pairs, such as `["BTCUSDT","ETHUSDT"]`.
        symbols: Query<Option<String>>,
        /// TRADING, HALT or BREAK. A list omits pairs with another status; a single pair with another status is an error.
        #[oai(name = "symbolStatus")]
        status: Query<Option<String>>,
    ) -> SimulatedResponse {
        let selection = Selection { symbol: symbol.0, symbols: symbols.0, status: status.0 };
        let body = |listed: &ListedPair, ticker: Ticker| LastPrice {
            symbol: listed.symbol,
            price: ticker.last.text(DECIMALS),
        };
        self.tickers(selection, body).await
    }

    /// The best bid and ask of a pair, of several pairs, or of all pairs, in Binance's format.
    #[oai(path = "/binance/api/v3/ticker/bookTicker", method = "get", operation_id = "binance_book_ticker")]
    async fn book_ticker(
        &self,
        symbol: Query<Option<String>>,
        /// A JSON list of pairs, such as `["BTCUSDT","ETHUSDT"]`.
        symbols: Query<Option<String>>,
        /// TRADING, HALT or BREAK. A list omits pairs with another status; a single pair with another status is an error.
        #[oai(name = "symbolStatus")]
        status: Query<Option<String>>,
    ) -> SimulatedResponse {
        let selection = Selection { symbol: symbol.0, symbols: symbols.0, status: status.0 };
        let quantity = |price: Price, quantity| if price.units == 0 { "0.00000000" } else { quantity };
        let body = |listed: &ListedPair, ticker: Ticker| BookTicker {
            symbol: listed.symbol,
            bid_price: ticker.bid.text(DECIMALS),
            bid_qty: quantity(ticker.bid, "1.20000000"),
            ask_price: ticker.ask.text(DECIMALS),
            ask_qty: quantity(ticker.ask, "0.80000000"),
        };
        self.tickers(selection, body).await
    }

    /// The average price of a pair, simulated by its mid price, and the time of its last trade, in Binance's format.
    #[oai(path = "/binance/api/v3/avgPrice", method = "get", operation_id = "binance_average")]
    async fn average(&self, symbol: Query<String>) -> SimulatedResponse {
        self.0.respond(2, |view| average(view, &symbol.0).unwrap_or_else(unknown_symbol)).await
    }
}

fn average(view: &ExchangeView<'_>, symbol: &str) -> Option<Reply> {
    let StatusTicker { ticker, .. } = find_ticker(view, symbol)?;
    // The mid price is used as the average of five minutes.
    let mid = Price { units: i64::midpoint(ticker.bid.units, ticker.ask.units), format: ticker.last.format };
    let price = if mid.units == 0 { ticker.last } else { mid };
    let close_time = view.format_time(ticker.time, TimeFormat::Millis, JsonType::Number);
    Some(Reply::ok(&AverageBody { mins: 5, price: price.text(DECIMALS), close_time }))
}

fn unknown_symbol() -> Reply {
    error_reply(StatusCode::BAD_REQUEST, -1121, "Invalid symbol.")
}

/// A ticker with the trading status of its pair.
struct StatusTicker {
    listed: &'static ListedPair,
    ticker: Ticker,
    status: &'static str,
}

/// Finds a pair by its symbol. `None` if the symbol is unknown or if a fault unlists the pair.
fn find_ticker(view: &ExchangeView<'_>, symbol: &str) -> Option<StatusTicker> {
    if let Some(listed) = find_listed_pair(DELISTED, symbol) {
        return Some(StatusTicker { listed, ticker: view.delisted_ticker(listed)?, status: "BREAK" });
    }
    let (listed, ticker) = view.find_ticker(PAIRS, symbol)?;
    let halted = view.has_fault_on(FaultKind::Halted, listed.pair);
    Some(StatusTicker { listed, ticker, status: if halted { "HALT" } else { "TRADING" } })
}

/// Replies with an object for `symbol`, and with a list otherwise. If `symbols` has an unknown symbol, the whole call fails.
fn tickers<T: Serialize>(
    view: &ExchangeView<'_>,
    selection: &Selection,
    body: impl Fn(&ListedPair, Ticker) -> T,
) -> Result<Reply, Reply> {
    let bad_request = |code, msg: &str| error_reply(StatusCode::BAD_REQUEST, code, msg);
    let required_status = selection.status.as_deref();
    if required_status.is_some_and(|status| !["TRADING", "HALT", "BREAK"].contains(&status)) {
        return Err(bad_request(-1130, "Data sent for parameter 'symbolStatus' is not valid."));
    }
    let has_required_status = |found: &StatusTicker| required_status.is_none_or(|required| required == found.status);
    let (symbols, every_pair): (Vec<String>, bool) = match (&selection.symbol, &selection.symbols) {
        (Some(_), Some(_)) => {
            let text = "Combination of optional parameters invalid. Recommendation: 'symbol' or 'symbols'";
            return Err(bad_request(-1128, text));
        }
        (Some(symbol), None) => {
            let found = find_ticker(view, symbol).ok_or_else(unknown_symbol)?;
            if !has_required_status(&found) {
                return Err(bad_request(-1220, "The symbol's status does not match the requested symbolStatus."));
            }
            return Ok(Reply::ok(&body(found.listed, found.ticker)));
        }
        (None, Some(json)) => {
            let illegal = "Illegal characters found in parameter 'symbols'; legal range is a list.";
            (serde_json::from_str(json).map_err(|_| bad_request(-1100, illegal))?, false)
        }
        (None, None) => (PAIRS.iter().chain(DELISTED).map(|listed| listed.symbol.to_owned()).collect(), true),
    };
    let mut list = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        match find_ticker(view, &symbol) {
            Some(found) if has_required_status(&found) => list.push(body(found.listed, found.ticker)),
            // The list of all pairs omits a pair that a fault has unlisted.
            None if !every_pair => return Err(unknown_symbol()),
            Some(_) | None => {}
        }
    }
    Ok(Reply::ok(&list))
}

#[cfg(test)]
mod tests;
