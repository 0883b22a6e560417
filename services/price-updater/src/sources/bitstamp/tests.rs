use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const LIST: &str = r#"[
        {"timestamp":"1767323045","open":"60502","high":"62631","low":"59868","last":"61234","volume":"1900.10",
         "vwap":"61280","bid":"61233","ask":"61235","side":"0","open_24":"60400","percent_change_24":"1.38","pair":"BTC/USD"},
        {"last":"56000","bid":"56001","ask":"55999","pair":"BTC/EUR"},
        {"last":"3000","bid":"0","ask":"3001","pair":"ETH/USD"},
        {"last":{},"bid":"0","ask":"3001","pair":"ETH/EUR"},
        {"last":"0.9998","bid":"0.99975","ask":"0.99985","pair":"USDT/USD"}]"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn rows_are_found_by_pair() {
    let tickers = parse_all(200, LIST).unwrap();
    assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61234.00");
    assert_eq!(price(&tickers, "USDT-USD").unwrap(), "0.9998");
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let tickers = parse_all(200, LIST).unwrap();
    assert!(matches!(price(&tickers, "BTC-EUR"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "ETH-USD"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "ETH-EUR"), Err(SourceError::InvalidResponse(_))));
    assert_eq!(price(&tickers, "BTC-GBP"), Err(SourceError::UnknownPair));
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    let limited = SourceError::RateLimited { retry_after: None };
    assert_eq!(error(400, r#"{"response_code":"400.002","response_explanation":"limit"}"#), limited);
    assert_eq!(error(429, "{}"), limited);
    assert_eq!(error(404, "<html>"), SourceError::Status(404));
    assert_eq!(error(200, r#"{"error":"maintenance"}"#), SourceError::refused("maintenance"));
    let reasons = r#"{"status":"error","reason":{"__all__":["no"]},"code":"API0004"}"#;
    assert_eq!(error(200, reasons), SourceError::refused(r#"{"__all__":["no"]}"#));
    for body in ["", "{}", "<html>", &LIST[..100], "3"] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_pairs_need_one_request() {
    let bitstamp = scripted_source(&DEFINITION, |path| {
        assert_eq!(path, "/api/v2/ticker/");
        (200, LIST.to_owned())
    });
    let budget = bitstamp.budget_left();
    assert_eq!(poll_all(&*bitstamp, now()).await.unwrap().tickers.len(), 2);
    assert_eq!(bitstamp.budget_left(), budget - 1);
}
