use super::*;

const ROW: &str = r#"{"symbol":"BTC/USD","bid":61234.50,"bid_qty":2.5,"ask":61234.60,"ask_qty":3.2,"last":61234.50,
        "volume":150.25000000,"vwap":61300.1,"low":60000.0,"high":61900.0,"change":250.0,"change_pct":0.24,
        "timestamp":"2026-01-02T03:04:05.123456Z"}"#;

fn ticker(kind: &str) -> String {
    format!(r#"{{"channel":"ticker","type":"{kind}","data":[{ROW}]}}"#)
}

#[test]
fn numbers_are_parsed_from_their_text() {
    for kind in ["snapshot", "update"] {
        let events = parse(&ticker(kind)).unwrap();
        let [StreamEvent::TickerUpdate(update)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(update.last, Some("61234.50".into()));
        assert_eq!(update.bid_ask, Some(BidAskText { bid: "61234.50".into(), ask: "61234.60".into() }));
        assert_eq!(update.sequence, Some(Sequence::Time(1_767_323_045_123_456)));
    }
    let small = ticker("update").replace("61234.50", "1e-5");
    let [StreamEvent::TickerUpdate(update)] = &parse(&small).unwrap()[..] else { panic!() };
    assert_eq!(update.last, Some("1e-5".into()));
}

#[test]
fn message_can_have_several_pairs() {
    let both = format!(r#"{{"channel":"ticker","type":"update","data":[{ROW},{}]}}"#, ROW.replace("USD", "EUR"));
    assert_eq!(parse(&both).unwrap().len(), 2);
}

#[test]
fn heartbeat_confirms_the_connection() {
    assert_eq!(parse(r#"{"channel":"heartbeat"}"#).unwrap(), [StreamEvent::ConnectionHeartbeat]);
}

#[test]
fn status_other_than_online_halts_trading() {
    let status = |system| {
        format!(r#"{{"channel":"status","type":"update","data":[{{"system":"{system}","api_version":"v2"}}]}}"#)
    };
    assert_eq!(parse(&status("online")).unwrap(), [StreamEvent::Ignored]);
    assert_eq!(parse(&status("maintenance")).unwrap(), [StreamEvent::TradingHalted("maintenance".to_owned())]);
}

#[test]
fn acknowledgement_and_unknown_channel_are_ignored() {
    let ack = r#"{"method":"subscribe","result":{"channel":"ticker","symbol":"BTC/USD","snapshot":true},
            "success":true,"time_in":"2026-01-02T03:04:05.1Z","time_out":"2026-01-02T03:04:05.2Z","req_id":1}"#;
    assert_eq!(parse(ack).unwrap(), [StreamEvent::Ignored]);
    assert_eq!(parse(r#"{"channel":"instrument","data":{"assets":[]}}"#).unwrap(), [StreamEvent::Ignored]);
}

#[test]
fn refused_subscription_names_the_symbol() {
    let refusal = r#"{"error":"Currency pair not supported","method":"subscribe","req_id":1,"success":false,
            "symbol":"XBT/USD"}"#;
    assert_eq!(
        parse(refusal).unwrap(),
        [StreamEvent::RequestRefused("Currency pair not supported: XBT/USD".to_owned())]
    );
}

#[test]
fn invalid_message_is_an_error() {
    let row = |row: &str| format!(r#"{{"channel":"ticker","type":"update","data":[{row}]}}"#);
    for text in [
        String::new(),
        "{}".to_owned(),
        "[42,{},\"ticker\",\"XBT/USD\"]".to_owned(),
        ticker("update")[..120].to_owned(),
        r#"{"channel":"ticker","type":"update"}"#.to_owned(),
        row(r#"{"symbol":"BTC/USD","bid":1}"#),
        row(r#"{"symbol":"BTC/USD","last":true}"#),
    ] {
        assert!(matches!(parse(&text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}
