//! OKX, version 5, as <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker> has it: everything is
//! text, and whether it is an error stands in `code`.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use super::{ListedPair, find, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    formats::{Price, WireValue},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "okx";

pub(crate) const PAIRS: &[ListedPair] = &[
    pair("BTC-USDT", "BTC", "USDT", 1),
    pair("ETH-USDT", "ETH", "USDT", 2),
    pair("BTC-USD", "BTC", "USD", 1),
    pair("ETH-USD", "ETH", "USD", 2),
    pair("BTC-EUR", "BTC", "EUR", 1),
    pair("ETH-EUR", "ETH", "EUR", 2),
    pair("USDT-USD", "USDT", "USD", 4),
    pair("USDT-EUR", "USDT", "EUR", 4),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| Reply::raw(StatusCode::TOO_MANY_REQUESTS, r#"{"msg":"Too Many Requests","code":"50011"}"#),
    error_500: || failure(StatusCode::INTERNAL_SERVER_ERROR, "50026", "System error. Try again later"),
    error_in_200: || failure(StatusCode::OK, "50001", "Service temporarily unavailable. Try again later"),
    odd_error: || {
        let body = r#"{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}"#;
        Reply::raw(StatusCode::NOT_FOUND, body)
    },
    renamed_keys: &[("\"last\"", "\"lastPx\""), ("\"bidPx\"", "\"bestBid\""), ("\"askPx\"", "\"bestAsk\"")],
    usage_header: None,
    limit: CallLimit { weight: 20, window: 2, penalty: Penalty::Silent(2) },
};

pub(crate) struct Okx(FaultInjector);

#[derive(Serialize)]
struct Answer {
    code: &'static str,
    msg: String,
    data: Vec<TickerBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TickerBody {
    inst_type: &'static str,
    inst_id: &'static str,
    last: WireValue,
    last_sz: &'static str,
    ask_px: WireValue,
    ask_sz: &'static str,
    bid_px: WireValue,
    bid_sz: &'static str,
    open24h: WireValue,
    high24h: WireValue,
    low24h: WireValue,
    vol_ccy24h: &'static str,
    vol24h: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<WireValue>,
    sod_utc0: WireValue,
    sod_utc8: WireValue,
}

fn failure(status: StatusCode, code: &'static str, msg: impl Into<String>) -> Reply {
    Reply::json(status, &Answer { code, msg: msg.into(), data: Vec::new() })
}

impl Okx {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Okx {
    /// The state of a pair such as `BTC-USDT`, as OKX tells it.
    #[oai(path = "/okx/api/v5/market/ticker", method = "get", operation_id = "okx_ticker")]
    async fn ticker(&self, #[oai(name = "instId")] instrument: Query<Option<String>>) -> SimulatedResponse {
        self.0.respond(1, |view| one(view, instrument.0.as_deref())).await
    }

    /// The state of all pairs, as OKX tells it.
    #[oai(path = "/okx/api/v5/market/tickers", method = "get", operation_id = "okx_tickers")]
    async fn tickers(
        &self,
        /// SPOT; nothing else is traded here.
        #[oai(name = "instType")]
        kind: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| all(view, kind.0.as_deref())).await
    }
}

fn one(view: &ExchangeView<'_>, name: Option<&str>) -> Reply {
    let Some(name) = name else {
        return failure(StatusCode::BAD_REQUEST, "50014", "Parameter instId cannot be empty.");
    };
    let told = find(PAIRS, name).and_then(|pair| Some(ticker(view, pair, view.ticker(pair.direction, pair.tick)?)));
    match told {
        Some(ticker) => Reply::ok(&Answer { code: "0", msg: String::new(), data: vec![ticker] }),
        None => failure(StatusCode::OK, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    }
}

fn all(view: &ExchangeView<'_>, kind: Option<&str>) -> Reply {
    match kind {
        Some("SPOT") => {
            let each = |pair: &'static ListedPair| Some(ticker(view, pair, view.ticker(pair.direction, pair.tick)?));
            Reply::ok(&Answer { code: "0", msg: String::new(), data: PAIRS.iter().filter_map(each).collect() })
        }
        Some(_) => failure(StatusCode::BAD_REQUEST, "51000", "Parameter instType error"),
        None => failure(StatusCode::BAD_REQUEST, "50014", "Parameter instType cannot be empty."),
    }
}

fn ticker(view: &ExchangeView<'_>, pair: &'static ListedPair, told: Ticker) -> TickerBody {
    let text = |price: Price| price.text(pair.decimals);
    // An empty side of a book is empty text here, and not a zero.
    let side = |price: Price| if price.units == 0 { WireValue::Text(String::new()) } else { text(price) };
    let open = || text(told.last.percent(99));
    TickerBody {
        inst_type: "SPOT",
        inst_id: pair.name,
        last: text(told.last),
        last_sz: "0.1",
        ask_px: side(told.ask),
        ask_sz: "11",
        bid_px: side(told.bid),
        bid_sz: "5",
        open24h: open(),
        high24h: text(told.last.percent(102)),
        low24h: text(told.last.percent(98)),
        vol_ccy24h: "8000000",
        vol24h: "130.5",
        ts: view.time(told.time, TimeForm::Millis, true),
        sod_utc0: open(),
        sod_utc8: open(),
    }
}

#[cfg(test)]
mod tests;
