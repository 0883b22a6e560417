use common::time::Timestamp;

use super::*;
use crate::sources::{
    tests::fixtures::{now, poll_all, response, scripted_source},
    transport::RawResponse,
};

const DAILY: &str = r#"<?xml version="1.0" encoding="windows-1251"?><ValCurs Date="02.01.2026" name="Foreign Currency Market">
        <Valute ID="R01235"><NumCode>840</NumCode><CharCode>USD</CharCode><Nominal>1</Nominal><Name>Доллар США</Name>
            <Value>90,1234</Value><VunitRate>90,1234</VunitRate></Valute>
        <Valute ID="R01815"><NumCode>410</NumCode><CharCode>KRW</CharCode><Nominal>1000</Nominal><Name>Вон</Name>
            <Value>62,1505</Value><VunitRate>0,0621505</VunitRate></Valute>
        <Valute><CharCode>EUR</CharCode><Nominal>1</Nominal><Value>1.090,50</Value></Valute>
        <Valute><CharCode>GBP</CharCode><Nominal>0</Nominal><Value>110,5</Value></Valute>
        <Valute><CharCode>CHF</CharCode><Nominal>1</Nominal><Value>-1,5</Value></Valute>
        <Valute><CharCode>JPY</CharCode><Nominal>100</Nominal></Valute>
        <Valute><CharCode>CNY</CharCode><Nominal>1</Nominal><Value>1,234,5</Value></Valute></ValCurs>"#;

fn parse_text(status: u16, body: &str) -> Result<DailyRates, SourceError> {
    parse(&response(status, body))
}

fn rate(rates: &DailyRates, currency: &str) -> Result<String, SourceError> {
    rates[&pair(currency, "RUB")].clone().map(|rate| rate.rate.to_string())
}

#[test]
fn rate_is_the_price_of_one_unit() {
    let rates = parse_text(200, DAILY).unwrap();
    assert_eq!(rate(&rates, "USD").unwrap(), "90.1234");
    assert_eq!(rate(&rates, "KRW").unwrap(), "0.0621505");
    let day: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    assert_eq!(rates[&pair("USD", "RUB")].as_ref().unwrap().day, day);
}

#[test]
fn invalid_row_is_an_error_of_its_pair() {
    let rates = parse_text(200, DAILY).unwrap();
    for currency in ["EUR", "GBP", "CHF", "JPY", "CNY"] {
        assert!(matches!(rate(&rates, currency), Err(SourceError::Implausible(_))), "{currency}");
    }
}

#[test]
fn windows_1251_is_decoded() {
    let body = encoding_rs::WINDOWS_1251.encode(DAILY).0.into_owned();
    assert!(std::str::from_utf8(&body).is_err());
    let response = RawResponse { status: 200, body: body.into(), ..RawResponse::default() };
    assert_eq!(rate(&parse(&response.into()).unwrap(), "USD").unwrap(), "90.1234");
}

#[test]
fn errors_are_classified() {
    assert_eq!(parse_text(503, "<html>").unwrap_err(), SourceError::Status(503));
    let no_date = DAILY.replace("02.01.2026", "2026-01-02");
    for body in ["", "<html>", "<ValCurs/>", &DAILY[..400], &no_date] {
        assert!(matches!(parse_text(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn poll_returns_rates_and_errors() {
    let cbr = scripted_source(&DEFINITION, |path| {
        assert_eq!(path, "/scripts/XML_daily.asp");
        (200, DAILY.to_owned())
    });
    let reply = poll_all(&*cbr, now()).await.unwrap();
    assert_eq!(reply.tickers.len(), 2);
    assert!(matches!(reply.errors[&pair("EUR", "RUB")], SourceError::Implausible(_)));
    assert_eq!(reply.errors[&pair("AED", "RUB")], SourceError::UnknownPair);
}
