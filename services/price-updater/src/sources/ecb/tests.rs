use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::sources::testing::{now, poll_all, scripted};

const DAILY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube><Cube time='2026-01-02'>
    <Cube currency='USD' rate='1.0834'/><Cube currency='GBP' rate='0.86570'/><Cube currency='JPY' rate='161,23'/>
    <Cube currency='SEK' rate='0'/><Cube currency='CHF'/>
  </Cube></Cube>
</gesmes:Envelope>"#;

fn parse_text(status: u16, body: &str) -> Result<Rates, SourceError> {
    parse(&HttpResponse::of(status, body))
}

#[test]
fn rates_of_one_euro_are_read_with_their_day_and_one_that_is_wrong_costs_itself_alone() {
    let rates = parse_text(200, DAILY).unwrap();
    let rate = |currency: &str| rates[&pair("EUR", currency)].clone().map(|(rate, day)| format!("{rate} {day}"));
    assert_eq!(rate("USD").unwrap(), "1.0834 2026-01-02T00:00:00.000000Z");
    assert_eq!(rate("GBP").unwrap(), "0.8657 2026-01-02T00:00:00.000000Z");
    assert!(matches!(rate("JPY"), Err(SourceError::Implausible(_))));
    assert!(matches!(rate("SEK"), Err(SourceError::Implausible(_))));
    assert!(!rates.contains_key(&pair("EUR", "CHF")));
}

#[test]
fn errors_are_told_apart() {
    assert_eq!(parse_text(429, "").unwrap_err(), SourceError::RateLimited { retry_after: None });
    assert_eq!(parse_text(503, "<html>").unwrap_err(), SourceError::Status(503));
    let no_day = DAILY.replace("2026-01-02", "02.01.2026");
    for invalid_response in ["", "<html>", "{}", "<a></a>", &DAILY[..DAILY.len() - 30], &no_day] {
        assert!(
            matches!(parse_text(200, invalid_response), Err(SourceError::InvalidResponse(_))),
            "{invalid_response}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_once_an_hour_and_its_rates_outlive_an_outage() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let ecb = scripted(&DEFINITION, move |path| {
        assert_eq!(path, "/stats/eurofxref/eurofxref-daily.xml");
        if count.fetch_add(1, Ordering::SeqCst) == 0 { (200, DAILY.to_owned()) } else { (503, String::new()) }
    });
    for _ in 0..60 {
        let answer = poll_all(&*ecb, now()).await.unwrap();
        assert_eq!((answer.tickers.len(), asked.load(Ordering::SeqCst)), (2, 1));
        tokio::time::advance(daily::PERIOD).await;
    }
    assert_eq!(poll_all(&*ecb, now()).await.unwrap().tickers.len(), 2);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let answer = poll_all(&*ecb, now().plus(Duration::from_hours(24 * 15))).await.unwrap();
    assert!(answer.tickers.is_empty() && matches!(answer.errors[&pair("EUR", "USD")], SourceError::Stale(_)));
}
