//! Kraken, as documented at <https://docs.kraken.com/api/docs/rest-api/get-ticker-information>. A pair can have
//! different names in request and answer. Most errors have status 200.

use std::collections::BTreeMap;

use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    fault_injector::{ErrorFormats, FaultInjector},
    faults::FaultKind,
    formats::{JsonValue, Price, format_price},
    market::listed_pair::{ListedPair, listed},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "kraken";
/// Kraken writes every price with five decimals, regardless of the smallest price step of the pair.
const DECIMALS: u32 = 5;

/// A pair with its three names. Its name in requests is `listed.symbol`.
struct KrakenPair {
    /// The key in answers.
    key: &'static str,
    /// The name in version 1 of the WebSocket API. Also the `wsname` in `AssetPairs`.
    ws_name: &'static str,
    listed: ListedPair,
}

const PAIRS: &[KrakenPair] = &[
    KrakenPair { key: "ETHUSDT", ws_name: "ETH/USDT", listed: listed("ETHUSDT", "ETH", "USDT", 2) },
    KrakenPair { key: "USDTAUD", ws_name: "USDT/AUD", listed: listed("USDTAUD", "USDT", "AUD", 5) },
    KrakenPair { key: "USDTCAD", ws_name: "USDT/CAD", listed: listed("USDTCAD", "USDT", "CAD", 5) },
    KrakenPair { key: "USDTCHF", ws_name: "USDT/CHF", listed: listed("USDTCHF", "USDT", "CHF", 5) },
    KrakenPair { key: "USDTEUR", ws_name: "USDT/EUR", listed: listed("USDTEUR", "USDT", "EUR", 4) },
    KrakenPair { key: "USDTGBP", ws_name: "USDT/GBP", listed: listed("USDTGBP", "USDT", "GBP", 4) },
    KrakenPair { key: "USDTJPY", ws_name: "USDT/JPY", listed: listed("USDTJPY", "USDT", "JPY", 3) },
    KrakenPair { key: "USDTZUSD", ws_name: "USDT/USD", listed: listed("USDTUSD", "USDT", "USD", 5) },
    KrakenPair { key: "XBTAUD", ws_name: "XBT/AUD", listed: listed("XBTAUD", "BTC", "AUD", 1) },
    KrakenPair { key: "XBTCHF", ws_name: "XBT/CHF", listed: listed("XBTCHF", "BTC", "CHF", 1) },
    KrakenPair { key: "XBTUSDT", ws_name: "XBT/USDT", listed: listed("XBTUSDT", "BTC", "USDT", 1) },
    KrakenPair { key: "ETHAUD", ws_name: "ETH/AUD", listed: listed("ETHAUD", "ETH", "AUD", 2) },
    KrakenPair { key: "ETHCHF", ws_name: "ETH/CHF", listed: listed("ETHCHF", "ETH", "CHF", 2) },
    KrakenPair { key: "XETHZCAD", ws_name: "ETH/CAD", listed: listed("ETHCAD", "ETH", "CAD", 2) },
    KrakenPair { key: "XETHZEUR", ws_name: "ETH/EUR", listed: listed("ETHEUR", "ETH", "EUR", 2) },
    KrakenPair { key: "XETHZGBP", ws_name: "ETH/GBP", listed: listed("ETHGBP", "ETH", "GBP", 2) },
    KrakenPair { key: "XETHZJPY", ws_name: "ETH/JPY", listed: listed("ETHJPY", "ETH", "JPY", 0) },
    KrakenPair { key: "XETHZUSD", ws_name: "ETH/USD", listed: listed("ETHUSD", "ETH", "USD", 2) },
    KrakenPair { key: "XXBTZCAD", ws_name: "XBT/CAD", listed: listed("XBTCAD", "BTC", "CAD", 1) },
    KrakenPair { key: "XXBTZEUR", ws_name: "XBT/EUR", listed: listed("XBTEUR", "BTC", "EUR", 1) },
    KrakenPair { key: "XXBTZGBP", ws_name: "XBT/GBP", listed: listed("XBTGBP", "BTC", "GBP", 1) },
    KrakenPair { key: "XXBTZJPY", ws_name: "XBT/JPY", listed: listed("XBTJPY", "BTC", "JPY", 0) },
    KrakenPair { key: "XXBTZUSD", ws_name: "XBT/USD", listed: listed("XBTUSD", "BTC", "USD", 1) },
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| error_reply("EGeneral:Too many requests"),
    error_500: || Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "<h1>Internal Server Error</h1>"),
    error_in_200: || error_reply("EService:Unavailable"),
    unusual_error: || Reply::raw_json(StatusCode::OK, r#"{"error":"EService:Busy","result":[]}"#),
    // With the fault `renamed`, the answer uses the names of the request.
    renamed_keys: &[("XXBTZ", "XBT"), ("XETHZ", "ETH"), ("USDTZ", "USDT")],
    usage_header: None,
};
/// About two calls a second are permitted. Further calls are refused for five seconds, counted from the last refused call.
pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 30, window_secs: 15, penalty: Penalty::BanWithoutRetryAfter { seconds: 5 } };

pub(crate) struct Kraken(pub(super) FaultInjector);

#[derive(Serialize)]
struct Answer<T> {
    error: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<BTreeMap<&'static str, T>>,
}

#[derive(Serialize)]
struct TickerBody {
    a: [JsonValue; 3],
    b: [JsonValue; 3],
    c: [JsonValue; 2],
    v: [&'static str; 2],
    p: [JsonValue; 2],
    t: [u32; 2],
    l: [JsonValue; 2],
    h: [JsonValue; 2],
    o: JsonValue,
}

#[derive(Serialize)]
struct AssetPair {
    altname: &'static str,
    wsname: &'static str,
    aclass_base: &'static str,
    base: String,
    aclass_quote: &'static str,
    quote: String,
    pair_decimals: u32,
    cost_decimals: u32,
    lot_decimals: u32,
    ordermin: &'static str,
    tick_size: JsonValue,
    status: &'static str,
}

fn error_reply(text: &'static str) -> Reply {
    Reply::ok(&Answer::<()> { error: vec![text], result: None })
}

#[OpenApi]
impl Kraken {
    /// The tickers of pairs such as `XBTUSD,XBTEUR`, or of all pairs, in Kraken's format.
    #[oai(path = "/kraken/0/public/Ticker", method = "get", operation_id = "kraken_ticker")]
    async fn ticker(
        &self,
        /// Comma-separated pairs. The default is every pair.
        pair: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| by_pair(view, pair.0.as_deref(), |_, ticker| ticker_body(ticker))).await
    }

    /// The listed pairs and their names, in Kraken's format.
    #[oai(path = "/kraken/0/public/AssetPairs", method = "get", operation_id = "kraken_asset_pairs")]
    async fn asset_pairs(
        &self,
        /// Comma-separated pairs. The default is every pair.
        pair: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| by_pair(view, pair.0.as_deref(), |pair, _| asset_pair(view, pair))).await
    }
}

/// Replies with an object that has one entry for each pair. If one pair is unknown, the whole call fails.
fn by_pair<T: Serialize>(
    view: &ExchangeView<'_>,
    names: Option<&str>,
    body: impl Fn(&'static KrakenPair, Ticker) -> T,
) -> Reply {
    let pairs: Option<Vec<_>> = match names {
        Some(names) => names.split(',').map(|name| find_ticker(view, name)).collect(),
        None => Some(PAIRS.iter().filter_map(|pair| Some((pair, view.listed_ticker(&pair.listed)?))).collect()),
    };
    let Some(pairs) = pairs else { return error_reply("EQuery:Unknown asset pair") };
    let result = pairs.into_iter().map(|(pair, ticker)| (pair.key, body(pair, ticker))).collect();
    let warnings = if view.has_fault(FaultKind::Warning) { vec!["WGeneral:Deprecated"] } else { Vec::new() };
    Reply::ok(&Answer { error: warnings, result: Some(result) })
}

/// Finds a pair by any of its names. `None` if the name is unknown or if a fault unlists the pair.
fn find_ticker(view: &ExchangeView<'_>, name: &str) -> Option<(&'static KrakenPair, Ticker)> {
    let pair = PAIRS.iter().find(|pair| [pair.listed.symbol, pair.key, pair.ws_name].contains(&name))?;
    Some((pair, view.listed_ticker(&pair.listed)?))
}

pub(crate) fn find_pair(pair: CurrencyPair) -> Option<&'static ListedPair> {
    PAIRS.iter().map(|kraken_pair| &kraken_pair.listed).find(|listed| listed.pair == pair)
}

fn ticker_body(ticker: Ticker) -> TickerBody {
    let Ticker { last, bid, ask, .. } = ticker;
    let level = |price: Price| [price.text(DECIMALS), JsonValue::text("1"), JsonValue::text("1.000")];
    let twice = |price: Price| [price.text(DECIMALS), price.text(DECIMALS)];
    TickerBody {
        a: level(ask),
        b: level(bid),
        c: [last.text(DECIMALS), JsonValue::text("0.00100000")],
        v: ["410.00000000", "4400.00000000"],
        p: twice(last),
        t: [30_000, 36_000],
        l: twice(last.percent(98)),
        h: twice(last.percent(102)),
        o: last.text(DECIMALS),
    }
}

fn asset_pair(view: &ExchangeView<'_>, pair: &'static KrakenPair) -> AssetPair {
    let ListedPair { symbol, pair: CurrencyPair { base, quote }, tick, decimals } = pair.listed;
    let halted = view.has_fault_on(FaultKind::Halted, pair.listed.pair);
    AssetPair {
        altname: symbol,
        wsname: pair.ws_name,
        aclass_base: "currency",
        base: asset_code(base),
        aclass_quote: "currency",
        quote: asset_code(quote),
        pair_decimals: decimals,
        cost_decimals: 5,
        lot_decimals: 8,
        ordermin: "0.0001",
        tick_size: JsonValue::Text(format_price(tick, decimals)),
        status: if halted { "cancel_only" } else { "online" },
    }
}

/// Kraken's code of an asset: older coins begin with X, older currencies with Z.
fn asset_code(asset: Asset) -> String {
    match asset.as_str() {
        "BTC" => "XXBT".to_owned(),
        "ETH" => "XETH".to_owned(),
        currency @ ("CAD" | "EUR" | "GBP" | "JPY" | "USD" | "AUD") => format!("Z{currency}"),
        other => other.to_owned(),
    }
}
