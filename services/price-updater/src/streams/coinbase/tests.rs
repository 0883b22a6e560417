use super::*;

const TICKER: &str = r#"{"type":"ticker","sequence":51000000123,"product_id":"BTC-USD","price":"61234.56",
        "best_bid":"61234.55","best_bid_size":"0.4","best_ask":"61234.57","best_ask_size":"1.5","open_24h":"60000",
        "volume_24h":"1","low_24h":"1","high_24h":"2","volume_30d":"3","side":"buy","time":"2026-01-02T03:04:05.678901Z",
        "trade_id":901234567,"last_size":"0.01"}"#;

#[test]
fn ticker_has_last_trade_bid_and_ask() {
    let expected = TickerUpdate {
        symbol: "BTC-USD".to_owned(),
        last: Some("61234.56".into()),
        bid_ask: Some(BidAskText { bid: "61234.55".into(), ask: "61234.57".into() }),
        sequence: Some(Sequence::Number(51_000_000_123)),
        trade_id: Some(901_234_567),
    };
    assert_eq!(parse(TICKER).unwrap(), [StreamEvent::TickerUpdate(expected)]);
}

#[test]
fn ticker_can_have_only_the_last_trade() {
    let StreamEvent::TickerUpdate(update) =
        &parse(r#"{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1"}"#).unwrap()[0]
    else {
        panic!()
    };
    assert_eq!((&update.last, &update.bid_ask), (&Some("1".into()), &None));
}

#[test]
fn heartbeat_has_the_last_trade_id() {
    let text = r#"{"type":"heartbeat","sequence":51000000124,"last_trade_id":901234567,"product_id":"BTC-USD",
            "time":"2026-01-02T03:04:06.000000Z"}"#;
    let sequence = Sequence::Number(51_000_000_124);
    let heartbeat = PairHeartbeat { symbol: "BTC-USD".to_owned(), sequence, last_trade_id: 901_234_567 };
    assert_eq!(parse(text).unwrap(), [StreamEvent::PairHeartbeat(heartbeat)]);
}

#[test]
fn acknowledgement_is_ignored() {
    let ack = r#"{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"]}]}"#;
    assert_eq!(parse(ack).unwrap(), [StreamEvent::Ignored]);
}

#[test]
fn refused_subscription_has_message_and_reason() {
    let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-XYZ is not a valid product"}"#;
    let reason = "Failed to subscribe: BTC-XYZ is not a valid product";
    assert_eq!(parse(refused).unwrap(), [StreamEvent::RequestRefused(reason.to_owned())]);
}

#[test]
fn invalid_message_is_an_error() {
    for text in ["", "{}", "[]", "<html>", &TICKER[..100], r#"{"type":"heartbeat","product_id":"BTC-USD"}"#] {
        assert!(matches!(parse(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}

#[test]
fn each_pair_has_its_own_subscription() {
    let messages = (PROTOCOL.subscribe_messages)(&["BTC-USD".to_owned(), "ETH-USD".to_owned()]);
    assert_eq!(messages.len(), 2);
    let request: serde_json::Value = serde_json::from_str(&messages[1]).unwrap();
    assert_eq!(request["product_ids"][0], "ETH-USD");
    assert_eq!(request["channels"][1], "heartbeat");
}
