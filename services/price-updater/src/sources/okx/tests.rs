use super::*;
use crate::sources::tests::fixtures::{now, poll_all, response, scripted_source};

const TICKER: &str = r#"{"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USDT","last":"61234.5",
        "lastSz":"0.1","askPx":"61234.6","askSz":"11","bidPx":"61234.5","bidSz":"5","open24h":"60400","high24h":"61900",
        "low24h":"60129","volCcy24h":"8000000","vol24h":"130.5","ts":"1767323045085","sodUtc0":"60500","sodUtc8":"60600"}]}"#;

fn parse_body(status: u16, body: &str) -> Result<String, SourceError> {
    parse(&response(status, body), "BTC-USDT", now()).map(|ticker| ticker.course().to_string())
}

#[test]
fn last_trade_is_parsed_exactly() {
    assert_eq!(parse_body(200, TICKER).unwrap(), "61234.50");
}

#[test]
fn wrong_pair_empty_side_or_crossed_book_is_rejected() {
    assert!(matches!(parse_body(200, &TICKER.replace("BTC-USDT", "BTC-USDC")), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(
        parse_body(200, &TICKER.replace(r#""bidPx":"61234.5""#, r#""bidPx":"""#)),
        Err(SourceError::Implausible(_))
    ));
    assert!(matches!(parse_body(200, &TICKER.replace("61234.6", "61234.4")), Err(SourceError::Implausible(_))));
}

#[test]
fn errors_of_every_form_are_classified() {
    let limited = Err(SourceError::RateLimited { retry_after: None });
    assert_eq!(parse_body(429, r#"{"msg":"Too Many Requests","code":"50011"}"#), limited);
    assert_eq!(parse_body(200, r#"{"msg":"Too Many Requests","code":"50011"}"#), limited);
    assert_eq!(parse_body(429, "<html>"), limited);
    let gateway =
        r#"{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}"#;
    assert_eq!(parse_body(404, gateway), Err(SourceError::refused("404: Not Found")));
    let unknown = r#"{"code":"51001","msg":"Instrument ID does not exist","data":[]}"#;
    assert_eq!(parse_body(200, unknown), Err(SourceError::UnknownPair));
    assert_eq!(parse_body(200, r#"{"code":"50001","msg":"down","data":[]}"#), Err(SourceError::refused("50001: down")));
    assert_eq!(parse_body(502, "<html>"), Err(SourceError::Status(502)));
    assert_eq!(parse_body(500, TICKER), Err(SourceError::Status(500)));
    for body in ["", "{}", "<html>", &TICKER[..80], r#"{"code":"0","data":[]}"#, r#"{"code":"0","data":{}}"#, "[]"] {
        assert!(matches!(parse_body(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
    for (body, cause) in [("{}", "missing field `code`"), (&TICKER[..80], "EOF while parsing")] {
        let error = parse_body(200, body).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_pair_is_requested_once_an_hour() {
    let okx = scripted_source(&DEFINITION, |path| match path {
        "/api/v5/market/ticker?instId=BTC-USDT" => (200, TICKER.to_owned()),
        _ => (200, r#"{"code":"51001","msg":"","data":[]}"#.to_owned()),
    });
    for left in [16 - 8, 16 - 9] {
        let reply = poll_all(&*okx, now()).await.unwrap();
        assert_eq!((reply.tickers.len(), reply.errors.len(), okx.budget_left()), (1, 7, left));
    }
}
