use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const BOOKS: &str = r#"[
        {"symbol":"BTCUSDT","bidPrice":"61234.55000000","bidQty":"1.2","askPrice":"61234.57000000","askQty":"0.8"},
        {"symbol":"ETHUSDT","bidPrice":"3012.34000000","bidQty":"1.2","askPrice":null,"askQty":"0.8"},
        {"symbol":"BTCEUR","bidPrice":"0.00000000","bidQty":"0.0","askPrice":"56000.00000000","askQty":"0.1"},
        {"symbol":"DOGEUSDT","bidPrice":"0.1","bidQty":"0.0","askPrice":"0.1","askQty":"0.1"}]"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn price_without_a_last_trade_is_the_mid_price() {
    let tickers = parse_all(200, BOOKS).unwrap();
    assert_eq!(price(&tickers, "BTC-USDT").unwrap(), "61234.56");
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let tickers = parse_all(200, BOOKS).unwrap();
    assert!(matches!(price(&tickers, "ETH-USDT"), Err(SourceError::InvalidResponse(_))));
    // A pair without bids is not traded.
    assert!(matches!(price(&tickers, "BTC-EUR"), Err(SourceError::Implausible(_))));
    assert_eq!(price(&tickers, "BTC-GBP"), Err(SourceError::UnknownPair));
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    assert_eq!(error(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#), SourceError::UnknownPair);
    let limited =
        |retry_after: Option<u64>| SourceError::RateLimited { retry_after: retry_after.map(Duration::from_secs) };
    assert_eq!(error(429, r#"{"code":-1003,"msg":"Too much request weight used"}"#), limited(None));
    let until = now().plus(Duration::from_secs(150)).micros() / 1000;
    let banned = format!(r#"{{"code":-1003,"msg":"Way too much; IP(1.2.3.4) banned until {until}. Use websockets."}}"#);
    assert_eq!(error(418, &banned), limited(Some(150)));
    assert_eq!(error(418, r#"{"code":-1003,"msg":"banned until 99999999999999999999"}"#), limited(None));
    assert_eq!(error(418, r#"{"code":-1003,"msg":"banned until 1"}"#), limited(None));
    assert_eq!(error(429, "<html>"), limited(None));
    assert_eq!(error(403, "<html>"), SourceError::Status(403));
    assert_eq!(error(500, r#"{"code":-1000,"msg":"unknown"}"#), SourceError::refused("-1000: unknown"));
    for body in ["", "{}", "<html>", &BOOKS[..80], r#""BTCUSDT""#] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn halted_pair_is_unknown() {
    let binance = scripted_source(&DEFINITION, |path| {
        assert!(path.contains("symbols=%5B%22BTCUSDT%22,") && path.ends_with("&symbolStatus=TRADING"), "{path}");
        (200, BOOKS.to_owned())
    });
    let reply = poll_all(&*binance, now()).await.unwrap();
    assert_eq!(reply.tickers.len(), 1);
    assert_eq!(reply.errors[&"BTC-GBP".parse().unwrap()], SourceError::UnknownPair);
}
