use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const FEED: &str = r#"[{"pair":"BTCUSD","price":"61235.00","percentChange24h":"5.23"},
        {"pair":"BTCEUR","price":"0","percentChange24h":"0"},{"pair":"BTCGBP","price":null},{"price":"1"},
        {"pair":"ETHUSD","price":"3,012.5"},{"pair":"USDTUSD","price":"0.9998","percentChange24h":"0.0000"}]"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn rows_are_found_by_pair() {
    let tickers = parse_all(200, FEED).unwrap();
    assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61235.00");
    assert_eq!(price(&tickers, "USDT-USD").unwrap(), "0.9998");
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let tickers = parse_all(200, FEED).unwrap();
    assert!(matches!(price(&tickers, "BTC-EUR"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "BTC-GBP"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(price(&tickers, "ETH-USD"), Err(SourceError::Implausible(_))));
    assert_eq!(price(&tickers, "ETH-EUR"), Err(SourceError::UnknownPair));
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    let limited = SourceError::RateLimited { retry_after: None };
    assert_eq!(error(429, ""), limited);
    assert_eq!(error(400, r#"{"result":"error","reason":"RateLimit","message":"slow"}"#), limited);
    let closed = r#"{"result":"error","reason":"Maintenance","message":"back soon"}"#;
    assert_eq!(error(503, closed), SourceError::refused("Maintenance: back soon"));
    assert_eq!(error(502, "<html>"), SourceError::Status(502));
    for body in ["", "{}", "<html>", &FEED[..80], "true"] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_pairs_need_one_request() {
    let gemini = scripted_source(&DEFINITION, |path| {
        assert_eq!(path, "/v1/pricefeed");
        (200, FEED.to_owned())
    });
    assert_eq!(poll_all(&*gemini, now()).await.unwrap().tickers.len(), 2);
    assert_eq!(gemini.budget_left(), 3);
}
