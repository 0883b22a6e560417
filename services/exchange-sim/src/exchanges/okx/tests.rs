use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn ticker_values_are_strings_and_errors_have_a_code() {
    let sim = Sim::new();
    let reply = sim.json("/okx/api/v5/market/ticker?instId=BTC-USDT").await;
    assert_eq!((&reply["code"], &reply["msg"]), (&"0".into(), &"".into()));
    let ticker = reply["data"][0].as_object().unwrap();
    assert_eq!(ticker.len(), 16);
    assert!(ticker.values().all(serde_json::Value::is_string), "{reply}");
    assert_eq!(ticker["ts"], (sim.now().micros() / 1_000).to_string());
    assert!(ticker.contains_key("sodUtc0") && ticker.contains_key("high24h") && ticker.contains_key("volCcy24h"));
    let all = sim.json("/okx/api/v5/market/tickers?instType=SPOT").await;
    assert_eq!(all["data"].as_array().unwrap().len(), PAIRS.len());
    let unknown = sim.json("/okx/api/v5/market/ticker?instId=BTC-RUB").await;
    assert_eq!((&unknown["code"], &unknown["data"]), (&"51001".into(), &serde_json::json!([])));
    assert_eq!(sim.get("/okx/api/v5/market/tickers?instType=SWAP").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn errors_have_three_formats() {
    let sim = Sim::new();
    let path = "/okx/api/v5/market/ticker?instId=BTC-USDT";
    for (fault, status, body) in [
        ("rate_limited", 429, r#"{"msg":"Too Many Requests","code":"50011"}"#),
        ("odd_error", 404, r#"{"code":404,"data":{},"#),
        ("error_in_200", 200, r#"{"code":"50001","#),
    ] {
        sim.start_fault(NAME, &format!(r#"{{"fault":"{fault}"}}"#));
        let answer = sim.get(path).await;
        assert!(answer.0 == status && answer.1.starts_with(body), "{answer:?}");
    }
    sim.start_fault(NAME, r#"{"fault":"zero_bid"}"#);
    assert_eq!(sim.json(path).await["data"][0]["bidPx"], "");
}
