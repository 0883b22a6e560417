//! Coinbase Exchange, as <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductticker> has it.

use std::sync::Arc;

use common::{money::Currency, time::Timestamp};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Path};
use serde::Serialize;

use super::shown;
use crate::{
    faults::Faults,
    market::{Market, Units},
    stage::{Reply, Shapes, Stage, View, Wire},
};

pub(super) const NAME: &str = "coinbase";
/// A cent.
const TICK: Units = 1_000_000;
const DECIMALS: u32 = 2;

const SHAPES: Shapes = Shapes {
    rate_limited: || message(StatusCode::TOO_MANY_REQUESTS, "Public rate limit exceeded"),
    error_500: || message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    error_in_200: || message(StatusCode::OK, "Service is temporarily unavailable"),
};

pub(crate) struct Coinbase(Stage);

#[derive(Serialize)]
struct Ticker {
    ask: String,
    bid: String,
    volume: &'static str,
    trade_id: i64,
    price: String,
    size: &'static str,
    time: Timestamp,
    rfq_volume: &'static str,
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn message(status: StatusCode, message: &'static str) -> Reply {
    Reply::json(status, &Message { message })
}

impl Coinbase {
    pub(super) fn new(market: &Arc<Market>, faults: &Arc<Faults>) -> Self {
        Self(Stage::new(NAME, SHAPES, market, faults))
    }
}

#[OpenApi]
impl Coinbase {
    /// The last trade of a pair such as `BTC-USD`, as Coinbase Exchange tells it.
    #[oai(path = "/coinbase/products/:pair/ticker", method = "get", operation_id = "coinbase_ticker")]
    async fn ticker(
        &self,
        /// A coin and a currency with a hyphen between, such as `BTC-USD`.
        pair: Path<String>,
    ) -> Wire {
        self.0.play(|view| ticker(view, &pair.0)).await
    }
}

fn ticker(view: &View<'_>, pair: &str) -> Reply {
    let quote = pair.split_once('-').and_then(|(coin, fiat)| {
        let currency = fiat.parse::<Currency>().ok().filter(|currency| currency.as_str() == fiat)?;
        view.quote((coin, currency), TICK)
    });
    let Some(quote) = quote else { return message(StatusCode::NOT_FOUND, "NotFound") };
    let ticker = Ticker {
        ask: shown(quote.ask, DECIMALS),
        bid: shown(quote.bid, DECIMALS),
        volume: "4321.00000000",
        // Grows with time, as the real ones do: a client may tell by it that nothing is traded any more.
        trade_id: quote.time.micros() / 1_000_000,
        price: shown(quote.last, DECIMALS),
        size: "0.01000000",
        time: quote.time,
        rfq_volume: "7.660000",
    };
    Reply::json(StatusCode::OK, &ticker)
}
