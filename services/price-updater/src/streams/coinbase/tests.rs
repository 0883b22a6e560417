use super::*;

const TICKER: &str = r#"{"type":"ticker","sequence":51000000123,"product_id":"BTC-USD","price":"61234.56",
        "best_bid":"61234.55","best_bid_size":"0.4","best_ask":"61234.57","best_ask_size":"1.5","open_24h":"60000",
        "volume_24h":"1","low_24h":"1","high_24h":"2","volume_30d":"3","side":"buy","time":"2026-01-02T03:04:05.678901Z",
        "trade_id":901234567,"last_size":"0.01"}"#;

#[test]
fn a_ticker_has_the_last_trade_and_the_book_around_it() {
    let expected = Told {
        symbol: "BTC-USD".to_owned(),
        last: Some("61234.56".into()),
        book: Some(("61234.55".into(), "61234.57".into())),
        order: Some(Order::Number(51_000_000_123)),
        trade: Some(901_234_567),
    };
    assert_eq!(read(TICKER).unwrap(), [Event::Told(expected)]);
    let Event::Told(bare) = &read(r#"{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1"}"#).unwrap()[0]
    else {
        panic!()
    };
    assert_eq!(bare.book, None);
}

#[test]
fn a_heartbeat_names_the_last_trade() {
    let text = r#"{"type":"heartbeat","sequence":51000000124,"last_trade_id":901234567,"product_id":"BTC-USD",
            "time":"2026-01-02T03:04:06.000000Z"}"#;
    let order = Order::Number(51_000_000_124);
    let beat = Beat { symbol: "BTC-USD".to_owned(), order, last_trade: 901_234_567 };
    assert_eq!(read(text).unwrap(), [Event::Beat(Some(beat))]);
}

#[test]
fn other_texts_are_told_apart() {
    let ack = r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#;
    assert_eq!(read(ack).unwrap(), [Event::Nothing]);
    let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-XYZ is not a valid product"}"#;
    let why = "Failed to subscribe: BTC-XYZ is not a valid product";
    assert_eq!(read(refused).unwrap(), [Event::Refused(why.to_owned())]);
    for text in ["", "{}", "[]", "<html>", &TICKER[..100], r#"{"type":"heartbeat","product_id":"BTC-USD"}"#] {
        assert!(matches!(read(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}

#[test]
fn each_pair_is_subscribed_to_by_itself() {
    let texts = (PROTOCOL.subscribe)(&["BTC-USD".to_owned(), "ETH-USD".to_owned()]);
    assert_eq!(texts.len(), 2);
    let asked: serde_json::Value = serde_json::from_str(&texts[1]).unwrap();
    assert_eq!(asked["product_ids"][0], "ETH-USD");
    assert_eq!(asked["channels"][1], "heartbeat");
}
