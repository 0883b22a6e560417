use crate::tests::Sim;

const PATH: &str = "/coingecko/api/v3/simple/price";

#[tokio::test(start_paused = true)]
async fn unknown_coins_and_currencies_are_omitted() {
    let sim = Sim::new();
    let query = "ids=bitcoin,tether,dogecoin&vs_currencies=usd,rub,xyz";
    let price = sim.json(&format!("{PATH}?{query}&include_last_updated_at=true&precision=full")).await;
    assert_eq!(price.as_object().unwrap().keys().collect::<Vec<_>>(), ["bitcoin", "tether"]);
    assert_eq!(price["bitcoin"].as_object().unwrap().keys().collect::<Vec<_>>(), ["last_updated_at", "rub", "usd"]);
    assert!(price["bitcoin"]["rub"].as_f64().unwrap() > 7e6 && price["tether"]["usd"].is_number(), "{price}");
    let rounded = sim.json(&format!("{PATH}?ids=bitcoin&vs_currencies=usd")).await;
    assert!(rounded["bitcoin"]["usd"].is_i64() && rounded["bitcoin"].get("last_updated_at").is_none(), "{rounded}");
    let markets = sim.json("/coingecko/api/v3/coins/markets?vs_currency=rub&ids=bitcoin,tether&order=id_asc").await;
    assert!(markets[0]["current_price"].is_i64() && markets[1]["symbol"] == "usdt", "{markets}");
    assert_eq!(sim.get(&format!("{PATH}?ids=bitcoin")).await.0, 422);
}

#[tokio::test(start_paused = true)]
async fn prices_refresh_once_a_minute() {
    let sim = Sim::new();
    let path = format!("{PATH}?ids=bitcoin&vs_currencies=usd&include_last_updated_at=true&precision=2");
    let first = sim.json(&path).await;
    sim.advance(5).await;
    assert_eq!(sim.json(&path).await, first);
    sim.advance(60).await;
    assert_ne!(sim.json(&path).await, first);
}

#[tokio::test(start_paused = true)]
async fn refusal_above_the_rate_limit_has_a_retry_after() {
    let sim = Sim::new();
    let path = format!("{PATH}?ids=bitcoin&vs_currencies=usd");
    for _ in 0..10 {
        assert_eq!(sim.get(&path).await.0, 200);
    }
    let (status, body) = sim.get(&path).await;
    assert!(status == 429 && body.starts_with(r#"{"status":{"error_code":429,"#), "{body}");
    assert_eq!(sim.header(&path, "retry-after").await.unwrap(), "60");
}
