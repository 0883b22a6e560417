use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn ticker_has_its_time_among_the_volumes() {
    let sim = Sim::new();
    let ticker = sim.json("/gemini/v1/pubticker/btceur").await;
    assert_eq!(ticker["volume"]["timestamp"], sim.now().micros() / 1_000);
    assert!(
        ticker["volume"]["BTC"].is_string() && ticker["volume"]["EUR"].is_string() && ticker["bid"].is_string(),
        "{ticker}"
    );
    let feed = sim.json("/gemini/v1/pricefeed").await;
    let pair = feed.as_array().unwrap().iter().find(|row| row["pair"] == "BTCEUR").unwrap();
    assert!(pair["price"] == ticker["last"] && pair["percentChange24h"].is_string(), "{pair}");
    let (status, body) = sim.get("/gemini/v1/pubticker/btcrub").await;
    assert!(status == 400 && body.starts_with(r#"{"result":"error","reason":"InvalidSymbol""#), "{body}");
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_delayed_and_then_refused() {
    let sim = Sim::new();
    sim.start_fault(NAME, r#"{"fault":"throttled","seconds":600}"#);
    let start = tokio::time::Instant::now();
    for calls in 1..=5 {
        assert_eq!(sim.get("/gemini/v1/pricefeed").await.0, 200);
        assert_eq!(start.elapsed().as_secs(), calls * (calls + 1) / 2);
    }
    assert_eq!(sim.get("/gemini/v1/pricefeed").await.0, 429);
}
