use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn every_listed_currency_has_a_row() {
    let sim = Sim::new();
    let ticker = sim.json("/blockchain_info/ticker").await;
    assert_eq!(ticker.as_object().unwrap().len(), CURRENCIES.len());
    let row = &ticker["RUB"];
    assert!(["15m", "last", "buy", "sell"].iter().all(|key| row[key].is_number()) && row["symbol"] == "RUB", "{row}");
    assert_ne!(row["15m"], row["last"]);
    sim.start_fault(NAME, r#"{"fault":"unlisted","direction":"BTC-RUB"}"#);
    assert!(sim.json("/blockchain_info/ticker").await.get("RUB").is_none());
}

#[tokio::test(start_paused = true)]
async fn number_faults_change_the_format_of_prices() {
    let sim = Sim::new();
    sim.start_fault(NAME, r#"{"fault":"odd_numbers","number_form":"thousands"}"#);
    let ticker = sim.json("/blockchain_info/ticker").await;
    assert_eq!(&ticker["USD"]["last"].as_str().unwrap()[2..3], ",");
    sim.start_fault(NAME, r#"{"fault":"null_price","direction":"BTC-EUR"}"#);
    let ticker = sim.json("/blockchain_info/ticker").await;
    assert!(ticker["EUR"]["last"].is_null() && ticker["USD"]["last"].is_number());
}
