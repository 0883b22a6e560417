//! OKX, version 5, as documented at <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker>. Every
//! value is text; `code` distinguishes errors from data.

use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, Price, TimeFormat},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "okx";

pub(crate) const PAIRS: &[ListedPair] = &[
    listed("BTC-USDT", "BTC", "USDT", 1),
    listed("ETH-USDT", "ETH", "USDT", 2),
    listed("BTC-USD", "BTC", "USD", 1),
    listed("ETH-USD", "ETH", "USD", 2),
    listed("BTC-EUR", "BTC", "EUR", 1),
    listed("ETH-EUR", "ETH", "EUR", 2),
    listed("USDT-USD", "USDT", "USD", 4),
    listed("USDT-EUR", "USDT", "EUR", 4),
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| Reply::raw_json(StatusCode::TOO_MANY_REQUESTS, r#"{"msg":"Too Many Requests","code":"50011"}"#),
    error_500: || failure(StatusCode::INTERNAL_SERVER_ERROR, "50026", "System error. Try again later"),
    error_in_200: || failure(StatusCode::OK, "50001", "Service temporarily unavailable. Try again later"),
    unusual_error: || {
        let body = concat!(
            r#"{"code":404,"data":{},"detailMsg":"","error_code":"404","#,
            r#""error_message":"Not Found","msg":"Not Found"}"#
        );
        Reply::raw_json(StatusCode::NOT_FOUND, body)
    },
    renamed_keys: &[("\"last\"", "\"lastPx\""), ("\"bidPx\"", "\"bestBid\""), ("\"askPx\"", "\"bestAsk\"")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 20, window_secs: 2, penalty: Penalty::BanWithoutRetryAfter { seconds: 2 } };

pub(crate) struct Okx(pub(super) FaultInjector);

#[derive(Serialize)]
struct Answer {
    code: &'static str,
    msg: String,
    data: Vec<TickerBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TickerBody {
    pub(crate) inst_type: &'static str,
    pub(crate) inst_id: &'static str,
    pub(crate) last: JsonValue,
    pub(crate) last_sz: &'static str,
    pub(crate) ask_px: JsonValue,
    pub(crate) ask_sz: &'static str,
    pub(crate) bid_px: JsonValue,
    pub(crate) bid_sz: &'static str,
    pub(crate) open24h: JsonValue,
    pub(crate) high24h: JsonValue,
    pub(crate) low24h: JsonValue,
    pub(crate) vol_ccy24h: &'static str,
    pub(crate) vol24h: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ts: Option<JsonValue>,
    pub(crate) sod_utc0: JsonValue,
    pub(crate) sod_utc8: JsonValue,
}

fn failure(status: StatusCode, code: &'static str, msg: impl Into<String>) -> Reply {
    Reply::json(status, &Answer { code, msg: msg.into(), data: Vec::new() })
}

#[OpenApi]
impl Okx {
    /// The ticker of a pair such as `BTC-USDT`, in OKX's format.
    #[oai(path = "/okx/api/v5/market/ticker", method = "get", operation_id = "okx_ticker")]
    async fn ticker(&self, #[oai(name = "instId")] instrument: Query<Option<String>>) -> SimulatedResponse {
        self.0.respond(1, |view| single_ticker(view, instrument.0.as_deref())).await
    }

    /// The tickers of all pairs, in OKX's format.
    #[oai(path = "/okx/api/v5/market/tickers", method = "get", operation_id = "okx_tickers")]
    async fn tickers(
        &self,
        /// `SPOT`, the only supported type.
        #[oai(name = "instType")]
        kind: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| all_tickers(view, kind.0.as_deref())).await
    }
}

fn single_ticker(view: &ExchangeView<'_>, name: Option<&str>) -> Reply {
    let Some(name) = name else {
        return failure(StatusCode::BAD_REQUEST, "50014", "Parameter instId cannot be empty.");
    };
    match view.find_ticker(PAIRS, name) {
        Some((listed, ticker)) => {
            let data = vec![ticker_body(view, listed, ticker)];
            Reply::ok(&Answer { code: "0", msg: String::new(), data })
        }
        None => failure(StatusCode::OK, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    }
}

fn all_tickers(view: &ExchangeView<'_>, kind: Option<&str>) -> Reply {
    match kind {
        Some("SPOT") => {
            let body = |listed: &'static ListedPair| Some(ticker_body(view, listed, view.listed_ticker(listed)?));
            Reply::ok(&Answer { code: "0", msg: String::new(), data: PAIRS.iter().filter_map(body).collect() })
        }
        Some(_) => failure(StatusCode::BAD_REQUEST, "51000", "Parameter instType error"),
        None => failure(StatusCode::BAD_REQUEST, "50014", "Parameter instType cannot be empty."),
    }
}

fn ticker_body(view: &ExchangeView<'_>, listed: &'static ListedPair, ticker: Ticker) -> TickerBody {
    let text = |price: Price| price.text(listed.decimals);
    // If a side of the order book is empty, OKX writes empty text.
    let side = |price: Price| if price.units == 0 { JsonValue::Text(String::new()) } else { text(price) };
    let open = || text(ticker.last.percent(99));
    TickerBody {
        inst_type: "SPOT",
        inst_id: listed.symbol,
        last: text(ticker.last),
        last_sz: "0.1",
        ask_px: side(ticker.ask),
        ask_sz: "11",
        bid_px: side(ticker.bid),
        bid_sz: "5",
        open24h: open(),
        high24h: text(ticker.last.percent(102)),
        low24h: text(ticker.last.percent(98)),
        vol_ccy24h: "8000000",
        vol24h: "130.5",
        ts: view.format_time(ticker.time, TimeFormat::Millis, JsonType::Text),
        sod_utc0: open(),
        sod_utc8: open(),
    }
}

#[cfg(test)]
mod tests;
