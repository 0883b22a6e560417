use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn each_row_of_a_list_of_tickers_starts_with_the_symbol() {
    let sim = Sim::new();
    let ticker = sim.json("/bitfinex/v2/ticker/tBTCUSD").await;
    assert_eq!(ticker.as_array().unwrap().len(), 10);
    assert!(ticker[6].as_i64().unwrap() > 80_000, "{ticker}");
    let list = sim.json("/bitfinex/v2/tickers?symbols=tBTCUSD,tUSTUSD,tXYZUSD").await;
    assert_eq!((list.as_array().unwrap().len(), list[0].as_array().unwrap().len()), (2, 11));
    assert_eq!((&list[0][0], &list[0][7]), (&"tBTCUSD".into(), &ticker[6]));
    assert_eq!(list[1][0], "tUSTUSD");
    assert!(sim.json("/bitfinex/v2/tickers?symbols=ALL").await.as_array().unwrap().len() == PAIRS.len());
    let unknown = sim.get("/bitfinex/v2/ticker/tXYZUSD").await;
    assert_eq!(unknown, (500, r#"["error",10020,"symbol: invalid"]"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn more_than_ninety_calls_a_minute_cause_a_ban_of_a_minute_without_retry_after() {
    let sim = Sim::new();
    for _ in 0..90 {
        assert_eq!(sim.get("/bitfinex/v2/ticker/tBTCUSD").await.0, 200);
    }
    assert_eq!(sim.get("/bitfinex/v2/ticker/tBTCUSD").await.0, 429);
    assert_eq!(sim.header("/bitfinex/v2/ticker/tBTCUSD", "retry-after").await, None);
    assert_eq!(sim.calls(NAME).inside_silent_block, 1);
    sim.advance(60).await;
    assert_eq!(sim.get("/bitfinex/v2/ticker/tBTCUSD").await.0, 200);
}
