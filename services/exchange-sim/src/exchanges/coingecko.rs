//! `CoinGecko`, as documented at <https://docs.coingecko.com/v3.0.1/reference/simple-price>: the prices of an index, as
//! JSON numbers, refreshed once a minute. Unknown coins and currencies are omitted.

use std::{collections::BTreeMap, time::Duration};

use common::{
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};
use serde::Serialize;

use crate::{
    exchange_view::ExchangeView,
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, JsonValue, TimeFormat},
    market::units::{UNIT, Units},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "coingecko";
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// The decimals of `precision=full`.
const MAX_DECIMALS: u32 = 8;

struct Coin {
    id: &'static str,
    asset: Asset,
    /// The display name.
    name: &'static str,
}

const COINS: [Coin; 3] = [
    Coin { id: "bitcoin", asset: Asset::BTC, name: "Bitcoin" },
    Coin { id: "ethereum", asset: Asset::ETH, name: "Ethereum" },
    Coin { id: "tether", asset: Asset::USDT, name: "Tether" },
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| status_reply(StatusCode::TOO_MANY_REQUESTS, 429, "You've exceeded the Rate Limit."),
    error_500: || status_reply(StatusCode::INTERNAL_SERVER_ERROR, 500, "Internal Server Error"),
    error_in_200: || status_reply(StatusCode::OK, 10005, "This request is limited to subscribers."),
    unusual_error: || Reply::raw_json(StatusCode::NOT_FOUND, r#"{"error":"coin not found"}"#),
    renamed_keys: &[("\"bitcoin\"", "\"wrapped-bitcoin\""), ("\"current_price\"", "\"price\"")],
    usage_header: None,
};
/// The published limit without an API key is 5 to 15 calls a minute.
pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 10, window_secs: 60, penalty: Penalty::BanWithRetryAfter { seconds: 60 } };

pub(crate) struct CoinGecko(pub(super) FaultInjector);

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
    current_price: JsonValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<JsonValue>,
}

fn status_reply(status: StatusCode, error_code: u32, error_message: &'static str) -> Reply {
    Reply::json(status, &Failure { status: Status { error_code, error_message } })
}

/// The parameters of `simple/price`.
struct PriceRequest {
    ids: String,
    currencies: String,
    with_time: bool,
    precision: Option<String>,
}

#[OpenApi]
impl CoinGecko {
    /// The prices of coins in currencies, in `CoinGecko`'s format.
    #[oai(path = "/coingecko/api/v3/simple/price", method = "get", operation_id = "coingecko_price")]
    async fn price(
        &self,
        /// Comma-separated ids of coins, such as `bitcoin,tether`.
        ids: Query<Option<String>>,
        /// Comma-separated currencies, such as `usd,eur`.
        vs_currencies: Query<Option<String>>,
        include_last_updated_at: Query<Option<bool>>,
        /// `full`, or the number of decimals.
        precision: Query<Option<String>>,
    ) -> SimulatedResponse {
        let request = PriceRequest {
            ids: ids.0.unwrap_or_default(),
            currencies: vs_currencies.0.unwrap_or_default(),
            with_time: include_last_updated_at.0.unwrap_or(false),
            precision: precision.0,
        };
        self.0.respond(1, |view| simple_price(view, &request)).await
    }

    /// The prices of coins in one currency, in `CoinGecko`'s format.
    #[oai(path = "/coingecko/api/v3/coins/markets", method = "get", operation_id = "coingecko_markets")]
    async fn markets(
        &self,
        vs_currency: Query<String>,
        /// Comma-separated ids of coins. The default is every coin.
        ids: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| markets(view, &vs_currency.0, ids.0.as_deref())).await
    }
}

impl Coin {
    fn is_in(&self, ids: &str) -> bool {
        ids.split(',').any(|id| id.trim() == self.id)
    }
}

/// The price of a coin. `None` if the currency is unknown or if a fault unlists the pair.
fn price(view: &ExchangeView<'_>, coin: Asset, currency: &str, decimals: Option<u32>) -> Option<JsonValue> {
    let pair = CurrencyPair::new(coin, currency.parse().ok()?);
    let ticker = view.cached(REFRESH_INTERVAL).ticker(pair, 1)?;
    Some(ticker.last.number(decimals.unwrap_or_else(|| usual_decimals(ticker.last.units))))
}

fn updated_at(view: &ExchangeView<'_>, coin: Asset) -> Timestamp {
    view.cached(REFRESH_INTERVAL).price_time(CurrencyPair::new(coin, Asset::USD))
}

/// The number of decimals if the request has no `precision`. Prices of 1000 and more are whole numbers.
fn usual_decimals(units: Units) -> u32 {
    if units.abs() >= 1_000 * UNIT { 0 } else { 6 }
}

fn simple_price(view: &ExchangeView<'_>, request: &PriceRequest) -> Reply {
    let PriceRequest { ids, currencies, with_time, precision } = request;
    if ids.is_empty() || currencies.is_empty() {
        let missing = if ids.is_empty() { "Missing parameter ids" } else { "Missing parameter vs_currencies" };
        return Reply::json(StatusCode::UNPROCESSABLE_ENTITY, &BTreeMap::from([("error", missing)]));
    }
    let decimals = match precision.as_deref() {
        Some("full") => Some(MAX_DECIMALS),
        other => other.and_then(|digits| digits.parse::<u32>().ok()).map(|digits| digits.min(MAX_DECIMALS)),
    };
    let row = |coin: &Coin| {
        let prices = currencies.split(',').map(str::trim).filter_map(|currency| {
            let price = price(view, coin.asset, currency, decimals)?;
            Some((currency.to_ascii_lowercase(), price))
        });
        let mut row: BTreeMap<_, _> = prices.collect();
        let updated_at = view.format_time(updated_at(view, coin.asset), TimeFormat::Seconds, JsonType::Number);
        if let Some(updated_at) = updated_at.filter(|_| *with_time) {
            row.insert("last_updated_at".to_owned(), updated_at);
        }
        (coin.id, row)
    };
    Reply::ok(&COINS.iter().filter(|coin| coin.is_in(ids)).map(row).collect::<BTreeMap<_, _>>())
}

fn markets(view: &ExchangeView<'_>, currency: &str, ids: Option<&str>) -> Reply {
    let is_known = currency.parse().is_ok_and(|currency: Asset| {
        view.market.ticker(NAME, CurrencyPair::new(Asset::BTC, currency), 1, view.now).is_some()
    });
    if !is_known {
        return Reply::raw_json(StatusCode::UNPROCESSABLE_ENTITY, r#"{"error":"invalid vs_currency"}"#);
    }
    let row = |&Coin { id, asset, name }: &Coin| {
        let current_price = price(view, asset, currency, None)?;
        let last_updated = view.format_time(updated_at(view, asset), TimeFormat::Iso, JsonType::Text);
        Some(MarketRow { id, symbol: asset.as_str().to_ascii_lowercase(), name, current_price, last_updated })
    };
    let requested = COINS.iter().filter(|coin| ids.is_none_or(|ids| coin.is_in(ids)));
    Reply::ok(&requested.filter_map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
