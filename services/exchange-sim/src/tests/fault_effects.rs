//! Every fault at every exchange: it looks as it does in the wild.

use serde_json::Value;
use tokio::time::Instant;

use super::{Sim, cents};
use crate::FaultKind;

/// A question to each, with the numbers in its answer that are prices.
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
const BANKS: [&str; 3] = ["cbr", "ecb", "frankfurter"];

async fn with(name: &str, path: &str, fault: &str) -> (u16, String) {
    let sim = Sim::new();
    sim.fault(name, fault);
    sim.get(path).await
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_status_that_each_exchange_gives_them() {
    for (name, path) in PATHS {
        let honest = Sim::new().get(path).await;
        assert_eq!(honest.0, 200, "{name}: {}", honest.1);
        let get = async |kind: &str| with(name, path, &format!(r#"{{"fault":"{kind}"}}"#)).await;
        assert_eq!(get("error_500").await.0, 500, "{name}");
        let html = get("html_520").await;
        assert!(html.0 == 520 && html.1.starts_with("<!DOCTYPE html>"), "{name}: {html:?}");
        for kind in ["error_in_200", "odd_error", "renamed"] {
            let answer = get(kind).await;
            // Bitfinex's places have no names.
            assert!(answer.1 != honest.1 || (name, kind) == ("bitfinex", "renamed"), "{name}: {kind}");
            assert!(kind == "odd_error" || answer.0 == 200, "{name}: {kind} {answer:?}");
        }
        let garbled = get("garbled").await;
        assert!(garbled.0 == 200 && garbled.1.len() == honest.1.len() / 2 || name == "cbr", "{name}: {garbled:?}");
        assert_eq!(get("empty").await, (200, String::new()), "{name}");
        // What says it with status 200 is Kraken alone.
        assert_eq!(get("rate_limited").await.0 == 429, name != "kraken", "{name}");
        assert_eq!(get("rate_limited_silently").await.0 == 429, name != "kraken", "{name}");
        assert_eq!(get("ip_banned").await.0, if name == "binance" { 418 } else { 429 }, "{name}");
        assert_eq!(get("warning").await.0, 200, "{name}");
        for kind in ["silent", "heartbeat_only", "out_of_order", "cut", "restart_notice"] {
            assert_eq!(get(kind).await, honest, "{name}: {kind} is of websockets alone");
        }
    }
    assert_eq!(with("okx", PATHS[11].1, r#"{"fault":"html_520","status":403}"#).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn prices_are_wrong_in_every_way() {
    for (name, path) in PATHS {
        let honest = Sim::new().get(path).await;
        let get = async |fault: &str| {
            let answer = with(name, path, fault).await;
            assert_ne!(answer, honest, "{name}: {fault}");
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
            let answer = with(name, path, &format!(r#"{{"fault":"odd_numbers","number_form":"{form}"}}"#)).await;
            // Where numbers have commas anyway, the odd ones have points; and some are whole anyway.
            let plain = form == "integer" && ["bitfinex", "bitstamp", "coingecko"].contains(&name);
            assert_eq!(answer.1 == honest.1, plain, "{name}: {form} {}", answer.1);
        }
        if !BANKS.contains(&name) && !["blockchain_info", "coingecko"].contains(&name) {
            get(r#"{"fault":"crossed_book"}"#).await;
            get(r#"{"fault":"zero_bid"}"#).await;
            get(r#"{"fault":"halted"}"#).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn times_are_told_otherwise_where_there_are_any() {
    for (name, path) in PATHS {
        let honest = Sim::new().get(path).await.1;
        let timeless = ["binance", "bitfinex", "blockchain_info", "kraken"].contains(&name);
        let skewed = with(name, path, r#"{"fault":"clock_skew","skew_seconds":-86400}"#).await.1;
        assert_eq!(skewed == honest, timeless, "{name}: {skewed}");
        for form in ["seconds", "millis", "micros", "absent"] {
            let odd = with(name, path, &format!(r#"{{"fault":"odd_times","time_form":"{form}"}}"#)).await.1;
            let usual = match form {
                "seconds" => ["bitstamp", "coingecko"].contains(&name),
                "millis" => ["gemini", "okx"].contains(&name),
                _ => false,
            };
            assert_eq!(odd == honest, timeless || usual, "{name}: {form} {odd}");
        }
        let old = with(name, path, r#"{"fault":"old_fixing","days":9}"#).await.1;
        assert_eq!(old != honest, BANKS.contains(&name), "{name}: {old}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_frozen_stands_still_and_the_others_go_on() {
    let sim = Sim::new();
    for (name, _) in PATHS {
        sim.fault(name, r#"{"fault":"frozen","seconds":80000}"#);
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
async fn a_fault_of_one_direction_leaves_the_others() {
    let sim = Sim::new();
    let all = async || sim.json("/kraken/0/public/Ticker?pair=XBTUSD,XBTEUR").await["result"].clone();
    let honest = all().await;
    sim.fault("kraken", r#"{"fault":"lie_factor","factor":"2.5","direction":"BTC-EUR"}"#);
    let lie = all().await;
    assert_eq!(lie["XXBTZUSD"], honest["XXBTZUSD"]);
    let [lie, honest] = [lie, honest].map(|all| cents(&all["XXBTZEUR"]["c"][0]));
    assert!((lie - honest * 5 / 2).abs() < honest / 100, "{lie} {honest}");
    sim.fault("kraken", r#"{"fault":"crossed_book","direction":"BTC-EUR"}"#);
    let crossed = all().await;
    assert!(cents(&crossed["XXBTZEUR"]["b"][0]) > cents(&crossed["XXBTZEUR"]["a"][0]), "{crossed}");
    sim.fault("kraken", r#"{"fault":"unlisted","direction":"BTC-EUR"}"#);
    let batch = sim.json("/kraken/0/public/Ticker?pair=XBTUSD,XBTEUR").await;
    assert_eq!(batch["error"][0], "EQuery:Unknown asset pair");
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_their_time_on_any_clock() {
    let sim = Sim::new();
    let (name, path) = PATHS[5];
    for (fault, seconds) in [(r#"{"fault":"slow"}"#, 20), (r#"{"fault":"slow","latency_millis":3000}"#, 3)] {
        sim.fault(name, fault);
        let start = Instant::now();
        assert_eq!(sim.get(path).await.0, 200);
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    sim.fault(name, r#"{"fault":"slow_loris"}"#);
    let start = Instant::now();
    let (_, body) = sim.get(path).await;
    assert_eq!(start.elapsed().as_secs(), u64::try_from(body.len()).unwrap());
    sim.fault(name, r#"{"fault":"endless"}"#);
    let (status, body) = sim.get(path).await;
    assert_eq!((status, body.len() >> 20), (200, 64));
    assert!(serde_json::from_str::<Value>(&body).unwrap()["price"].is_string());
    sim.fault(name, r#"{"fault":"down"}"#);
    assert!(sim.response(path).await.into_body().into_bytes().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn every_kind_can_be_ordered_at_every_exchange() {
    let sim = Sim::new();
    for (name, _) in PATHS {
        for kind in FaultKind::ALL {
            sim.fault(name, &format!(r#"{{"fault":"{}"}}"#, kind.as_str()));
            assert_eq!(sim.world.faults.active(name, sim.now()).unwrap().kind, *kind);
        }
    }
    assert_eq!(PATHS.map(|(name, _)| name), crate::exchanges::NAMES);
}

#[tokio::test(start_paused = true)]
async fn without_limits_nobody_is_refused_for_calling_often() {
    for limits in [true, false] {
        let (endpoint, world) = crate::endpoint(&crate::Config {
            limits,
            ..super::config(common::time::Clock::starting_at(super::START.parse().unwrap()))
        });
        let sim = Sim { endpoint, world };
        let mut refused = 0;
        for _ in 0..40 {
            refused += u32::from(sim.get(PATHS[11].1).await.0 == 429);
        }
        assert_eq!(refused > 0, limits);
    }
}
