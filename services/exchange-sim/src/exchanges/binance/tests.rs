use super::*;
use crate::tests::Sim;

const PRICE: &str = "/binance/api/v3/ticker/price";
const BOOK: &str = "/binance/api/v3/ticker/bookTicker";
const LISTED_AND_DELISTED: &str = "symbols=%5B%22BTCUSDT%22,%22BTCGBP%22%5D";

#[tokio::test(start_paused = true)]
async fn reply_is_an_object_for_one_pair_and_a_list_for_several_pairs() {
    let sim = Sim::new();
    let price = sim.json(&format!("{PRICE}?symbol=BTCUSDT")).await;
    assert_eq!(price["symbol"], "BTCUSDT");
    assert_eq!(price["price"].as_str().unwrap().split_once('.').unwrap().1.len(), 8, "{price}");
    let book = sim.json(&format!("{BOOK}?symbols=%5B%22BTCUSDT%22,%22EURUSDT%22%5D")).await;
    assert_eq!(book.as_array().unwrap().len(), 2);
    let keys: Vec<_> = book[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["askPrice", "askQty", "bidPrice", "bidQty", "symbol"]);
    assert!(sim.json(PRICE).await.as_array().unwrap().len() > 10);
    let average = sim.json("/binance/api/v3/avgPrice?symbol=BTCUSDT").await;
    assert!(average["mins"] == 5 && average["closeTime"].as_i64().unwrap() == sim.now().micros() / 1_000);
}

#[tokio::test(start_paused = true)]
async fn unknown_pair_and_wrong_parameters_are_refused() {
    let sim = Sim::new();
    let (status, body) = sim.get(&format!("{PRICE}?symbols=%5B%22BTCUSDT%22,%22XYZ%22%5D")).await;
    assert_eq!((status, body.as_str()), (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#));
    for wrong in ["symbol=BTCUSDT&symbols=%5B%5D", "symbols=BTCUSDT", "symbol=BTCUSDT&symbolStatus=OPEN"] {
        assert_eq!(sim.get(&format!("{PRICE}?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn delisted_pair_is_served_unless_the_call_requires_the_status_trading() {
    let sim = Sim::new();
    // The price is constant: two fifths of the simulated market price at a time in May 2023.
    let old = sim.json(&format!("{PRICE}?symbol=BTCGBP")).await;
    assert!(old["price"].as_str().unwrap().starts_with('2'), "{old}");
    let trading = sim.json(&format!("{PRICE}?{LISTED_AND_DELISTED}&symbolStatus=TRADING")).await;
    assert_eq!(trading.as_array().unwrap().len(), 1);
    let (status, body) = sim.get(&format!("{BOOK}?symbol=BTCGBP&symbolStatus=TRADING")).await;
    assert!(status == 400 && body.contains("-1220"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn halted_pair_is_omitted_if_the_call_requires_the_status_trading() {
    let sim = Sim::new();
    sim.start_fault(NAME, r#"{"fault":"halted","direction":"BTC-USDT"}"#);
    let book = sim.json(&format!("{BOOK}?symbol=BTCUSDT")).await;
    assert_eq!((&book["bidPrice"], &book["askQty"]), (&"0.00000000".into(), &"0.00000000".into()));
    let trading = sim.json(&format!("{PRICE}?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D&symbolStatus=TRADING")).await;
    assert_eq!(trading[0]["symbol"], "ETHUSDT");
}

#[tokio::test(start_paused = true)]
async fn used_weight_is_reported() {
    let sim = Sim::new();
    let path = format!("{PRICE}?symbol=BTCUSDT");
    assert_eq!(sim.header(&path, "x-mbx-used-weight-1m").await.unwrap(), "2");
    assert_eq!(sim.header(PRICE, "x-mbx-used-weight-1m").await.unwrap(), "6");
}

#[tokio::test(start_paused = true)]
async fn calls_after_a_refusal_prolong_the_ban() {
    let sim = Sim::new();
    let path = format!("{PRICE}?symbol=BTCUSDT");
    sim.start_fault(NAME, r#"{"fault":"rate_limited","retry_after":30,"seconds":1}"#);
    let (status, body) = sim.get(&path).await;
    assert!(status == 429 && body.starts_with(r#"{"code":-1003,"msg":"#), "{body}");
    let (status, body) = sim.get(&path).await;
    assert!(status == 418 && body.contains("IP banned until 17"), "{body}");
    assert_eq!(sim.header(&path, "retry-after").await.unwrap(), "240");
    assert_eq!(sim.calls(NAME).inside_announced_ban, 2);
    sim.advance(240).await;
    assert_eq!(sim.get(&path).await.0, 200);
}
