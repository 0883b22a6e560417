use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const LIST: &str = r#"[["tBTCUSD",61233,15.3,61235,15.2,-114,-0.0019,61234,900.5,61900,60129],
        ["tBTCJPY",8.9e6,15.3,8.91E+6,15.2,-114,-1.9e-3,8905000.5,900.5,61900,60129],
        ["fUSD",0.0003,30,0.0003,2,4000,0.0003,2,4000,0,0,0,0,0,null,null,1],
        ["tBTCEUR",56001,15.3,56000,15.2,-114,-0.0019,56000,900.5,61900,60129],
        ["tETHUSD",null,15.3,3001,15.2,-114,-0.0019,3000,900.5,61900,60129],
        ["tETHEUR",2800,15.3]]"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn rows_are_found_by_symbol() {
    let tickers = parse_all(200, LIST).unwrap();
    assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61234.00");
    assert_eq!(price(&tickers, "BTC-JPY").unwrap(), "8905000.50");
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let tickers = parse_all(200, LIST).unwrap();
    assert!(matches!(price(&tickers, "BTC-EUR"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "ETH-USD"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(price(&tickers, "ETH-EUR"), Err(SourceError::InvalidResponse(_))));
    assert_eq!(price(&tickers, "BTC-GBP"), Err(SourceError::UnknownPair));
}

#[test]
fn errors_of_every_form_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    for (status, body) in [
        (429, r#"["error",11010,"ratelimit: error"]"#),
        (200, r#"["error",11010,"ratelimit: error"]"#),
        (200, r#"["error",null,"ERR_RATE_LIMIT"]"#),
        (200, r#"{"error":"ERR_RATE_LIMIT"}"#),
        (200, r#"{"message":"Ratelimit"}"#),
        (429, ""),
    ] {
        assert_eq!(error(status, body), SourceError::RateLimited { retry_after: None }, "{status} {body}");
    }
    assert_eq!(error(500, r#"["error",10020,"symbol: invalid"]"#), SourceError::UnknownPair);
    assert_eq!(error(200, r#"["error",20060,"maintenance"]"#), SourceError::refused("20060: maintenance"));
    assert_eq!(error(500, "<html>"), SourceError::Status(500));
    for body in ["", "{}", "<html>", &LIST[..100], "null"] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
    assert_eq!(price(&parse_all(200, "[]").unwrap(), "BTC-USD"), Err(SourceError::UnknownPair));
}

#[tokio::test(start_paused = true)]
async fn unknown_symbol_does_not_affect_other_pairs() {
    let bitfinex = scripted_source(&DEFINITION, |path| match path {
        path if path.contains("tBTCGBP") => (500, r#"["error",10020,"symbol: invalid"]"#.to_owned()),
        _ => (200, LIST.to_owned()),
    });
    let reply = poll_all(&*bitfinex, now()).await.unwrap();
    assert_eq!(reply.tickers.len(), 2);
    assert_eq!(reply.errors[&"BTC-GBP".parse().unwrap()], SourceError::UnknownPair);
}
