//! `CoinGecko`, as <https://docs.coingecko.com/v3.0.1/reference/simple-price> has it: an index of its own that is made anew
//! once a minute, in JSON numbers. What is not known is silently left out.

use std::{collections::BTreeMap, time::Duration};

use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use crate::{
    Simulation,
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    market::{UNIT, Units},
    formats::WireValue,
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::ExchangeView,
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "coingecko";
const REFRESHED: Duration = Duration::from_secs(60);
/// Where `precision=full` is asked for.
const FULL: u32 = 8;

/// Its name here, its code, and its name for people.
const COINS: [(&str, Asset, &str); 3] =
    [("bitcoin", Asset::BTC, "Bitcoin"), ("ethereum", Asset::ETH, "Ethereum"), ("tether", Asset::USDT, "Tether")];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| status(StatusCode::TOO_MANY_REQUESTS, 429, "You've exceeded the Rate CallLimit."),
    error_500: || status(StatusCode::INTERNAL_SERVER_ERROR, 500, "Internal Server Error"),
    error_in_200: || status(StatusCode::OK, 10005, "This request is limited to subscribers."),
    odd_error: || Reply::raw(StatusCode::NOT_FOUND, r#"{"error":"coin not found"}"#),
    renamed_keys: &[("\"bitcoin\"", "\"wrapped-bitcoin\""), ("\"current_price\"", "\"price\"")],
    usage_header: None,
    // What was published for who has no key became less every year: 100, 50, 30, and then 5 to 15 a minute.
    limit: CallLimit { weight: 10, window: 60, penalty: Penalty::Announced(60) },
};

pub(crate) struct CoinGecko(FaultInjector);

#[derive(Serialize)]
struct Failure {
    status: Status,
}

#[derive(Serialize)]
struct Status {
    error_code: u32,
    error_message: &'static str,
}

#[derive(Serialize)]
struct MarketRow {
    id: &'static str,
    symbol: String,
    name: &'static str,
    current_price: WireValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<WireValue>,
}

fn status(status: StatusCode, error_code: u32, error_message: &'static str) -> Reply {
    Reply::json(status, &Failure { status: Status { error_code, error_message } })
}

impl CoinGecko {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl CoinGecko {
    /// What coins cost in currencies, as `CoinGecko` tells it.
    #[oai(path = "/coingecko/api/v3/simple/price", method = "get", operation_id = "coingecko_price")]
    async fn price(
        &self,
        /// Coins by their names here, with commas between, such as `bitcoin,tether`.
        ids: Query<Option<String>>,
        /// Currencies with commas between, such as `usd,eur`.
        vs_currencies: Query<Option<String>>,
        include_last_updated_at: Query<Option<bool>>,
        /// `full`, or a number of decimals.
        precision: Query<Option<String>>,
    ) -> SimulatedResponse {
        let (ids, currencies) = (ids.0.unwrap_or_default(), vs_currencies.0.unwrap_or_default());
        let times = include_last_updated_at.0.unwrap_or(false);
        self.0.respond(1, |view| simple(view, &ids, &currencies, times, precision.0.as_deref())).await
    }

    /// Coins in one currency, as `CoinGecko` tells them.
    #[oai(path = "/coingecko/api/v3/coins/markets", method = "get", operation_id = "coingecko_markets")]
    async fn markets(
        &self,
        vs_currency: Query<String>,
        /// Coins by their names here, with commas between; all of them where it is not there.
        ids: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| markets(view, &vs_currency.0, ids.0.as_deref())).await
    }
}

fn listed(list: &str, name: &str) -> bool {
    list.split(',').any(|listed| listed.trim() == name)
}

/// The price of a coin in a currency by the name of that here; its own price in itself is not told.
fn price(view: &ExchangeView<'_>, coin: Asset, currency: &str, decimals: Option<u32>) -> Option<WireValue> {
    let direction = CurrencyPair::new(coin, currency.parse().ok()?);
    let told = view.cached(REFRESHED).ticker(direction, 1)?;
    Some(told.last.number(decimals.unwrap_or_else(|| usual_decimals(told.last.units))))
}

fn updated(view: &ExchangeView<'_>, coin: Asset) -> Timestamp {
    view.cached(REFRESHED).shown_at(CurrencyPair::new(coin, Asset::USD))
}

/// Large prices are told whole, and small ones with more decimals.
fn usual_decimals(units: Units) -> u32 {
    if units.abs() >= 1_000 * UNIT { 0 } else { 6 }
}

fn simple(view: &ExchangeView<'_>, ids: &str, currencies: &str, times: bool, precision: Option<&str>) -> Reply {
    if ids.is_empty() || currencies.is_empty() {
        let missing = if ids.is_empty() { "Missing parameter ids" } else { "Missing parameter vs_currencies" };
        return Reply::json(StatusCode::UNPROCESSABLE_ENTITY, &BTreeMap::from([("error", missing)]));
    }
    let decimals = match precision {
        Some("full") => Some(FULL),
        other => other.and_then(|digits| digits.parse::<u32>().ok()).map(|digits| digits.min(FULL)),
    };
    let one = |&(id, coin, _): &(&'static str, Asset, &str)| {
        let told = currencies.split(',').map(str::trim).filter_map(|currency| {
            price(view, coin, currency, decimals).map(|price| (currency.to_ascii_lowercase(), price))
        });
        let mut row: BTreeMap<_, _> = told.collect();
        if let Some(time) = view.time(updated(view, coin), TimeForm::Seconds, false).filter(|_| times) {
            row.insert("last_updated_at".to_owned(), time);
        }
        (id, row)
    };
    Reply::ok(&COINS.iter().filter(|(id, ..)| listed(ids, id)).map(one).collect::<BTreeMap<_, _>>())
}

fn markets(view: &ExchangeView<'_>, currency: &str, ids: Option<&str>) -> Reply {
    let one = |&(id, coin, name): &(&'static str, Asset, &'static str)| {
        let current_price = price(view, coin, currency, None)?;
        let last_updated = view.time(updated(view, coin), TimeForm::Iso, true);
        Some(MarketRow { id, symbol: coin.as_str().to_ascii_lowercase(), name, current_price, last_updated })
    };
    let wanted = COINS.iter().filter(|(id, ..)| ids.is_none_or(|ids| listed(ids, id)));
    let list = wanted.filter_map(one).collect::<Vec<_>>();
    let known = currency.parse().is_ok_and(|asset: Asset| view.market.ticker(NAME, CurrencyPair::new(Asset::BTC, asset), 1, view.now).is_some());
    if known { Reply::ok(&list) } else { Reply::raw(StatusCode::UNPROCESSABLE_ENTITY, r#"{"error":"invalid vs_currency"}"#) }
}

#[cfg(test)]
mod tests;
