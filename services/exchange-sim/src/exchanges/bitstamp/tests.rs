use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn only_rows_of_the_list_name_their_pair() {
    let sim = Sim::new();
    let ticker = sim.json("/bitstamp/api/v2/ticker/btcusd/").await;
    assert_eq!(ticker["timestamp"], (sim.now().micros() / 1_000_000).to_string());
    assert!(
        ticker["last"].as_str().unwrap().parse::<u32>().unwrap() > 80_000 && ticker.get("pair").is_none(),
        "{ticker}"
    );
    let list = sim.json("/bitstamp/api/v2/ticker/").await;
    assert_eq!((list[0]["pair"].as_str().unwrap(), list.as_array().unwrap().len()), ("BTC/USD", PAIRS.len()));
    assert_eq!(list[0]["last"], ticker["last"]);
    assert_eq!(sim.get("/bitstamp/api/v2/ticker/btcrub/").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn unlisted_pair_is_missing_from_the_list() {
    let sim = Sim::new();
    sim.start_fault(NAME, r#"{"fault":"unlisted","direction":"BTC-USD"}"#);
    assert_eq!(sim.json("/bitstamp/api/v2/ticker").await[0]["pair"], "BTC/EUR");
    assert_eq!(sim.get("/bitstamp/api/v2/ticker/btcusd").await.0, 404);
}
