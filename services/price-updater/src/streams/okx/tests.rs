use super::*;

const TICKER: &str = r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",
        "instId":"BTC-USDT","last":"61234.5","lastSz":"0.1","askPx":"61234.6","askSz":"11","bidPx":"61234.5","bidSz":"5",
        "open24h":"60400","high24h":"61900","low24h":"60129","volCcy24h":"8000000","vol24h":"130.5",
        "ts":"1767323045085","sodUtc0":"60500","sodUtc8":"60600"}]}"#;

#[test]
fn ticker_is_parsed_exactly() {
    let expected = TickerUpdate {
        symbol: "BTC-USDT".to_owned(),
        last: Some("61234.5".into()),
        bid_ask: Some(BidAskText { bid: "61234.5".into(), ask: "61234.6".into() }),
        sequence: Some(Sequence::Time(1_767_323_045_085)),
        trade_id: None,
    };
    assert_eq!(parse(TICKER).unwrap(), [StreamEvent::TickerUpdate(expected)]);
}

#[test]
fn pong_confirms_the_connection() {
    assert_eq!(parse("pong").unwrap(), [StreamEvent::ConnectionHeartbeat]);
}

#[test]
fn acknowledgement_unknown_notice_and_unknown_channel_are_ignored() {
    let ack = r#"{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"a4d3ae55"}"#;
    assert_eq!(parse(ack).unwrap(), [StreamEvent::Ignored]);
    assert_eq!(parse(r#"{"event":"notice","code":"64001","msg":"else"}"#).unwrap(), [StreamEvent::Ignored]);
    let other = TICKER.replace(r#""channel":"tickers""#, r#""channel":"trades""#);
    assert_eq!(parse(&other).unwrap(), [StreamEvent::Ignored]);
}

#[test]
fn upgrade_notice_announces_a_shutdown() {
    for code in [r#""64008""#, "64008"] {
        let notice = format!(r#"{{"event":"notice","code":{code},"msg":"The connection will soon be closed"}}"#);
        assert_eq!(parse(&notice).unwrap(), [StreamEvent::ShutdownAnnounced]);
    }
}

#[test]
fn refused_request_has_the_message_of_the_exchange() {
    let error = r#"{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}"#;
    assert_eq!(parse(error).unwrap(), [StreamEvent::RequestRefused("Invalid request".to_owned())]);
}

#[test]
fn invalid_message_is_an_error() {
    let no_time = TICKER.replace("1767323045085", "soon");
    for text in ["", "ping", "{}", "[]", &TICKER[..100], &no_time, r#"{"arg":{},"data":[]}"#] {
        assert!(matches!(parse(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}
