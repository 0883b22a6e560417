//! Binance (spot), as <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints> has it:
//! one pair or a list of them, a weight for each call that is counted by the minute, and pairs that were taken off long
//! ago and are answered for all the same.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use super::{ListedPair, find, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty, Refusal},
    faults::{FaultKind, TimeForm},
    formats::{Price, WireValue},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "binance";
/// All prices are told with eight decimals, however coarse the steps are.
const DECIMALS: u32 = 8;

pub(crate) const PAIRS: &[ListedPair] = &[
    pair("BTCUSDT", "BTC", "USDT", 2),
    pair("ETHUSDT", "ETH", "USDT", 2),
    pair("BTCEUR", "BTC", "EUR", 2),
    pair("ETHEUR", "ETH", "EUR", 2),
    pair("EURUSDT", "EUR", "USDT", 4),
    pair("BTCTRY", "BTC", "TRY", 0),
    pair("USDTTRY", "USDT", "TRY", 2),
    pair("USDTBRL", "USDT", "BRL", 3),
    pair("BTCBRL", "BTC", "BRL", 0),
    pair("USDTZAR", "USDT", "ZAR", 2),
];
/// Taken off in 2023 and later, and still answered for.
const DELISTED: &[ListedPair] =
    &[pair("BTCGBP", "BTC", "GBP", 2), pair("ETHGBP", "ETH", "GBP", 2), pair("USDTRUB", "USDT", "RUB", 2)];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused,
    error_500: || error(StatusCode::INTERNAL_SERVER_ERROR, -1000, "An unknown error occurred while processing the request."),
    error_in_200: || error(StatusCode::OK, -1001, "Internal error; unable to process your request. Please try again."),
    odd_error: || Reply::raw(StatusCode::FORBIDDEN, r#"{"code":"000002","message":"Forbidden","success":false,"data":null}"#),
    renamed_keys: &[("\"price\"", "\"p\""), ("\"bidPrice\"", "\"b\""), ("\"askPrice\"", "\"a\"")],
    usage_header: Some("x-mbx-used-weight-1m"),
    limit: CallLimit { weight: 6_000, window: 60, penalty: Penalty::Growing },
};

pub(crate) struct Binance(FaultInjector);

#[derive(Serialize)]
struct Failure {
    code: i32,
    msg: String,
}

#[derive(Serialize)]
struct LastPrice {
    symbol: &'static str,
    price: WireValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookTicker {
    symbol: &'static str,
    bid_price: WireValue,
    bid_qty: &'static str,
    ask_price: WireValue,
    ask_qty: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Average {
    mins: u32,
    price: WireValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_time: Option<WireValue>,
}

fn error(status: StatusCode, code: i32, msg: impl Into<String>) -> Reply {
    Reply::json(status, &Failure { code, msg: msg.into() })
}

fn refused(refusal: Refusal) -> Reply {
    let banned = refusal.banned && refusal.retry_after.is_some();
    if banned {
        let until = refusal.until.micros() / 1_000;
        let text = format!("Way too much request weight used; IP banned until {until}. Please use WebSocket Streams instead.");
        return error(StatusCode::IM_A_TEAPOT, -1003, text);
    }
    let text = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.";
    error(StatusCode::TOO_MANY_REQUESTS, -1003, text)
}

impl Binance {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }

    async fn answer<T: Serialize>(
        &self,
        asked: Asked,
        shown: impl Fn(&ListedPair, Ticker) -> T,
    ) -> SimulatedResponse {
        let weight = if asked.symbol.is_some() { 2 } else { 4 };
        self.0.respond(weight, |view| tickers(view, &asked, shown).unwrap_or_else(|failure| failure)).await
    }
}

/// What was asked for, as it was sent.
struct Asked {
    symbol: Option<String>,
    symbols: Option<String>,
    status: Option<String>,
}

#[OpenApi]
impl Binance {
    /// The last price of a pair such as `BTCUSDT`, of several, or of all, as Binance tells it.
    #[oai(path = "/binance/api/v3/ticker/price", method = "get", operation_id = "binance_price")]
    async fn price(
        &self,
        symbol: Query<Option<String>>,
        /// A JSON list of pairs, such as `["BTCUSDT","ETHUSDT"]`.
        symbols: Query<Option<String>>,
        /// TRADING, HALT or BREAK: others are left out, or refused where one is asked for.
        #[oai(name = "symbolStatus")]
        status: Query<Option<String>>,
    ) -> SimulatedResponse {
        let asked = Asked { symbol: symbol.0, symbols: symbols.0, status: status.0 };
        self.answer(asked, |pair, told| LastPrice { symbol: pair.name, price: told.last.text(DECIMALS) }).await
    }

    /// The best bid and ask of a pair, of several, or of all, as Binance tells them.
    #[oai(path = "/binance/api/v3/ticker/bookTicker", method = "get", operation_id = "binance_book_ticker")]
    async fn book_ticker(
        &self,
        symbol: Query<Option<String>>,
        /// A JSON list of pairs, such as `["BTCUSDT","ETHUSDT"]`.
        symbols: Query<Option<String>>,
        /// TRADING, HALT or BREAK: others are left out, or refused where one is asked for.
        #[oai(name = "symbolStatus")]
        status: Query<Option<String>>,
    ) -> SimulatedResponse {
        let asked = Asked { symbol: symbol.0, symbols: symbols.0, status: status.0 };
        let amount = |price: Price, amount| if price.units == 0 { "0.00000000" } else { amount };
        let ticker = |pair: &ListedPair, told: Ticker| BookTicker {
            symbol: pair.name,
            bid_price: told.bid.text(DECIMALS),
            bid_qty: amount(told.bid, "1.20000000"),
            ask_price: told.ask.text(DECIMALS),
            ask_qty: amount(told.ask, "0.80000000"),
        };
        self.answer(asked, ticker).await
    }

    /// The average price of the last five minutes of a pair, with the time of its last trade, as Binance tells it.
    #[oai(path = "/binance/api/v3/avgPrice", method = "get", operation_id = "binance_average")]
    async fn average(&self, symbol: Query<String>) -> SimulatedResponse {
        self.0.respond(2, |view| average(view, &symbol.0)).await
    }
}

fn average(view: &ExchangeView<'_>, symbol: &str) -> Reply {
    let Some((pair, _)) = known(symbol) else { return unknown() };
    let Some((told, _)) = tell(view, pair) else { return unknown() };
    // The middle of the market is near enough to its average of five minutes.
    let middle = Price { units: i64::midpoint(told.bid.units, told.ask.units), form: told.last.form };
    let price = if middle.units == 0 { told.last } else { middle };
    let close_time = view.time(told.time, TimeForm::Millis, false);
    Reply::ok(&Average { mins: 5, price: price.text(DECIMALS), close_time })
}

fn unknown() -> Reply {
    error(StatusCode::BAD_REQUEST, -1121, "Invalid symbol.")
}

/// A pair, and whether it was taken off.
fn known(symbol: &str) -> Option<(&'static ListedPair, bool)> {
    let delisted = || find(DELISTED, symbol).map(|pair| (pair, true));
    find(PAIRS, symbol).map(|pair| (pair, false)).or_else(delisted)
}

/// What is told of a pair, and its status.
fn tell(view: &ExchangeView<'_>, pair: &'static ListedPair) -> Option<(Ticker, &'static str)> {
    if find(DELISTED, pair.name).is_some() {
        return Some((view.delisted(pair.direction, pair.tick)?, "BREAK"));
    }
    let told = view.ticker(pair.direction, pair.tick)?;
    Some((told, if view.has(FaultKind::Halted, pair.direction) { "HALT" } else { "TRADING" }))
}

/// The answer for one pair is an object, and a list for several; one that is not known fails them all.
fn tickers<T: Serialize>(view: &ExchangeView<'_>, asked: &Asked, shown: impl Fn(&ListedPair, Ticker) -> T) -> Result<Reply, Reply> {
    let bad = |code, msg: &str| error(StatusCode::BAD_REQUEST, code, msg);
    let wanted = asked.status.as_deref();
    if wanted.is_some_and(|status| !["TRADING", "HALT", "BREAK"].contains(&status)) {
        return Err(bad(-1130, "Data sent for parameter 'symbolStatus' is not valid."));
    }
    let told = |symbol: &str| known(symbol).and_then(|(pair, _)| Some((pair, tell(view, pair)?))).ok_or_else(unknown);
    match (&asked.symbol, &asked.symbols) {
        (Some(_), Some(_)) => {
            Err(bad(-1128, "Combination of optional parameters invalid. Recommendation: 'symbol' or 'symbols'"))
        }
        (Some(symbol), None) => {
            let (pair, (told, status)) = told(symbol)?;
            if wanted.is_some_and(|wanted| wanted != status) {
                return Err(bad(-1220, "The symbol's status does not match the requested symbolStatus."));
            }
            Ok(Reply::ok(&shown(pair, told)))
        }
        (None, symbols) => {
            let names: Vec<String> = match symbols {
                None => PAIRS.iter().chain(DELISTED).map(|pair| pair.name.to_owned()).collect(),
                Some(json) => serde_json::from_str(json)
                    .map_err(|_| bad(-1100, "Illegal characters found in parameter 'symbols'; legal range is a list."))?,
            };
            let mut list = Vec::with_capacity(names.len());
            for name in names {
                match told(&name) {
                    Ok((pair, (told, status))) if wanted.is_none_or(|wanted| wanted == status) => {
                        list.push(shown(pair, told));
                    }
                    Ok(_) => {}
                    // Where all are asked for, one that is gone is not among them.
                    Err(_) if symbols.is_none() => {}
                    Err(unknown) => return Err(unknown),
                }
            }
            Ok(Reply::ok(&list))
        }
    }
}

#[cfg(test)]
mod tests;
