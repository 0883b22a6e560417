use super::*;
use crate::sources::tests::fixtures::{now, poll_all, response, scripted_source};

const RATES: &str = r#"[{"date":"2026-01-02","base":"USD","quote":"EUR","rate":0.92302},
        {"date":"2025-12-20","base":"USD","quote":"RUB","rate":9.01234e1},
        {"date":"2026-01-02","base":"EUR","quote":"GBP","rate":0.86},
        {"date":"today","base":"USD","quote":"CHF","rate":0.8},{"date":"2026-01-02","base":"USD","quote":"JPY","rate":-1},
        {"date":"2026-01-02","base":"USD","quote":"SEK","rate":null},{"quote":"NOK"},
        {"date":"2026-01-02","base":"USD","quote":"KRW","rate":1450}]"#;

fn parse_text(status: u16, body: &str) -> Result<DailyRates, SourceError> {
    parse(&response(status, body))
}

#[test]
fn each_row_has_its_own_day() {
    let rates = parse_text(200, RATES).unwrap();
    let rate =
        |currency: &str| rates[&pair("USD", currency)].clone().map(|DailyRate { rate, day }| format!("{rate} {day}"));
    assert_eq!(rate("EUR").unwrap(), "0.92302 2026-01-02T00:00:00.000000Z");
    assert_eq!(rate("RUB").unwrap(), "90.1234 2025-12-20T00:00:00.000000Z");
    assert_eq!(rates.len(), 5);
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let rates = parse_text(200, RATES).unwrap();
    let rate = |currency: &str| rates[&pair("USD", currency)].clone();
    assert!(matches!(rate("CHF"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(rate("JPY"), Err(SourceError::Implausible(_))));
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_text(status, body).unwrap_err();
    assert_eq!(error(429, r#"{"message":"slow"}"#), SourceError::RateLimited { retry_after: None });
    assert_eq!(
        error(422, r#"{"status":422,"message":"bad currency pair"}"#),
        SourceError::refused("bad currency pair")
    );
    assert_eq!(error(502, "<html>"), SourceError::Status(502));
    for body in ["", "[]", "{}", "<html>", &RATES[..100]] {
        assert!(matches!(parse_text(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn missing_or_old_row_is_an_error() {
    let frankfurter = scripted_source(&DEFINITION, |path| {
        assert!(path.starts_with("/v2/rates?base=USD&quotes=EUR,GBP,RUB,"), "{path}");
        (200, RATES.to_owned())
    });
    let reply = poll_all(&*frankfurter, now()).await.unwrap();
    let pairs: Vec<_> = reply.tickers.keys().map(ToString::to_string).collect();
    assert_eq!(pairs, ["USD-EUR", "USD-KRW"]);
    assert!(matches!(reply.errors[&pair("USD", "RUB")], SourceError::Stale(_)));
    assert_eq!(reply.errors[&pair("USD", "NOK")], SourceError::UnknownPair);
}
