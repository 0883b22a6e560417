use super::*;
use crate::sources::testing::{now, poll_all, scripted};

const RATES: &str = r#"[{"date":"2026-01-02","base":"USD","quote":"EUR","rate":0.92302},
        {"date":"2025-12-20","base":"USD","quote":"RUB","rate":9.01234e1},
        {"date":"2026-01-02","base":"EUR","quote":"GBP","rate":0.86},
        {"date":"today","base":"USD","quote":"CHF","rate":0.8},{"date":"2026-01-02","base":"USD","quote":"JPY","rate":-1},
        {"date":"2026-01-02","base":"USD","quote":"SEK","rate":null},{"quote":"NOK"},
        {"date":"2026-01-02","base":"USD","quote":"KRW","rate":1450}]"#;

fn parse_text(status: u16, body: &str) -> Result<Rates, SourceError> {
    parse(&HttpResponse::of(status, body))
}

#[test]
fn each_row_has_its_own_day_and_one_that_is_wrong_costs_itself_alone() {
    let rates = parse_text(200, RATES).unwrap();
    let rate = |currency: &str| rates[&pair("USD", currency)].clone().map(|(rate, day)| format!("{rate} {day}"));
    assert_eq!(rate("EUR").unwrap(), "0.92302 2026-01-02T00:00:00.000000Z");
    assert_eq!(rate("RUB").unwrap(), "90.1234 2025-12-20T00:00:00.000000Z");
    assert!(matches!(rate("CHF"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(rate("JPY"), Err(SourceError::Implausible(_))));
    assert_eq!(rates.len(), 5);
}

#[test]
fn errors_are_told_apart() {
    let error = |status: u16, body: &str| parse_text(status, body).unwrap_err();
    assert_eq!(error(429, r#"{"message":"slow"}"#), SourceError::RateLimited { retry_after: None });
    assert_eq!(
        error(422, r#"{"status":422,"message":"bad currency pair"}"#),
        SourceError::refused("bad currency pair")
    );
    assert_eq!(error(502, "<html>"), SourceError::Status(502));
    for invalid_response in ["", "[]", "{}", "<html>", &RATES[..100]] {
        assert!(
            matches!(parse_text(200, invalid_response), Err(SourceError::InvalidResponse(_))),
            "{invalid_response}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_missing_or_days_back_has_no_price() {
    let frankfurter = scripted(&DEFINITION, |path| {
        assert!(path.starts_with("/v2/rates?base=USD&tickers=EUR,GBP,RUB,"), "{path}");
        (200, RATES.to_owned())
    });
    let answer = poll_all(&*frankfurter, now()).await.unwrap();
    let told: Vec<_> = answer.tickers.keys().map(ToString::to_string).collect();
    assert_eq!(told, ["USD-EUR", "USD-KRW"]);
    assert!(matches!(answer.errors[&pair("USD", "RUB")], SourceError::Stale(_)));
    assert_eq!(answer.errors[&pair("USD", "NOK")], SourceError::UnknownPair);
}
