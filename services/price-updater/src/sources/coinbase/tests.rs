use super::*;

const TICKER: &str = r#"{"trade_id":701234567,"price":"61234.56","size":"0.01000000",
        "time":"2026-01-02T03:04:05.678901Z","bid":"61234.55","ask":"61234.57","volume":"4321.00000000",
        "rfq_volume":"7.66"}"#;

fn at(status: u16, body: &str) -> Result<(String, String), SourceError> {
    let quote = parse(&HttpResponse::of(status, body), "2026-01-02T03:04:09Z".parse().unwrap())?;
    Ok((quote.course().to_string(), quote.vote().to_string()))
}

#[test]
fn the_last_trade_and_the_book_are_read_exactly() {
    let told = |course: &str, vote: &str| Ok((course.to_owned(), vote.to_owned()));
    assert_eq!(at(200, TICKER), told("61234.56", "61234.56"));
    assert_eq!(at(200, r#"{"price":61234.5,"bid":"61234","ask":"61236.00"}"#), told("61234.50", "61235.00"));
    assert_eq!(at(200, r#"{"price":"61234.56"}"#), told("61234.56", "61234.56"));
    // A trade of last year is no error: nothing was traded since, and the book says more.
    assert_eq!(at(200, &TICKER.replace("2026-01-02", "2025-01-02")), at(200, TICKER));
}

#[test]
fn errors_are_told_apart() {
    assert_eq!(at(404, r#"{"message":"NotFound"}"#), Err(SourceError::UnknownPair));
    assert_eq!(at(200, r#"{"message":"maintenance"}"#), Err(SourceError::refused("maintenance")));
    assert_eq!(at(520, "<html>"), Err(SourceError::Status(520)));
    assert!(matches!(at(429, "{}"), Err(SourceError::RateLimited { .. })));
    for invalid_response in ["", "<html>", "{}", &TICKER[..40], "[]", r#"{"price":null}"#] {
        assert!(matches!(at(200, invalid_response), Err(SourceError::InvalidResponse(_))), "{invalid_response}");
    }
    assert!(matches!(at(200, &TICKER.replace("61234.57", "61234.54")), Err(SourceError::Implausible(_))));
}
