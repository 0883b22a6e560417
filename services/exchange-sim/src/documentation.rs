//! The descriptions of the operations for the OpenAPI document. The operations of the simulated exchanges list no error codes
//! of this product, because they respond with the errors of the real exchange.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str = "Simulated exchanges in the formats of real ones, with faults on demand. No price here is real.";

pub(crate) fn description() -> ApiDescription {
    let operations = admin_operations().into_iter().chain(exchange_operations()).collect();
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations }
}

fn admin_operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Operations);
    let of_exchange = |id| operation(id).errors(&[Code::NotFound]).parameter("exchange", "kraken");
    let fault = json!({ "fault": "error_500", "seconds": 30 });
    let timeline = json!({ "timeline": [{ "exchange": "kraken", "at_seconds": 60, "fault": "slow", "seconds": 30 }] });
    vec![
        operation("list_faults"),
        of_exchange("set_fault").body(fault),
        of_exchange("end_fault"),
        operation("get_timeline"),
        operation("set_timeline").body(timeline),
        operation("list_calls"),
    ]
}

fn exchange_operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Prices);
    vec![
        operation("binance_average").parameter("symbol", "BTCUSDT"),
        operation("binance_book_ticker").parameter("symbol", "BTCUSDT"),
        operation("binance_price").parameter("symbol", "BTCUSDT"),
        operation("bitfinex_ticker").parameter("symbol", "tBTCUSD"),
        operation("bitfinex_tickers").parameter("symbols", "tBTCUSD,tETHUSD"),
        operation("bitstamp_tickers"),
        operation("bitstamp_ticker").parameter("pair", "btcusd"),
        operation("blockchain_info_ticker"),
        operation("cbr_daily"),
        operation("coinbase_ticker").parameter("pair", "BTC-USD"),
        operation("coingecko_markets").parameter("vs_currency", "usd").parameter("ids", "bitcoin"),
        operation("coingecko_price").parameter("ids", "bitcoin").parameter("vs_currencies", "usd,eur"),
        operation("ecb_daily"),
        operation("frankfurter_v1").parameter("date", "latest").parameter("base", "EUR"),
        operation("frankfurter_v2_rate").parameter("base", "EUR").parameter("quote", "USD"),
        operation("frankfurter_v2").parameter("base", "EUR"),
        operation("gemini_feed"),
        operation("gemini_ticker").parameter("symbol", "btcusd"),
        operation("kraken_asset_pairs").parameter("pair", "XBTUSD"),
        operation("kraken_ticker").parameter("pair", "XBTUSD"),
        operation("okx_ticker").parameter("instId", "BTC-USDT"),
        operation("okx_tickers").parameter("instType", "SPOT"),
    ]
}
