use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const TICKER: &str = r#"{"USD":{"15m":61000.1,"last":61234.5,"buy":61234.5,"sell":61234.5,"symbol":"USD"},
        "EUR":{"15m":1,"last":56789,"buy":1,"sell":1,"symbol":"€"},"GBP":{"last":48000,"symbol":"JPY"},
        "CHF":{"last":0,"symbol":"CHF"},"AUD":{"15m":1},"RUB":{"last":5.5123e6,"symbol":"RUB"}}"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn last_price_is_parsed() {
    let tickers = parse_all(200, TICKER).unwrap();
    assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61234.50");
    assert_eq!(price(&tickers, "BTC-EUR").unwrap(), "56789.00");
    assert_eq!(price(&tickers, "BTC-RUB").unwrap(), "5512300.00");
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let tickers = parse_all(200, TICKER).unwrap();
    assert!(matches!(price(&tickers, "BTC-GBP"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(price(&tickers, "BTC-CHF"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "BTC-AUD"), Err(SourceError::InvalidResponse(_))));
    assert_eq!(price(&tickers, "BTC-JPY"), Err(SourceError::UnknownPair));
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    assert_eq!(error(429, ""), SourceError::RateLimited { retry_after: None });
    assert_eq!(error(200, r#"{"error":"not now"}"#), SourceError::refused("not now"));
    assert_eq!(error(500, "<html>"), SourceError::Status(500));
    for body in ["", "[]", "<html>", &TICKER[..80], "61,234.5"] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_currencies_need_one_request() {
    let source = scripted_source(&DEFINITION, |path| {
        assert_eq!(path, "/ticker");
        (200, TICKER.to_owned())
    });
    assert_eq!(poll_all(&*source, now()).await.unwrap().tickers.len(), 3);
    assert_eq!(source.budget_left(), 2);
}
