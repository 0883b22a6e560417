//! Kraken, as <https://docs.kraken.com/api/docs/rest-api/get-ticker-information> has it: names that change between
//! question and answer, and errors with status 200.

use std::{collections::BTreeMap, sync::Arc};

use common::money::Currency;
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use super::shown;
use crate::{
    faults::Faults,
    market::{Market, Quote, Units},
    stage::{Reply, Shapes, Stage, View, Wire},
};

pub(super) const NAME: &str = "kraken";
/// Ten cents.
const TICK: Units = 10_000_000;
const DECIMALS: u32 = 5;

/// What a pair is asked for by, what its answer is called, and what it is.
const PAIRS: [(&str, &str, Currency); 3] = [
    ("XBTEUR", "XXBTZEUR", Currency::EUR),
    ("XBTGBP", "XXBTZGBP", Currency::GBP),
    ("XBTUSD", "XXBTZUSD", Currency::USD),
];

const SHAPES: Shapes = Shapes {
    rate_limited: || error("EGeneral:Too many requests"),
    error_500: || Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "<h1>Internal Server Error</h1>"),
    error_in_200: || error("EService:Unavailable"),
};

pub(crate) struct Kraken(Stage);

#[derive(Serialize)]
struct Answer {
    error: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<BTreeMap<&'static str, Ticker>>,
}

#[derive(Serialize)]
struct Ticker {
    a: [String; 3],
    b: [String; 3],
    c: [String; 2],
    v: [&'static str; 2],
    p: [String; 2],
    t: [u32; 2],
    l: [String; 2],
    h: [String; 2],
    o: String,
}

fn error(text: &'static str) -> Reply {
    Reply::json(StatusCode::OK, &Answer { error: vec![text], result: None })
}

impl Kraken {
    pub(super) fn new(market: &Arc<Market>, faults: &Arc<Faults>) -> Self {
        Self(Stage::new(NAME, SHAPES, market, faults))
    }
}

#[OpenApi]
impl Kraken {
    /// The state of pairs such as `XBTUSD,XBTEUR`, or of all, as Kraken tells it.
    #[oai(path = "/kraken/0/public/Ticker", method = "get", operation_id = "kraken_ticker")]
    async fn ticker(
        &self,
        /// Pairs with commas between; all of them where it is not there.
        pair: Query<Option<String>>,
    ) -> Wire {
        self.0.play(|view| tickers(view, pair.0.as_deref())).await
    }
}

/// One pair that is not known fails the whole request.
fn tickers(view: &View<'_>, asked: Option<&str>) -> Reply {
    let mut result = BTreeMap::new();
    let names = asked
        .map_or_else(|| PAIRS.iter().map(|(name, ..)| *name).collect(), |text| text.split(',').collect::<Vec<_>>());
    for name in names {
        let pair = PAIRS.iter().find(|(short, long, _)| *short == name || *long == name);
        let quote = pair.and_then(|(_, key, currency)| Some((*key, view.quote(("BTC", *currency), TICK)?)));
        let Some((key, quote)) = quote else { return error("EQuery:Unknown asset pair") };
        result.insert(key, ticker(quote));
    }
    Reply::json(StatusCode::OK, &Answer { error: Vec::new(), result: Some(result) })
}

fn ticker(Quote { last, bid, ask, .. }: Quote) -> Ticker {
    let text = |price: Units| shown(price - price % 1_000, DECIMALS);
    let level = |price: Units| [text(price), "1".to_owned(), "1.000".to_owned()];
    let twice = |price: Units| [text(price), text(price)];
    Ticker {
        a: level(ask),
        b: level(bid),
        c: [text(last), "0.00100000".to_owned()],
        v: ["410.00000000", "4400.00000000"],
        p: twice(last),
        t: [30_000, 36_000],
        l: twice(last / 100 * 98),
        h: twice(last / 100 * 102),
        o: text(last),
    }
}
