use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use super::*;
use crate::sources::tests::fixtures::{now, poll_all, response, scripted_source};

const DAILY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube><Cube time='2026-01-02'>
    <Cube currency='USD' rate='1.0834'/><Cube currency='GBP' rate='0.86570'/><Cube currency='JPY' rate='161,23'/>
    <Cube currency='SEK' rate='0'/><Cube currency='CHF'/>
  </Cube></Cube>
</gesmes:Envelope>"#;

fn parse_text(status: u16, body: &str) -> Result<DailyRates, SourceError> {
    parse(&response(status, body))
}

#[test]
fn invalid_row_does_not_affect_other_rates() {
    let rates = parse_text(200, DAILY).unwrap();
    let rate =
        |currency: &str| rates[&pair("EUR", currency)].clone().map(|DailyRate { rate, day }| format!("{rate} {day}"));
    assert_eq!(rate("USD").unwrap(), "1.0834 2026-01-02T00:00:00.000000Z");
    assert_eq!(rate("GBP").unwrap(), "0.8657 2026-01-02T00:00:00.000000Z");
    assert!(matches!(rate("JPY"), Err(SourceError::Implausible(_))));
    assert!(matches!(rate("SEK"), Err(SourceError::Implausible(_))));
    assert!(!rates.contains_key(&pair("EUR", "CHF")));
}

#[test]
fn errors_are_classified() {
    assert_eq!(parse_text(429, "").unwrap_err(), SourceError::RateLimited { retry_after: None });
    assert_eq!(parse_text(503, "<html>").unwrap_err(), SourceError::Status(503));
    let no_date = DAILY.replace("2026-01-02", "02.01.2026");
    for body in ["", "<html>", "{}", "<a></a>", &DAILY[..DAILY.len() - 30], &no_date] {
        assert!(matches!(parse_text(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn rates_are_fetched_hourly_and_stay_in_use_during_an_outage() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let ecb = scripted_source(&DEFINITION, move |path| {
        assert_eq!(path, "/stats/eurofxref/eurofxref-daily.xml");
        if count.fetch_add(1, Ordering::SeqCst) == 0 { (200, DAILY.to_owned()) } else { (503, String::new()) }
    });
    for _ in 0..60 {
        let reply = poll_all(&*ecb, now()).await.unwrap();
        assert_eq!((reply.tickers.len(), requests.load(Ordering::SeqCst)), (2, 1));
        tokio::time::advance(daily_rates::POLL_INTERVAL).await;
    }
    assert_eq!(poll_all(&*ecb, now()).await.unwrap().tickers.len(), 2);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    let reply = poll_all(&*ecb, now().plus(Duration::from_hours(24 * 15))).await.unwrap();
    assert!(reply.tickers.is_empty() && matches!(reply.errors[&pair("EUR", "USD")], SourceError::Stale(_)));
}
