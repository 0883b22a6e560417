//! Tests of the exchanges as a client sees them. Most run without a socket, on a paused clock.

mod admin_api;
mod fault_effects;
mod over_tcp;

use std::time::Duration;

use common::{
    config::Env,
    service::Service,
    time::{Clock, Timestamp},
};
use poem::{Endpoint, Request, Response, endpoint::BoxEndpoint, http::Method};
use serde_json::Value;

use crate::{App, CallCounters, Config, MarketMove, NewFault, Simulation, endpoint};

pub(crate) const TOKEN: &str = "a token of the tests";
/// When a simulation starts: on a Friday without a holiday nearby.
const START: &str = "2026-01-16T16:00:00.678901Z";

/// exchange-sim in the process of the test, on the paused clock of tokio. [`Sim::advance`] and the delays of faults
/// advance the clock.
pub(crate) struct Sim {
    endpoint: BoxEndpoint<'static>,
    pub(crate) simulation: Simulation,
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::starting_at(START)
    }

    pub(crate) fn starting_at(time: &str) -> Self {
        let (endpoint, simulation) = endpoint(&config(Clock::starting_at(time.parse().unwrap())));
        Self { endpoint, simulation }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.simulation.now()
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn start_fault(&self, exchange: &str, json: &str) {
        let fault: NewFault = serde_json::from_str(json).unwrap();
        self.simulation.start_fault(exchange, &fault).unwrap();
    }

    pub(crate) fn calls(&self, exchange: &str) -> CallCounters {
        self.simulation.call_counters().into_iter().find(|calls| calls.exchange == exchange).unwrap()
    }

    /// Calls an exchange, and checks that the response has the header `x-simulated`.
    async fn response(&self, path: &str) -> Response {
        let request = Request::builder().uri(path.parse().unwrap()).finish();
        let response = self.endpoint.call(request).await.unwrap();
        assert_eq!(response.header("x-simulated"), Some("true"), "{path}");
        response
    }

    /// The status and the body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.response(path).await;
        let status = response.status().as_u16();
        (status, String::from_utf8_lossy(&response.into_body().into_bytes().await.unwrap()).into_owned())
    }

    /// The body and the content type.
    pub(crate) async fn bytes(&self, path: &str) -> (Vec<u8>, String) {
        let response = self.response(path).await;
        let content_type = response.content_type().unwrap_or_default().to_owned();
        (response.into_body().into_vec().await.unwrap(), content_type)
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) async fn header(&self, path: &str, name: &str) -> Option<String> {
        self.response(path).await.header(name).map(str::to_owned)
    }

    /// Calls the admin API with the internal token.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path.parse().unwrap());
        let request = request.header("authorization", format!("Bearer {TOKEN}")).content_type("application/json");
        let response = self.endpoint.call(request.body(body.to_owned())).await.unwrap();
        (response.status().as_u16(), response.into_body().into_string().await.unwrap())
    }
}

pub(crate) fn config(clock: Clock) -> Config {
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", TOKEN)]);
    let config = App::configure(&mut env);
    env.finish().unwrap();
    Config { clock, ..config }
}

/// Converts the text of a price to whole cents.
pub(crate) fn cents(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * 100 + format!("{fraction}00")[..2].parse::<i64>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn prices_of_exchanges_are_close() {
    let sim = Sim::new();
    let json = async |path: &str| sim.json(path).await;
    let coinbase = cents(&json("/coinbase/products/BTC-EUR/ticker").await["price"]);
    for other in [
        cents(&json("/kraken/0/public/Ticker?pair=XBTEUR").await["result"]["XXBTZEUR"]["c"][0]),
        cents(&json("/binance/api/v3/ticker/price?symbol=BTCEUR").await["price"]),
        cents(&json("/bitstamp/api/v2/ticker/btceur").await["last"]),
        json("/bitfinex/v2/ticker/tBTCEUR").await[6].as_i64().unwrap() * 100,
        cents(&json("/gemini/v1/pubticker/btceur").await["last"]),
        cents(&json("/okx/api/v5/market/ticker?instId=BTC-EUR").await["data"][0]["last"]),
        json("/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=eur").await["bitcoin"]["eur"].as_i64().unwrap()
            * 100,
    ] {
        assert!((coinbase - other).abs() < coinbase / 300, "{coinbase} and {other}");
    }
}

#[tokio::test(start_paused = true)]
async fn kraken_uses_its_own_pair_names_in_responses() {
    let sim = Sim::new();
    let kraken = sim.json("/kraken/0/public/Ticker?pair=XBTEUR,XBTUSD,XBTCHF,USDTUSD").await;
    assert_eq!(kraken["error"], Value::Array(Vec::new()));
    let keys = kraken["result"].as_object().unwrap().keys().collect::<Vec<_>>();
    assert_eq!(keys, ["USDTZUSD", "XBTCHF", "XXBTZEUR", "XXBTZUSD"]);
    let ticker = &kraken["result"]["XXBTZEUR"];
    for (key, length) in [("a", 3), ("b", 3), ("c", 2), ("t", 2)] {
        assert_eq!(ticker[key].as_array().unwrap().len(), length, "{ticker}");
    }
    assert!(ticker["o"].is_string() && cents(&ticker["b"][0]) < cents(&ticker["a"][0]));
    assert_eq!(sim.json("/kraken/0/public/Ticker").await["result"].as_object().unwrap().len(), 23);
    let pairs = sim.json("/kraken/0/public/AssetPairs?pair=XBTUSD,XBTCHF").await;
    let dollar = &pairs["result"]["XXBTZUSD"];
    assert_eq!((&dollar["altname"], &dollar["wsname"]), (&"XBTUSD".into(), &"XBT/USD".into()));
    assert_eq!(
        (&dollar["base"], &dollar["quote"], &dollar["status"]),
        (&"XXBT".into(), &"ZUSD".into(), &"online".into())
    );
}

#[tokio::test(start_paused = true)]
async fn kraken_faults_rename_pairs_and_add_warnings() {
    let sim = Sim::new();
    sim.start_fault("kraken", r#"{"fault":"renamed"}"#);
    assert!(sim.json("/kraken/0/public/Ticker?pair=XBTEUR").await["result"]["XBTEUR"].is_object());
    sim.start_fault("kraken", r#"{"fault":"warning"}"#);
    let warned = sim.json("/kraken/0/public/Ticker?pair=XBTEUR").await;
    assert!(warned["error"][0].as_str().unwrap().starts_with('W') && warned["result"].is_object(), "{warned}");
}

#[tokio::test(start_paused = true)]
async fn coinbase_answers_with_the_time_of_the_last_trade() {
    let sim = Sim::new();
    let ticker = sim.json("/coinbase/products/USDT-USD/ticker").await;
    assert_eq!(ticker["time"], START);
    assert!(ticker["trade_id"].is_i64() && ticker["price"].as_str().unwrap().len() == 7, "{ticker}");
}

#[tokio::test(start_paused = true)]
async fn unknown_pairs_are_refused_in_the_real_format() {
    let sim = Sim::new();
    for pair in ["BTC-XYZ", "XYZ-EUR", "BTCEUR", "btc-eur"] {
        let answer = sim.get(&format!("/coinbase/products/{pair}/ticker")).await;
        assert_eq!(answer, (404, r#"{"message":"NotFound"}"#.to_owned()), "{pair}");
    }
    for pairs in ["XYZEUR", "XBTEUR,XYZEUR", ""] {
        let answer = sim.json(&format!("/kraken/0/public/Ticker?pair={pairs}")).await;
        assert_eq!(answer.to_string(), r#"{"error":["EQuery:Unknown asset pair"]}"#, "{pairs}");
    }
}

/// `Config::from_env` refuses an invalid move, so the test builds the `Config` itself.
#[tokio::test(start_paused = true)]
async fn configured_timeline_with_an_invalid_move_of_the_market_is_ignored() {
    let timeline = serde_json::from_str(r#"[{"exchange":"kraken","at_seconds":0,"fault":"down"}]"#).unwrap();
    let market = vec![MarketMove { at_seconds: 0, seconds: Some(0), change_percent: -30 }];
    let config = Config { timeline, market, ..config(Clock::starting_at(START.parse().unwrap())) };
    let (_, simulation) = endpoint(&config);
    assert!(simulation.timeline().is_empty());
}

#[test]
fn openapi_document_has_every_exchange() {
    let document = App::openapi();
    for name in crate::exchanges::NAMES {
        assert!(document.contains(&format!("\"{name}_")), "{name}");
    }
    for operation in ["list_faults", "set_fault", "end_fault", "set_timeline", "list_calls"] {
        assert!(document.contains(operation), "{operation}");
    }
}
