//! OKX, version 5, as <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker> has it: everything is
//! text, and whether it is an error stands in `code`.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use super::{Pair, find, pair};
use crate::{
    Simulation,
    calls::{Limit, Penalty},
    faults::TimeForm,
    prices::{Price, Shown},
    stage::{Shapes, Stage},
    view::{Told, View},
    wire::{Reply, Wire},
};

pub(crate) const NAME: &str = "okx";

pub(crate) const PAIRS: &[Pair] = &[
    pair("BTC-USDT", "BTC", "USDT", 1),
    pair("ETH-USDT", "ETH", "USDT", 2),
    pair("BTC-USD", "BTC", "USD", 1),
    pair("ETH-USD", "ETH", "USD", 2),
    pair("BTC-EUR", "BTC", "EUR", 1),
    pair("ETH-EUR", "ETH", "EUR", 2),
    pair("USDT-USD", "USDT", "USD", 4),
    pair("USDT-EUR", "USDT", "EUR", 4),
];

const SHAPES: Shapes = Shapes {
    refused: |_| Reply::raw(StatusCode::TOO_MANY_REQUESTS, r#"{"msg":"Too Many Requests","code":"50011"}"#),
    error_500: || failure(StatusCode::INTERNAL_SERVER_ERROR, "50026", "System error. Try again later"),
    error_in_200: || failure(StatusCode::OK, "50001", "Service temporarily unavailable. Try again later"),
    odd_error: || {
        let body = r#"{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}"#;
        Reply::raw(StatusCode::NOT_FOUND, body)
    },
    renames: &[("\"last\"", "\"lastPx\""), ("\"bidPx\"", "\"bestBid\""), ("\"askPx\"", "\"bestAsk\"")],
    used_header: None,
    limit: Limit { weight: 20, window: 2, penalty: Penalty::Silent(2) },
};

pub(crate) struct Okx(Stage);

#[derive(Serialize)]
struct Answer {
    code: &'static str,
    msg: String,
    data: Vec<Ticker>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ticker {
    inst_type: &'static str,
    inst_id: &'static str,
    last: Shown,
    last_sz: &'static str,
    ask_px: Shown,
    ask_sz: &'static str,
    bid_px: Shown,
    bid_sz: &'static str,
    open24h: Shown,
    high24h: Shown,
    low24h: Shown,
    vol_ccy24h: &'static str,
    vol24h: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Shown>,
    sod_utc0: Shown,
    sod_utc8: Shown,
}

fn failure(status: StatusCode, code: &'static str, msg: impl Into<String>) -> Reply {
    Reply::json(status, &Answer { code, msg: msg.into(), data: Vec::new() })
}

impl Okx {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(Stage::new(NAME, SHAPES, simulation))
    }
}

#[OpenApi]
impl Okx {
    /// The state of a pair such as `BTC-USDT`, as OKX tells it.
    #[oai(path = "/okx/api/v5/market/ticker", method = "get", operation_id = "okx_ticker")]
    async fn ticker(&self, #[oai(name = "instId")] instrument: Query<Option<String>>) -> Wire {
        self.0.play(1, |view| one(view, instrument.0.as_deref())).await
    }

    /// The state of all pairs, as OKX tells it.
    #[oai(path = "/okx/api/v5/market/tickers", method = "get", operation_id = "okx_tickers")]
    async fn tickers(
        &self,
        /// SPOT; nothing else is traded here.
        #[oai(name = "instType")]
        kind: Query<Option<String>>,
    ) -> Wire {
        self.0.play(1, |view| all(view, kind.0.as_deref())).await
    }
}

fn one(view: &View<'_>, name: Option<&str>) -> Reply {
    let Some(name) = name else {
        return failure(StatusCode::BAD_REQUEST, "50014", "Parameter instId cannot be empty.");
    };
    let told = find(PAIRS, name).and_then(|pair| Some(ticker(view, pair, view.quote(pair.direction, pair.tick)?)));
    match told {
        Some(ticker) => Reply::ok(&Answer { code: "0", msg: String::new(), data: vec![ticker] }),
        None => failure(StatusCode::OK, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    }
}

fn all(view: &View<'_>, kind: Option<&str>) -> Reply {
    match kind {
        Some("SPOT") => {
            let each = |pair: &'static Pair| Some(ticker(view, pair, view.quote(pair.direction, pair.tick)?));
            Reply::ok(&Answer { code: "0", msg: String::new(), data: PAIRS.iter().filter_map(each).collect() })
        }
        Some(_) => failure(StatusCode::BAD_REQUEST, "51000", "Parameter instType error"),
        None => failure(StatusCode::BAD_REQUEST, "50014", "Parameter instType cannot be empty."),
    }
}

fn ticker(view: &View<'_>, pair: &'static Pair, told: Told) -> Ticker {
    let text = |price: Price| price.text(pair.decimals);
    // An empty side of a book is empty text here, and not a zero.
    let side = |price: Price| if price.units == 0 { Shown::Text(String::new()) } else { text(price) };
    let open = || text(told.last.percent(99));
    Ticker {
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
