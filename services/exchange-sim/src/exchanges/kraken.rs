//! Kraken, as <https://docs.kraken.com/api/docs/rest-api/get-ticker-information> has it: names that change between
//! question and answer, and errors with status 200.

use std::collections::BTreeMap;

use common::money::CurrencyPair;
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use super::{ListedPair, pair};
use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    faults::FaultKind,
    formats::{Price, WireValue},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{Ticker, ExchangeView},
    response::{Reply, SimulatedResponse},
};

pub(crate) const NAME: &str = "kraken";
/// Prices are told with five decimals, however coarse the steps are.
const DECIMALS: u32 = 5;

/// What a pair's answer is called, its name in websockets, and the pair by the name that it is asked for.
const PAIRS: &[(&str, &str, ListedPair)] = &[
    ("ETHUSDT", "ETH/USDT", pair("ETHUSDT", "ETH", "USDT", 2)),
    ("USDTAUD", "USDT/AUD", pair("USDTAUD", "USDT", "AUD", 5)),
    ("USDTCAD", "USDT/CAD", pair("USDTCAD", "USDT", "CAD", 5)),
    ("USDTCHF", "USDT/CHF", pair("USDTCHF", "USDT", "CHF", 5)),
    ("USDTEUR", "USDT/EUR", pair("USDTEUR", "USDT", "EUR", 4)),
    ("USDTGBP", "USDT/GBP", pair("USDTGBP", "USDT", "GBP", 4)),
    ("USDTJPY", "USDT/JPY", pair("USDTJPY", "USDT", "JPY", 3)),
    ("USDTZUSD", "USDT/USD", pair("USDTUSD", "USDT", "USD", 5)),
    ("XBTAUD", "XBT/AUD", pair("XBTAUD", "BTC", "AUD", 1)),
    ("XBTCHF", "XBT/CHF", pair("XBTCHF", "BTC", "CHF", 1)),
    ("XBTUSDT", "XBT/USDT", pair("XBTUSDT", "BTC", "USDT", 1)),
    ("ETHAUD", "ETH/AUD", pair("ETHAUD", "ETH", "AUD", 2)),
    ("ETHCHF", "ETH/CHF", pair("ETHCHF", "ETH", "CHF", 2)),
    ("XETHZCAD", "ETH/CAD", pair("ETHCAD", "ETH", "CAD", 2)),
    ("XETHZEUR", "ETH/EUR", pair("ETHEUR", "ETH", "EUR", 2)),
    ("XETHZGBP", "ETH/GBP", pair("ETHGBP", "ETH", "GBP", 2)),
    ("XETHZJPY", "ETH/JPY", pair("ETHJPY", "ETH", "JPY", 0)),
    ("XETHZUSD", "ETH/USD", pair("ETHUSD", "ETH", "USD", 2)),
    ("XXBTZCAD", "XBT/CAD", pair("XBTCAD", "BTC", "CAD", 1)),
    ("XXBTZEUR", "XBT/EUR", pair("XBTEUR", "BTC", "EUR", 1)),
    ("XXBTZGBP", "XBT/GBP", pair("XBTGBP", "BTC", "GBP", 1)),
    ("XXBTZJPY", "XBT/JPY", pair("XBTJPY", "BTC", "JPY", 0)),
    ("XXBTZUSD", "XBT/USD", pair("XBTUSD", "BTC", "USD", 1)),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| error("EGeneral:Too many requests"),
    error_500: || Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "<h1>Internal Server Error</h1>"),
    error_in_200: || error("EService:Unavailable"),
    odd_error: || Reply::raw(StatusCode::OK, r#"{"error":"EService:Busy","result":[]}"#),
    // As it would be if the names that are asked for were those that are answered.
    renamed_keys: &[("XXBTZ", "XBT"), ("XETHZ", "ETH"), ("USDTZ", "USDT")],
    usage_header: None,
    // About one a second is safe; who calls more often is refused for some seconds, and for longer if he goes on.
    limit: CallLimit { weight: 30, window: 15, penalty: Penalty::Silent(5) },
};

pub(crate) struct Kraken(FaultInjector);

#[derive(Serialize)]
struct Answer<T> {
    error: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<BTreeMap<&'static str, T>>,
}

#[derive(Serialize)]
struct TickerBody {
    a: [WireValue; 3],
    b: [WireValue; 3],
    c: [WireValue; 2],
    v: [&'static str; 2],
    p: [WireValue; 2],
    t: [u32; 2],
    l: [WireValue; 2],
    h: [WireValue; 2],
    o: WireValue,
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
    tick_size: WireValue,
    status: &'static str,
}

fn error(text: &'static str) -> Reply {
    Reply::ok(&Answer::<()> { error: vec![text], result: None })
}

impl Kraken {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Kraken {
    /// The state of pairs such as `XBTUSD,XBTEUR`, or of all, as Kraken tells it.
    #[oai(path = "/kraken/0/public/TickerBody", method = "get", operation_id = "kraken_ticker")]
    async fn ticker(
        &self,
        /// Pairs with commas between; all of them where it is not there.
        pair: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| each(view, pair.0.as_deref(), |_, pair, told| ticker(pair, told))).await
    }

    /// What is traded and by which names, as Kraken tells it.
    #[oai(path = "/kraken/0/public/AssetPairs", method = "get", operation_id = "kraken_asset_pairs")]
    async fn asset_pairs(
        &self,
        /// Pairs with commas between; all of them where it is not there.
        pair: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| each(view, pair.0.as_deref(), |key, pair, _| asset_pair(view, key, pair))).await
    }
}

/// One pair that is not known fails the whole request.
fn each<T: Serialize>(
    view: &ExchangeView<'_>,
    asked: Option<&str>,
    answer: impl Fn((&'static str, &'static str), &'static ListedPair, Ticker) -> T,
) -> Reply {
    let mut result = BTreeMap::new();
    let listed = |pair: &ListedPair| view.ticker(pair.direction, pair.tick);
    let names = asked.map(|text| text.split(',').collect::<Vec<_>>());
    let names = names.unwrap_or_else(|| {
        PAIRS.iter().filter(|(.., pair)| listed(pair).is_some()).map(|(.., pair)| pair.name).collect()
    });
    for name in names {
        let found = PAIRS.iter().find(|(key, wsname, pair)| [pair.name, *key, *wsname].contains(&name));
        let told = found.and_then(|(key, wsname, pair)| Some(((*key, *wsname), pair, listed(pair)?)));
        let Some((keys, pair, told)) = told else { return error("EQuery:Unknown asset pair") };
        result.insert(keys.0, answer(keys, pair, told));
    }
    let warnings = if view.is(FaultKind::Warning) { vec!["WGeneral:Deprecated"] } else { Vec::new() };
    Reply::ok(&Answer { error: warnings, result: Some(result) })
}

/// The pair of a direction, whatever it is called.
pub(crate) fn listed(direction: CurrencyPair) -> Option<&'static ListedPair> {
    PAIRS.iter().map(|(.., pair)| pair).find(|pair| pair.direction == direction)
}

fn ticker(_: &ListedPair, Ticker { last, bid, ask, .. }: Ticker) -> TickerBody {
    let fixed = |text: &str| WireValue::Text(text.to_owned());
    let level = |price: Price| [price.text(DECIMALS), fixed("1"), fixed("1.000")];
    let twice = |price: Price| [price.text(DECIMALS), price.text(DECIMALS)];
    TickerBody {
        a: level(ask),
        b: level(bid),
        c: [last.text(DECIMALS), fixed("0.00100000")],
        v: ["410.00000000", "4400.00000000"],
        p: twice(last),
        t: [30_000, 36_000],
        l: twice(last.percent(98)),
        h: twice(last.percent(102)),
        o: last.text(DECIMALS),
    }
}

fn asset_pair(view: &ExchangeView<'_>, (_, wsname): (&str, &'static str), pair: &'static ListedPair) -> AssetPair {
    let dressed = |asset: common::money::Asset| match asset.as_str() {
        "BTC" => "XXBT".to_owned(),
        "ETH" => "XETH".to_owned(),
        currency @ ("CAD" | "EUR" | "GBP" | "JPY" | "USD" | "AUD") => format!("Z{currency}"),
        other => other.to_owned(),
    };
    let halted = view.has(FaultKind::Halted, pair.direction);
    AssetPair {
        altname: pair.name,
        wsname,
        aclass_base: "currency",
        base: dressed(pair.direction.base),
        aclass_quote: "currency",
        quote: dressed(pair.direction.quote),
        pair_decimals: pair.decimals,
        cost_decimals: 5,
        lot_decimals: 8,
        ordermin: "0.0001",
        tick_size: WireValue::Text(crate::formats::format_decimal(pair.tick, pair.decimals)),
        status: if halted { "cancel_only" } else { "online" },
    }
}
