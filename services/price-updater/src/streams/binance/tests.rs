use super::*;

const BOOK_TICKER: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":700100200,"s":"BTCUSDT","b":"61234.55000000",
        "B":"1.2","a":"61234.56000000","A":"0.8"}}"#;
const TICKER: &str = r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1700000000123,"s":"BTCUSDT",
        "p":"-94.99","w":"61200.1","x":"61230.00","c":"61234.56","Q":"0.1","b":"61234.55","B":"1","a":"61234.57","A":"2",
        "C":1700000000120,"F":1,"L":2,"n":3}}"#;

fn single_event(text: &str) -> StreamEvent {
    let mut events = parse(text).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[test]
fn keys_that_differ_in_case_are_distinguished() {
    let StreamEvent::TickerUpdate(book_ticker) = single_event(BOOK_TICKER) else { panic!() };
    assert_eq!(
        (book_ticker.symbol.as_str(), book_ticker.last, book_ticker.sequence),
        ("BTCUSDT", None, Some(Sequence::Number(700_100_200)))
    );
    assert_eq!(book_ticker.bid_ask, Some(BidAskText { bid: "61234.55000000".into(), ask: "61234.56000000".into() }));
    let StreamEvent::TickerUpdate(ticker) = single_event(TICKER) else { panic!() };
    assert_eq!((ticker.last, ticker.bid_ask), (Some("61234.56".into()), None));
    assert_eq!(ticker.sequence, Some(Sequence::Time(1_700_000_000_123)));
}

#[test]
fn shutdown_is_recognised_with_and_without_a_wrapper() {
    for text in [
        r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1700000000123}}"#,
        r#"{"e":"serverShutdown","E":1700000000123}"#,
    ] {
        assert_eq!(single_event(text), StreamEvent::ShutdownAnnounced);
    }
}

#[test]
fn refused_request_has_the_message_of_the_exchange() {
    let refused = StreamEvent::RequestRefused("Invalid request: unknown".to_owned());
    assert_eq!(single_event(r#"{"code":2,"msg":"Invalid request: unknown","id":1}"#), refused);
    assert_eq!(single_event(r#"{"error":{"code":2,"msg":"Invalid request: unknown"},"id":1}"#), refused);
}

#[test]
fn acknowledgement_and_unknown_stream_are_ignored() {
    assert_eq!(single_event(r#"{"result":null,"id":1}"#), StreamEvent::Ignored);
    let other = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1"}}"#;
    assert_eq!(single_event(other), StreamEvent::Ignored);
}

#[test]
fn invalid_message_is_an_error() {
    for text in
        ["", "pong", "[]", "null", &BOOK_TICKER[..90], r#"{"stream":"x","data":{"u":1,"s":"BTCUSDT","b":null}}"#]
    {
        assert!(matches!(parse(text), Err(SourceError::InvalidResponse(_))), "{text}");
    }
}

#[test]
fn stream_names_are_lower_case_and_symbols_upper_case() {
    let symbol = (PROTOCOL.symbol)("BTC-USDT".parse().unwrap());
    assert_eq!(symbol, "BTCUSDT");
    assert_eq!((PROTOCOL.query)(&[symbol]).unwrap(), "streams=btcusdt@bookTicker/btcusdt@ticker");
}
