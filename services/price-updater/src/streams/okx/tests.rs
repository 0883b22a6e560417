use super::*;

const TICKER: &str = r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT",
        "instId":"BTC-USDT","last":"61234.5","lastSz":"0.1","askPx":"61234.6","askSz":"11","bidPx":"61234.5","bidSz":"5",
        "open24h":"60400","high24h":"61900","low24h":"60129","volCcy24h":"8000000","vol24h":"130.5",
        "ts":"1767323045085","sodUtc0":"60500","sodUtc8":"60600"}]}"#;

#[test]
fn a_ticker_is_read_exactly() {
    let expected = Told {
        symbol: "BTC-USDT".to_owned(),
        last: Some("61234.5".into()),
        book: Some(("61234.5".into(), "61234.6".into())),
        order: Some(Order::Time(1_767_323_045_085)),
        trade: None,
    };
    assert_eq!(read(TICKER).unwrap(), [Event::Told(expected)]);
}

#[test]
fn plain_texts_and_events_are_told_apart() {
    assert_eq!(read("pong").unwrap(), [Event::Beat(None)]);
    let ack = r#"{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"a4d3ae55"}"#;
    assert_eq!(read(ack).unwrap(), [Event::Nothing]);
    for code in [r#""64008""#, "64008"] {
        let notice = format!(r#"{{"event":"notice","code":{code},"msg":"The connection will soon be closed"}}"#);
        assert_eq!(read(&notice).unwrap(), [Event::GoingAway]);
    }
    assert_eq!(read(r#"{"event":"notice","code":"64001","msg":"else"}"#).unwrap(), [Event::Nothing]);
    let error = r#"{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}"#;
    assert_eq!(read(error).unwrap(), [Event::Refused("Invalid request".to_owned())]);
    let other = TICKER.replace(r#""channel":"tickers""#, r#""channel":"trades""#);
    assert_eq!(read(&other).unwrap(), [Event::Nothing]);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let no_time = TICKER.replace("1767323045085", "soon");
    for text in ["", "ping", "{}", "[]", &TICKER[..100], &no_time, r#"{"arg":{},"data":[]}"#] {
        assert!(matches!(read(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}
