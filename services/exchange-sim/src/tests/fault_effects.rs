//! Every fault at every exchange, as a client sees it.

use serde_json::Value;
use tokio::time::Instant;

use super::{Sim, cents};
use crate::FaultKind;

/// One path of each exchange.
const PATHS: [(&str, &str); 12] = [
    ("binance", "/binance/api/v3/ticker/bookTicker?symbol=BTCUSDT"),
    ("bitfinex", "/bitfinex/v2/ticker/tBTCUSD"),
    ("bitstamp", "/bitstamp/api/v2/ticker/btcusd/"),
    ("blockchain_info", "/blockchain_info/ticker"),
    ("cbr", "/cbr/scripts/XML_daily.asp"),
    ("coinbase", "/coinbase/products/BTC-USD/ticker"),
    ("coingecko", "/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&include_last_updated_at=true"),
    ("ecb", "/ecb/stats/eurofxref/eurofxref-daily.xml"),
    ("frankfurter", "/frankfurter/v1/latest?base=EUR"),
    ("gemini", "/gemini/v1/pubticker/btcusd"),
    ("kraken", "/kraken/0/public/Ticker?pair=XBTUSD"),
    ("okx", "/okx/api/v5/market/ticker?instId=BTC-USDT"),
];
const COINBASE: (&str, &str) = PATHS[5];
const OKX: (&str, &str) = PATHS[11];
const WITH_FIXINGS: [&str; 3] = ["cbr", "ecb", "frankfurter"];

async fn get_with_fault(name: &str, path: &str, fault: &str) -> (u16, String) {
    let sim = Sim::new();
    sim.start_fault(name, fault);
    sim.get(path).await
}

#[tokio::test(start_paused = true)]
async fn each_error_fault_has_the_expected_status_and_body() {
    for (name, path) in PATHS {
        let usual = Sim::new().get(path).await;
        assert_eq!(usual.0, 200, "{name}: {}", usual.1);
        let get = async |kind: &str| get_with_fault(name, path, &format!(r#"{{"fault":"{kind}"}}"#)).await;
        assert_eq!(get("error_500").await.0, 500, "{name}");
        let html = get("html_520").await;
        assert!(html.0 == 520 && html.1.starts_with("<!DOCTYPE html>"), "{name}: {html:?}");
        for kind in ["error_in_200", "odd_error", "renamed"] {
            let answer = get(kind).await;
            // A single ticker of Bitfinex has neither keys nor a symbol, so the fault `renamed` does not change it.
            assert!(answer.1 != usual.1 || (name, kind) == ("bitfinex", "renamed"), "{name}: {kind}");
            assert!(kind == "odd_error" || answer.0 == 200, "{name}: {kind} {answer:?}");
        }
        // The length is not checked for `cbr`, because decoding its windows-1251 body as UTF-8 changes the length.
        let garbled = get("garbled").await;
        assert!(garbled.0 == 200 && garbled.1.len() == usual.1.len() / 2 || name == "cbr", "{name}: {garbled:?}");
        assert_eq!(get("empty").await, (200, String::new()), "{name}");
        // Kraken reports an exceeded rate limit with status 200.
        assert_eq!(get("rate_limited").await.0 == 429, name != "kraken", "{name}");
        assert_eq!(get("rate_limited_silently").await.0 == 429, name != "kraken", "{name}");
        assert_eq!(get("ip_banned").await.0, if name == "binance" { 418 } else { 429 }, "{name}");
        assert_eq!(get("warning").await.0, 200, "{name}");
        for kind in ["silent", "heartbeat_only", "out_of_order", "cut", "restart_notice"] {
            assert_eq!(get(kind).await, usual, "{name}: {kind} affects only WebSockets");
        }
    }
    assert_eq!(get_with_fault("okx", OKX.1, r#"{"fault":"html_520","status":403}"#).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn price_faults_change_the_answer() {
    for (name, path) in PATHS {
        let usual = Sim::new().get(path).await;
        let get = async |fault: &str| {
            let answer = get_with_fault(name, path, fault).await;
            assert_ne!(answer, usual, "{name}: {fault}");
            answer
        };
        let (_, null) = get(r#"{"fault":"null_price"}"#).await;
        assert!(
            null.contains("null") || null.contains("rate=''") || null.contains("<Value></Value>"),
            "{name}: {null}"
        );
        assert!(get(r#"{"fault":"negative_price"}"#).await.1.contains('-'), "{name}");
        get(r#"{"fault":"lie_factor"}"#).await;
        get(r#"{"fault":"other_currency"}"#).await;
        get(r#"{"fault":"unlisted"}"#).await;
        for form in ["thousands", "decimal_comma", "exponent", "integer"] {
            let answer =
                get_with_fault(name, path, &format!(r#"{{"fault":"odd_numbers","number_form":"{form}"}}"#)).await;
            // These exchanges usually write whole prices without a fraction.
            let unchanged = form == "integer" && ["bitfinex", "bitstamp", "coingecko"].contains(&name);
            assert_eq!(answer.1 == usual.1, unchanged, "{name}: {form} {}", answer.1);
        }
        if !WITH_FIXINGS.contains(&name) && !["blockchain_info", "coingecko"].contains(&name) {
            get(r#"{"fault":"crossed_book"}"#).await;
            get(r#"{"fault":"zero_bid"}"#).await;
            get(r#"{"fault":"halted"}"#).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn time_faults_change_answers_that_have_times() {
    for (name, path) in PATHS {
        let usual = Sim::new().get(path).await.1;
        let without_times = ["binance", "bitfinex", "blockchain_info", "kraken"].contains(&name);
        let skewed = get_with_fault(name, path, r#"{"fault":"clock_skew","skew_seconds":-86400}"#).await.1;
        assert_eq!(skewed == usual, without_times, "{name}: {skewed}");
        for form in ["seconds", "millis", "micros", "absent"] {
            let odd = get_with_fault(name, path, &format!(r#"{{"fault":"odd_times","time_form":"{form}"}}"#)).await.1;
            let usual_form = match form {
                "seconds" => ["bitstamp", "coingecko"].contains(&name),
                "millis" => ["gemini", "okx"].contains(&name),
                _ => false,
            };
            assert_eq!(odd == usual, without_times || usual_form, "{name}: {form} {odd}");
        }
        let old = get_with_fault(name, path, r#"{"fault":"old_fixing","days":9}"#).await.1;
        assert_eq!(old != usual, WITH_FIXINGS.contains(&name), "{name}: {old}");
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_prices_change_again_after_the_fault() {
    let sim = Sim::new();
    for (name, _) in PATHS {
        sim.start_fault(name, r#"{"fault":"frozen","seconds":80000}"#);
    }
    let mut first = Vec::new();
    for (_, path) in PATHS {
        first.push(sim.get(path).await);
    }
    sim.advance(79_999).await;
    for ((name, path), first) in PATHS.into_iter().zip(first) {
        assert_eq!(sim.get(path).await, first, "{name}");
    }
    for (name, path) in PATHS {
        let before = sim.get(path).await;
        sim.advance(7 * 86_400).await;
        assert_ne!(sim.get(path).await, before, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_of_one_pair_does_not_affect_other_pairs() {
    let sim = Sim::new();
    let all = async || sim.json("/kraken/0/public/Ticker?pair=XBTUSD,XBTEUR").await["result"].clone();
    let usual = all().await;
    sim.start_fault("kraken", r#"{"fault":"lie_factor","factor":"2.5","direction":"BTC-EUR"}"#);
    let multiplied = all().await;
    assert_eq!(multiplied["XXBTZUSD"], usual["XXBTZUSD"]);
    let [multiplied, usual] = [multiplied, usual].map(|all| cents(&all["XXBTZEUR"]["c"][0]));
    assert!((multiplied - usual * 5 / 2).abs() < usual / 100, "{multiplied} {usual}");
    sim.start_fault("kraken", r#"{"fault":"crossed_book","direction":"BTC-EUR"}"#);
    let crossed = all().await;
    assert!(cents(&crossed["XXBTZEUR"]["b"][0]) > cents(&crossed["XXBTZEUR"]["a"][0]), "{crossed}");
    sim.start_fault("kraken", r#"{"fault":"unlisted","direction":"BTC-EUR"}"#);
    let batch = sim.json("/kraken/0/public/Ticker?pair=XBTUSD,XBTEUR").await;
    assert_eq!(batch["error"][0], "EQuery:Unknown asset pair");
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_the_configured_time() {
    let sim = Sim::new();
    let (name, path) = COINBASE;
    for (fault, seconds) in [(r#"{"fault":"slow"}"#, 20), (r#"{"fault":"slow","latency_millis":3000}"#, 3)] {
        sim.start_fault(name, fault);
        let start = Instant::now();
        assert_eq!(sim.get(path).await.0, 200);
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    sim.start_fault(name, r#"{"fault":"slow_loris"}"#);
    let start = Instant::now();
    let (_, body) = sim.get(path).await;
    assert_eq!(start.elapsed().as_secs(), u64::try_from(body.len()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn throttled_answers_take_at_most_25_seconds() {
    let sim = Sim::new();
    let (name, path) = COINBASE;
    for (latency_millis, expected_seconds) in [(1_000, [1, 2, 3, 4, 5]), (10_000, [10, 20, 25, 25, 25])] {
        sim.start_fault(name, &format!(r#"{{"fault":"throttled","seconds":600,"latency_millis":{latency_millis}}}"#));
        for seconds in expected_seconds {
            let start = Instant::now();
            assert_eq!(sim.get(path).await.0, 200);
            assert_eq!(start.elapsed().as_secs(), seconds, "{latency_millis}");
        }
        assert_eq!(sim.get(path).await.0, 429);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_loris_and_endless_answers_have_the_usual_headers() {
    let sim = Sim::new();
    let (name, path) = PATHS[0];
    for kind in ["slow_loris", "endless"] {
        sim.start_fault(name, &format!(r#"{{"fault":"{kind}","seconds":600}}"#));
        let weight = sim.header(path, "x-mbx-used-weight-1m").await;
        assert!(weight.is_some_and(|weight| weight.parse::<u32>().unwrap() > 0), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn endless_answer_is_valid_json_of_64_mib() {
    let sim = Sim::new();
    let (name, path) = COINBASE;
    sim.start_fault(name, r#"{"fault":"endless"}"#);
    let (status, body) = sim.get(path).await;
    assert_eq!((status, body.len() >> 20), (200, 64));
    assert!(serde_json::from_str::<Value>(&body).unwrap()["price"].is_string());
}

#[tokio::test(start_paused = true)]
async fn exchange_that_is_down_sends_no_answer() {
    let sim = Sim::new();
    let (name, path) = COINBASE;
    sim.start_fault(name, r#"{"fault":"down"}"#);
    assert!(sim.response(path).await.into_body().into_bytes().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_fault_can_be_set_at_every_exchange() {
    let sim = Sim::new();
    for (name, _) in PATHS {
        for kind in FaultKind::ALL {
            sim.start_fault(name, &format!(r#"{{"fault":"{}"}}"#, kind.as_str()));
            assert_eq!(sim.simulation.faults.active(name, sim.now()).unwrap().kind, *kind);
        }
    }
    assert_eq!(PATHS.map(|(name, _)| name), crate::exchanges::NAMES);
}

#[tokio::test(start_paused = true)]
async fn calls_above_the_limit_are_refused_only_with_enforced_limits() {
    for enforce_rate_limits in [true, false] {
        let (endpoint, simulation) = crate::endpoint(&crate::Config {
            enforce_rate_limits,
            ..super::config(common::time::Clock::starting_at(super::START.parse().unwrap()))
        });
        let sim = Sim { endpoint, simulation };
        let mut refused = 0;
        for _ in 0..40 {
            refused += u32::from(sim.get(OKX.1).await.0 == 429);
        }
        assert_eq!(refused > 0, enforce_rate_limits);
    }
}
