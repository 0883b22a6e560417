use super::*;
use crate::sources::tests::fixtures::response;

const TICKER: &str = r#"{"trade_id":701234567,"price":"61234.56","size":"0.01000000",
        "time":"2026-01-02T03:04:05.678901Z","bid":"61234.55","ask":"61234.57","volume":"4321.00000000",
        "rfq_volume":"7.66"}"#;

fn parse_body(status: u16, body: &str) -> Result<(String, String), SourceError> {
    let ticker = parse(&response(status, body), "2026-01-02T03:04:09Z".parse().unwrap())?;
    Ok((ticker.course().to_string(), ticker.vote().to_string()))
}

#[test]
fn last_trade_bid_and_ask_are_parsed_exactly() {
    let expected = |course: &str, vote: &str| Ok((course.to_owned(), vote.to_owned()));
    assert_eq!(parse_body(200, TICKER), expected("61234.56", "61234.56"));
    assert_eq!(
        parse_body(200, r#"{"price":61234.5,"bid":"61234","ask":"61236.00"}"#),
        expected("61234.50", "61235.00")
    );
    assert_eq!(parse_body(200, r#"{"price":"61234.56"}"#), expected("61234.56", "61234.56"));
    // The time of the last trade is ignored.
    assert_eq!(parse_body(200, &TICKER.replace("2026-01-02", "2025-01-02")), parse_body(200, TICKER));
}

#[test]
fn errors_are_classified() {
    assert_eq!(parse_body(404, r#"{"message":"NotFound"}"#), Err(SourceError::UnknownPair));
    assert_eq!(parse_body(200, r#"{"message":"maintenance"}"#), Err(SourceError::refused("maintenance")));
    assert_eq!(parse_body(520, "<html>"), Err(SourceError::Status(520)));
    assert!(matches!(parse_body(429, "{}"), Err(SourceError::RateLimited { .. })));
    for body in ["", "<html>", "{}", &TICKER[..40], "[]", r#"{"price":null}"#] {
        assert!(matches!(parse_body(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
    assert!(matches!(parse_body(200, &TICKER.replace("61234.57", "61234.54")), Err(SourceError::Implausible(_))));
}
