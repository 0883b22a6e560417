use super::*;

const TICKER: &str = r#"{"type":"ticker","sequence":51000000123,"product_id":"BTC-USD","price":"61234.56",
        "best_bid":"61234.55","best_bid_size":"0.4","best_ask":"61234.57","best_ask_size":"1.5","open_24h":"60000",
        "volume_24h":"1","low_24h":"1","high_24h":"2","volume_30d":"3","side":"buy","time":"2026-01-02T03:04:05.678901Z",
        "trade_id":901234567,"last_size":"0.01"}"#;

#[test]
fn ticker_has_last_trade_and_book() {
    let expected = TickerUpdate {
        symbol: "BTC-USD".to_owned(),
        last: Some("61234.56".into()),
        book: Some(BookTop { bid: "61234.55".into(), ask: "61234.57".into() }),
        sequence: Some(Sequence::Number(51_000_000_123)),
        trade_id: Some(901_234_567),
    };
    assert_eq!(parse(TICKER).unwrap(), [StreamEvent::TickerUpdate(expected)]);
    let StreamEvent::TickerUpdate(bare) =
        &parse(r#"{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1"}"#).unwrap()[0]
    else {
        panic!()
    };
    assert_eq!(bare.book, None);
}

#[test]
fn heartbeat_has_the_last_trade_id() {
    let text = r#"{"type":"heartbeat","sequence":51000000124,"last_trade_id":901234567,"product_id":"BTC-USD",
            "time":"2026-01-02T03:04:06.000000Z"}"#;
    let sequence = Sequence::Number(51_000_000_124);
    let heartbeat = Heartbeat { symbol: "BTC-USD".to_owned(), sequence, last_trade_id: 901_234_567 };
    assert_eq!(parse(text).unwrap(), [StreamEvent::PairHeartbeat(heartbeat)]);
}

#[test]
fn other_messages_are_classified() {
    let ack = r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#;
    assert_eq!(parse(ack).unwrap(), [StreamEvent::Ignored]);
    let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-XYZ is not a valid product"}"#;
    let why = "Failed to subscribe: BTC-XYZ is not a valid product";
    assert_eq!(parse(refused).unwrap(), [StreamEvent::RequestRefused(why.to_owned())]);
    for text in ["", "{}", "[]", "<html>", &TICKER[..100], r#"{"type":"heartbeat","product_id":"BTC-USD"}"#] {
        assert!(matches!(parse(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}

#[test]
fn each_pair_has_its_own_subscription() {
    let texts = (PROTOCOL.subscribe)(&["BTC-USD".to_owned(), "ETH-USD".to_owned()]);
    assert_eq!(texts.len(), 2);
    let request: serde_json::Value = serde_json::from_str(&texts[1]).unwrap();
    assert_eq!(request["product_ids"][0], "ETH-USD");
    assert_eq!(request["channels"][1], "heartbeat");
}
