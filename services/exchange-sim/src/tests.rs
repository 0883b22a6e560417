//! The exchanges as a client sees them, on a port of their own.

use std::{net::SocketAddr, time::Duration};

use common::{clients::http_client, config::Env, service::Service};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::App;

const TOKEN: &str = "a token of the tests";
const COINBASE: &str = "/coinbase/products/BTC-EUR/ticker";
const KRAKEN: &str = "/kraken/0/public/Ticker?pair=XBTEUR,XBTUSD";

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        let mut env = Env::from_pairs([("INTERNAL_TOKEN", TOKEN)]);
        let config = App::configure(&mut env);
        env.finish().unwrap();
        let app = App::build(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
        let (address, stop) = (app.address().unwrap(), CancellationToken::new());
        let served = tokio::spawn(app.run_until(stop.clone()));
        Self { address, stop, served }
    }

    /// Status and body; every answer says that it is simulated.
    async fn get(&self, path: &str) -> (u16, String) {
        let response = http_client().get(format!("http://{}{path}", self.address)).send().await.unwrap();
        assert_eq!(response.headers()["x-simulated"], "true", "{path}");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn set(&self, exchange: &str, fault: &str) -> (u16, String) {
        let url = format!("http://{}/admin/faults/{exchange}", self.address);
        let request = http_client().put(url).bearer_auth(TOKEN).header("content-type", "application/json");
        let response = request.body(fault.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn fault(&self, exchange: &str, kind: &str) {
        let answer = self.set(exchange, &format!(r#"{{"fault":"{kind}","seconds":600}}"#)).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }

    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// Text to whole cents: exact, and easy to compare.
fn cents(text: &Value) -> i64 {
    let (whole, fraction) = text.as_str().unwrap().split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 100 + fraction[..2].parse::<i64>().unwrap()
}

#[tokio::test]
async fn tickers_have_the_form_of_the_real_ones_and_nearly_the_same_price() {
    let sim = Running::start().await;
    let coinbase = sim.json(COINBASE).await;
    assert!(coinbase["trade_id"].is_i64() && coinbase["time"].as_str().unwrap().ends_with('Z'), "{coinbase}");
    let kraken = sim.json(KRAKEN).await;
    assert_eq!(kraken["error"], Value::Array(Vec::new()));
    let ticker = &kraken["result"]["XXBTZEUR"];
    for (key, length) in [("a", 3), ("b", 3), ("c", 2), ("t", 2)] {
        assert_eq!(ticker[key].as_array().unwrap().len(), length, "{ticker}");
    }
    assert!(kraken["result"]["XXBTZUSD"].is_object() && ticker["o"].is_string());

    let (one, other) = (cents(&coinbase["price"]), cents(&ticker["c"][0]));
    assert!((one - other).abs() < one / 500, "{one} and {other}");
    assert!(cents(&coinbase["bid"]) < cents(&coinbase["ask"]));
    assert_eq!(sim.json("/kraken/0/public/Ticker").await["result"].as_object().unwrap().len(), 23);
    sim.stop().await;
}

#[tokio::test]
async fn unknown_pairs_are_refused_as_the_real_ones_do() {
    let sim = Running::start().await;
    for pair in ["BTC-XYZ", "XYZ-EUR", "BTCEUR", "btc-eur"] {
        let answer = sim.get(&format!("/coinbase/products/{pair}/ticker")).await;
        assert_eq!(answer, (404, r#"{"message":"NotFound"}"#.to_owned()), "{pair}");
    }
    for pairs in ["XYZEUR", "XBTEUR,XYZEUR", ""] {
        let answer = sim.json(&format!("/kraken/0/public/Ticker?pair={pairs}")).await;
        assert_eq!(answer.to_string(), r#"{"error":["EQuery:Unknown asset pair"]}"#, "{pairs}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn faults_look_as_they_do_in_the_wild_and_concern_one_exchange() {
    let sim = Running::start().await;
    for (kind, coinbase, kraken) in [
        ("error_500", (500, "Internal server error"), (500, "<h1>")),
        ("html_520", (520, "<html"), (520, "<html")),
        ("rate_limited", (429, "rate limit"), (200, "EGeneral:Too many requests")),
        ("error_in_200", (200, "message"), (200, "EService:Unavailable")),
    ] {
        for (exchange, path, (status, text)) in [("coinbase", COINBASE, coinbase), ("kraken", KRAKEN, kraken)] {
            sim.fault(exchange, kind).await;
            let answer = sim.get(path).await;
            assert!(answer.0 == status && answer.1.contains(text), "{exchange} {kind}: {answer:?}");
        }
    }
    sim.fault("coinbase", "garbled").await;
    let (status, body) = sim.get(COINBASE).await;
    assert!(status == 200 && body.starts_with('{') && serde_json::from_str::<Value>(&body).is_err(), "{body}");

    let request = http_client().delete(format!("http://{}/admin/faults/kraken", sim.address)).bearer_auth(TOKEN);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 204);
    assert!(sim.json(KRAKEN).await["result"].is_object());
    sim.stop().await;
}

#[tokio::test]
async fn down_is_no_answer_and_slow_is_none_in_time() {
    let sim = Running::start().await;
    let url = format!("http://{}{COINBASE}", sim.address);
    sim.fault("coinbase", "down").await;
    let whole = async { http_client().get(&url).send().await?.text().await };
    assert!(whole.await.is_err());
    sim.fault("coinbase", "slow").await;
    let in_time = http_client().get(&url).timeout(Duration::from_millis(300)).send().await;
    assert!(in_time.unwrap_err().is_timeout());
    sim.stop().await;
}

#[tokio::test]
async fn a_frozen_exchange_repeats_itself_and_a_lying_one_is_off_by_its_factor() {
    let sim = Running::start().await;
    sim.fault("coinbase", "frozen").await;
    let first = sim.json(COINBASE).await;
    assert_eq!(sim.json(COINBASE).await, first);

    let honest = cents(&sim.json(KRAKEN).await["result"]["XXBTZEUR"]["c"][0]);
    let answer = sim.set("kraken", r#"{"fault":"lie_factor","factor":"2.5"}"#).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    let lie = &sim.json(KRAKEN).await["result"]["XXBTZEUR"];
    assert!((cents(&lie["c"][0]) - honest * 5 / 2).abs() < honest / 100, "{lie}");
    assert!(cents(&lie["b"][0]) < cents(&lie["a"][0]), "{lie}");
    sim.stop().await;
}

#[tokio::test]
async fn faults_are_set_by_our_own_and_what_makes_no_sense_is_named() {
    let sim = Running::start().await;
    assert_eq!(sim.get("/admin/faults").await.0, 401);
    assert_eq!(sim.set("mtgox", r#"{"fault":"down"}"#).await.0, 404);
    for (fault, named) in [
        (r#"{"fault":"sulky"}"#, "fault"),
        (r#"{"fault":"down","seconds":0}"#, "seconds"),
        (r#"{"fault":"lie_factor","factor":"0"}"#, "factor"),
        (r#"{"fault":"down","second":1}"#, "second"),
    ] {
        let answer = sim.set("kraken", fault).await;
        assert!(answer.0 == 422 && answer.1.contains(named), "{fault}: {answer:?}");
    }
    let url = format!("http://{}/admin/faults", sim.address);
    let list = async || http_client().get(&url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    assert!(list().await.contains(r#""faults":[]"#));
    sim.fault("kraken", "slow").await;
    let faults = list().await;
    assert!(faults.contains(r#""exchange":"kraken","fault":"slow""#) && !faults.contains("factor"), "{faults}");
    sim.stop().await;
}

#[test]
fn the_documentation_shows_every_exchange() {
    let document = App::openapi();
    for operation in ["coinbase_ticker", "kraken_ticker", "list_faults", "set_fault", "end_fault"] {
        assert!(document.contains(operation), "{operation}");
    }
}
